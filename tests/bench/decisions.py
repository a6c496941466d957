"""What recording an answer costs: warm `/verify` with the decision log, against a node without it.

Three copies of one real node, asked in turns over TLS 1.3 with a partner's certificate on kept
connections: one that records nothing, one that records in batches, one that records durably.
"""

from __future__ import annotations

import statistics
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from rtgf_node.core import digests
from rtgf_node.core.decision import Draft
from rtgf_node.store.decision_store import DATABASE, DecisionStore
from tests.bench.keep_alive import KeepAliveClient, request
from tests.bench.measure import Row, alternate, rate, ratio
from tests.bench.serving import ALLOWED, CONNECTIONS, TOKENS
from tests.nodes import TestNode

MODES = ("off", "batched", "durable")

BATCH = 500
"""Entries in one commit of the file whose size is taken."""


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each way of recording, and one for what an entry takes on disk."""
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name, ExitStack() as stack:
        made = TestNode(Path(name) / "node", settings=ALLOWED + _mode("off"))
        with made.running():
            made.fetch()
            if made.compile().state != "published":
                raise RuntimeError("the bench's node did not publish")
        nodes = {
            mode: made.copy(Path(name) / mode, settings=ALLOWED + _mode(mode)) for mode in MODES
        }
        for node in nodes.values():
            stack.enter_context(node.running())
        slices = {
            mode: partial(_client(stack, node).ask, _question(node)) for mode, node in nodes.items()
        }
        found = alternate(slices, rounds=3 if quick else 7, at_least=CONNECTIONS * 4)
        plain = f"the same without recording: {rate(statistics.median(found['off']))}"
        for mode in MODES[1:]:
            yield Row(
                f"warm `/verify` of two tokens, recorded {mode}",
                rate(statistics.median(found[mode])),
                plain,
                ratio(found[mode], found["off"]),
            )
    yield _size(5_000 if quick else 50_000)


def _size(count: int) -> Row:
    drafts = [
        Draft(
            at=1_790_000_000 + number,
            request_id=str(uuid.UUID(int=number << 64 | number * 0x9E3779B97F4A7C15 % 2**64)),
            client="urn:rtgf:partner:first",
            route="/verify",
            request_digest=digests.sha256(b"asked"),
            answer_digest=digests.sha256(b"answered"),
            tokens=tuple(f"{token}.1" for token in TOKENS.values()),
            valid=True,
            rev_epoch=0,
        )
        for number in range(count)
    ]
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        path = Path(name) / DATABASE
        with closing(DecisionStore.open(path, None)) as store:
            for first in range(0, count, BATCH):
                entries = store.append(drafts[first : first + BATCH])
        written = path.stat().st_size / count
    body = len(entries[-1].body)
    return Row(
        f"one of {count:,} decisions on disk, index included",
        f"{written:,.0f} bytes",
        f"its entry: {body} bytes",
        written / body,
    )


def _mode(mode: str) -> str:
    return f'[decisions]\nmode = "{mode}"\n'


def _question(node: TestNode) -> bytes:
    return request(
        "POST", "/verify", urlsplit(node.url).netloc, msgspec.json.encode({"tokens": TOKENS})
    )


def _client(stack: ExitStack, node: TestNode) -> KeepAliveClient:
    address, pki = urlsplit(node.url), node.folder / "pki"
    return stack.enter_context(
        KeepAliveClient(
            address.hostname or "",
            address.port or 0,
            ca_file=pki / "ca.pem",
            certificate_file=pki / "partner.pem",
            key_file=pki / "partner.key",
            connections=CONNECTIONS,
        )
    )
