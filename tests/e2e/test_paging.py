"""A real Prometheus and a real Alertmanager, with the files of config/, on a node that fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from rtgf_node.cli.demo_node import free_port
from tests.nodes import RATES, TestNode

CONFIG = Path(__file__).resolve().parents[2] / "config" / "prometheus"
PATIENCE_SECONDS = 90.0
NOBODY = "http://127.0.0.1:1/first"
TOKEN = {"tokens": {"rmt": "RMT:SG:payments_aml:2026-10"}}


def tool(*names: str) -> str:
    """Return the program; Debian has them in `prometheus` and `prometheus-alertmanager`."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed here")
    return found


class Receiver:
    """The second channel: keeps every alert that it is told of."""

    def __init__(self) -> None:
        told = self.told = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.extend(json.loads(body)["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/second"

    def labels(self, **wanted: str) -> list[dict[str, str]]:
        """Return the labels of the alerts that stand, have these labels, and were told here."""
        return [
            alert["labels"]
            for alert in self.told
            if alert["status"] == "firing" and wanted.items() <= alert["labels"].items()
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@contextmanager
def program(folder: Path, name: str, *command: str) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def watched(folder: Path, node: TestNode, second: str) -> Iterator[None]:
    """Run both on the files of config/, with one change: seconds for minutes."""
    prometheus, manager = free_port(), free_port()
    addresses = {"9464": node.metrics_port, "9093": manager}
    plain = (CONFIG / "prometheus.yml").read_text()
    for usual, here in addresses.items():
        plain = plain.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{here}")
    (folder / "prometheus.yml").write_text(plain.replace("15s", "1s"))
    rules = (CONFIG / "rtgf.rules.yml").read_text()
    soon = re.sub(r"^( *for:) .*$", r"\1 1s", rules, flags=re.MULTILINE)
    (folder / "rtgf.rules.yml").write_text(soon)
    routes: Any = yaml.safe_load((CONFIG / "alertmanager.yml").read_text())
    for route in (routes["route"], *routes["route"]["routes"]):
        route |= {"group_wait": "100ms", "group_interval": "1s"}
    for one in routes["receivers"]:
        for hook in one["webhook_configs"]:
            hook["url"] = second if hook["url"].endswith("/second") else NOBODY
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(routes))
    with (
        program(
            folder,
            "alertmanager",
            tool("prometheus-alertmanager", "alertmanager"),
            "--config.file=alertmanager.yml",
            "--storage.path=alerts",
            f"--web.listen-address=127.0.0.1:{manager}",
            "--cluster.listen-address=",
        ),
        program(
            folder,
            "prometheus",
            tool("prometheus"),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=figures",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ),
    ):
        yield


def test_a_node_that_fails_calls_somebody_although_the_first_channel_is_down(
    make_node, tmp_path, receiver
):
    """RTGF-CT-90, RTGF-CT-91, RTGF-CT-92."""
    settings = f"{RATES}[decisions]\nroot_every_seconds = 0.2\nflush_every_seconds = 0.1\n"
    node = make_node(published=True, running=False, settings=settings)
    with node.running():
        assert node.ask("POST", "/verify", TOKEN).status == 200
    for part in (node.folder / "data").glob("decisions.db*"):
        part.unlink()

    def until(**labels: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not receiver.labels(**labels):
            assert time.monotonic() < deadline, (labels, receiver.told)
            if running:
                node.ask("POST", "/verify", TOKEN).problem(503, "RTGF_VERIFY_UNAVAILABLE")
            time.sleep(0.1)

    running = True
    with watched(tmp_path, node, receiver.url):
        with node.running():
            # What Prometheus reckons, and what the node says of itself.
            until(alertname="RtgfAvailability", severity="P0", burn="fast")
            until(alertname="RtgfAvailability", severity="P0", seen_by="node")
            # Of less than P0 the second channel hears when the first fails.
            until(alertname="RtgfAlertSuppressed", suppressed="RtgfDecisionsUnrecorded")
            assert receiver.labels(alertname="RtgfDecisionsUnrecorded") == []
        running = False
        receiver.told.clear()
        gone = f"127.0.0.1:{node.metrics_port}"
        until(alertname="RtgfAlertSuppressed", suppressed="RtgfDataGap", instance=gone)
