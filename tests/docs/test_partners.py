"""The examples of `docs/partners.md` run as they stand, against a node."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import trio

from rtgf_node import config, partner_kit
from tests.e2e.conftest import published, template
from tests.worlds import NOW

PAGE = Path(__file__).resolve().parents[2] / "docs" / "partners.md"
EXAMPLES = dict(
    re.findall(r"<!-- example: (\w+) -->\n```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
)
__all__ = ["published", "template"]


def test_every_example_runs(published, tmp_path, capsys):
    partner_kit.make(tmp_path / "kit", at=int(NOW))
    names: dict[str, Any] = {
        "URL": published.url,
        "CA_FILE": str(published.folder / "pki/ca.pem"),
        "ROOT_KEY": config.load(published.toml).keys.root_public,
        "KIT": str(tmp_path / "kit"),
    }
    for name in ("sync", "async", "errors", "offline", "task"):
        exec(compile(EXAMPLES[name], f"{PAGE}#{name}", "exec"), names)
    trio.run(names["ask"])
    trio.run(names["serve"])
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["True None", "RTGF_VERIFY_TOKEN_NOT_FOUND /tokens/rmt"]
    assert said[2] == "True None"
    assert '"valid":true' in said[3]
    assert said[4:] == ["True None", "True"]


def test_the_kit_example_runs(tmp_path, capsys):
    from rtgf_node.system_clock import SystemClock

    made = partner_kit.make(tmp_path / "kit", at=SystemClock().now())
    exec("from pathlib import Path\n" + EXAMPLES["kit"], {"KIT": str(tmp_path / "kit")})
    assert len(capsys.readouterr().out.splitlines()) == len(made)


def test_the_authzen_example_is_answered(published, tmp_path):
    (tmp_path / "request.json").write_text(EXAMPLES["request"])
    environ = {**os.environ, "URL": published.url, "CA_FILE": str(published.folder / "pki/ca.pem")}
    done = subprocess.run(
        ["sh", "-c", EXAMPLES["authzen"]],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    # The example's payment does not say who pays whom.
    assert answer["decision"] is False
    assert answer["context"]["decision"] == "DENY"
