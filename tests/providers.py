"""The simulated list providers for nodes that run in a process of their own, and small lists.

The world of `tests.simulator` runs on a thread; `lists` makes files in the publishers' formats.
"""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path
from typing import Any, Self

import trio

from tests.nodes import TestNode
from tests.simulator import Simulator

START_SECONDS = 20.0
"""The world listens after a fraction of a second."""


class Providers:
    """A simulated world that another process can fetch from, over TLS on loopback."""

    world: Simulator

    def __enter__(self) -> Self:
        """Start it; it answers when this returns."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._run,), name="providers")
        self._thread.start()
        assert self._ready.wait(START_SECONDS), "the simulated providers do not start"
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._token.run_sync_soon(self._stop.set)
        self._thread.join()

    async def _run(self) -> None:
        self._token, self._stop = trio.lowlevel.current_trio_token(), trio.Event()
        async with Simulator() as self.world:
            self._ready.set()
            await self._stop.wait()

    def asked(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(one.path == path for one in list(self.world.asked))


def dataset(name: str, uri: str, *, reader: str = "un-xml", **settings: Any) -> str:
    """Return the settings of a list."""
    rows = {"provider": "sim", "reader": reader, "uri": uri, **settings}
    lines = [f"{key} = {json.dumps(value)}" for key, value in rows.items()]
    return "\n".join(["", "[[dataset]]", f'name = "{name}"', *lines, ""])


def fetch_settings(node: TestNode, **settings: Any) -> None:
    """Replace the `[fetch]` table of a node that does not run."""
    text = node.toml.read_text()
    rows = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    node.toml.write_text(text.replace("allowed_hosts = []\nallow_file = true", rows))


def un_list(*names: str, day: str = "2026-09-30") -> bytes:
    """Return a UN list of these persons; their ids follow from their names."""
    persons = "".join(
        f"<INDIVIDUAL><DATAID>{number}</DATAID><FIRST_NAME>{name}</FIRST_NAME>"
        f"<REFERENCE_NUMBER>XXi.{sum(name.encode())}</REFERENCE_NUMBER></INDIVIDUAL>"
        for number, name in enumerate(names)
    )
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><CONSOLIDATED_LIST dateGenerated='{day}T12:00:00Z'>"
        f"<INDIVIDUALS>{persons}</INDIVIDUALS><ENTITIES></ENTITIES></CONSOLIDATED_LIST>"
    ).encode()


def persons(count: int) -> list[str]:
    """Return invented names that are not near each other."""
    return [f"Quorrin{chr(97 + number) * 3} Velt{chr(97 + number) * 4}" for number in range(count)]


EU_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<export xmlns="http://eu.europa.ec/fpi/fsd/export" generationDate="2024-05-02T10:15:00.000+02:00">
  <sanctionEntity euReferenceNumber="EU.1.2" logicalId="13">
    <subjectType code="person" classificationCode="P"/>
    <nameAlias wholeName="Maria Example" strong="true"/>
  </sanctionEntity>
</export>
"""
FTM = b'{"id":"p1","schema":"Person","properties":{"name":["Maria Example"]},"target":true}\n'


def good_lists(shared: Path, small: Path) -> dict[str, dict[str, bytes]]:
    """Return a list that each reader takes, as its parts: small ones, or the publishers' own."""

    def read(path: Path) -> dict[str, bytes]:
        return {"": path.read_bytes()}

    ofac = {"sdn": "sdn", "alt": "alt", "add": "add", "comments": "sdn_comments"}
    eu = gzip.decompress((shared / "datasets/eu/eu_fsf_2026-05-01.jsonl.gz").read_bytes())
    uk = (shared / "datasets/uk/uk_sanctions_list_2026-08-22.jsonl").read_bytes()
    return {
        "ofac-csv": {
            part: (small / f"us-ofac/{file}.csv").read_bytes() for part, file in ofac.items()
        },
        "ofac-xml": read(shared / "datasets/us-ofac/ofac_consolidated_nonsdn_2025-03-28.xml"),
        "un-xml": read(small / "un/consolidated.xml"),
        "eu-csv": read(small / "eu/fsf.csv"),
        "eu-xml": {"": EU_XML},
        "eu-jsonl": {"": b"".join(eu.splitlines(keepends=True)[:50])},
        "uk-csv": read(small / "uk/conlist.csv"),
        "uk-jsonl": {"": b"".join(uk.splitlines(keepends=True)[:50])},
        "ca-xml": read(shared / "datasets/ca/sema_consolidated.xml"),
        "ftm-jsonl": {"": FTM},
        "au-jsonl": read(small / "au/dfat.jsonl"),
    }
