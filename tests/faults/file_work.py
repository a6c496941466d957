"""Work that writes files beside the log: exports, decisions, keys, a new store, others.

Each piece has `do`, which is broken, and `again`, which is not: it looks at what `do` left, raises
if that is not whole or lost what was told, goes on to the same end, and checks that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import trio

from rtgf_node.audit.state import EventFile
from rtgf_node.copies.destinations import Folder
from rtgf_node.copies.export import export
from rtgf_node.core import checkpoint, decision, tiles
from rtgf_node.errors import Code, RtgfError
from rtgf_node.guards import witness_guard
from rtgf_node.guards.witness_guard import WitnessGuard
from rtgf_node.keys.key_provider import FASTEST, FileKeyProvider
from rtgf_node.store import create_store, node_store, open_store
from rtgf_node.store.decision_store import DATABASE, DecisionReader, DecisionStore
from rtgf_node.store.witness_store import CosignedRow
from rtgf_node.whole_file import write_whole
from rtgf_node.wire import LogEntry
from tests.core.test_decision import AT, draft
from tests.ops.deciding import CHAIN, deciding
from tests.public_log import KEY, PublicLog, entry, grow, sign_head

Tell = Callable[[str], None]


class Piece(NamedTuple):
    """A piece of work; `prepare` is done once, before."""

    prepare: Callable[[Path], None]
    do: Callable[[Path, Tell], None]
    again: Callable[[Path, Sequence[str]], None]


# --- an export into a folder --------------------------------------------------------------------

OLD, NEW = 250, 520


def _export(folder: Path) -> None:
    with open_store(folder / "data") as store:
        log = PublicLog(store)
        log.issue(2)
        with closing(Folder(folder / "out")) as to:
            export(log, to, name="out", progress=lambda _: None)


def _prepare_export(folder: Path) -> None:
    with create_store(folder / "data") as store:
        grow(store, OLD)
        sign_head(store)
    _export(folder)
    with open_store(folder / "data") as store:
        grow(store, NEW)
        sign_head(store)


def _do_export(folder: Path, tell: Tell) -> None:
    _export(folder)
    tell("exported")


def _exported(folder: Path) -> int:
    """Return the size of what a stranger finds, who has the log's key and the paths."""
    out = folder / "out"
    signed = checkpoint.open_note((out / "checkpoint").read_bytes(), [KEY])
    read = {path: (out / str(path)).read_bytes() for path in tiles.covering(signed.size)}
    assert tiles.tree_root(signed.size, read.__getitem__) == signed.root
    bundles = (tiles.decode_bundle(read[path], path.width) for path in read if path.level is None)
    assert list(chain.from_iterable(bundles)) == [entry(number) for number in range(signed.size)]
    return signed.size


def _export_again(folder: Path, told: Sequence[str]) -> None:
    size = _exported(folder)
    assert size in ((NEW,) if told else (OLD, NEW))
    _export(folder)
    assert _exported(folder) == NEW
    assert not list((folder / "out" / ".unfinished").iterdir())


# --- decisions that are on disk when they are answered ------------------------------------------

DECISIONS = 6


async def _decide(folder: Path, tell: Tell, first: int) -> None:
    async with deciding(folder, mode="durable") as made:
        for number in range(first, first + DECISIONS):
            try:
                await made.log.record(draft(number))
            except RtgfError as refused:
                if refused.code is not Code.RTGF_VERIFY_UNAVAILABLE:
                    raise
            else:
                tell(f"r-{number}")


def _kept(folder: Path) -> list[str]:
    """Return the request ids of the whole chain, which is sound and agrees with the log."""
    with open_store(folder) as store:
        newest = store.decision_roots.newest(CHAIN)
        store.log.check_all()
    DecisionStore.open(folder / DATABASE, newest.interval() if newest else None).close()
    kept = [decision.read_entry(body) for body in DecisionReader(folder / DATABASE).page(0, 1000)]
    decision.check_links(kept)
    return [one.request_id for one in kept]


def _decide_again(folder: Path, told: Sequence[str]) -> None:
    kept = _kept(folder)
    assert [one for one in kept if one in told] == list(told), (kept, told)
    more: list[str] = []
    trio.run(_decide, folder, more.append, 100)
    assert len(more) == DECISIONS
    assert _kept(folder) == [*kept, *more]


# --- keys ---------------------------------------------------------------------------------------

PASSPHRASE = b"correct horse battery staple"


def _make_keys(folder: Path, tell: Tell) -> None:
    provider = FileKeyProvider.open(folder / "keys", PASSPHRASE)
    for _ in range(2):
        tell(provider.generate("token", issuer="did:web:a.example", at=AT).kid)


def _prepare_keys(folder: Path) -> None:
    provider = FileKeyProvider.create(folder / "keys", PASSPHRASE, cost=FASTEST)
    provider.generate("log", issuer="did:web:a.example", at=AT)


def _make_keys_again(folder: Path, told: Sequence[str]) -> None:
    held = [key.kid for key in FileKeyProvider.open(folder / "keys", PASSPHRASE).list()]
    assert set(told) <= set(held)
    more: list[str] = []
    _make_keys(folder, more.append)
    assert not set(more) & set(held)


# --- a new store, a file of settings, a witness's and an auditor's memory -----------------------


def _make_store(folder: Path, tell: Tell) -> None:
    with create_store(folder / "data"):
        tell("made")


def _make_store_again(folder: Path, told: Sequence[str]) -> None:
    held = (folder / "data" / node_store.DATABASE).exists()
    assert held or not told
    with (open_store if held else create_store)(folder / "data") as store:
        assert store.log.size == 0
        store.log.check_all()


def _prepare_file(folder: Path) -> None:
    folder.mkdir(parents=True)
    write_whole(folder / "rtgf.toml", b"old" * 9)


def _write_file(folder: Path, tell: Tell) -> None:
    write_whole(folder / "rtgf.toml", b"new" * 9)
    tell("written")


def _write_file_again(folder: Path, told: Sequence[str]) -> None:
    found = (folder / "rtgf.toml").read_bytes()
    assert found == b"new" * 9 or (found == b"old" * 9 and not told)
    _write_file(folder, lambda _: None)
    assert [path.name for path in folder.iterdir()] == ["rtgf.toml"]


COSIGNED = 3


def _row(size: int) -> CosignedRow:
    return CosignedRow("south.example/log", size, bytes([size]) * 32, AT, b"cosigned")


def _guard(folder: Path) -> WitnessGuard:
    return WitnessGuard(folder / "guard" / witness_guard.FILE)


def _prepare_guard(folder: Path) -> None:
    _guard(folder).swap(None, _row(1))


def _cosign(folder: Path, tell: Tell) -> None:
    guard = _guard(folder)
    held = guard.read(_row(1).origin)
    assert held is not None
    for size in range(held.tree_size + 1, COSIGNED + 1):
        guard.swap(_row(size - 1), _row(size))
        tell(str(size))


def _cosign_again(folder: Path, told: Sequence[str]) -> None:
    held = _guard(folder).read(_row(1).origin)
    assert held is not None
    assert held == _row(held.tree_size)
    assert held.tree_size >= max(map(int, told), default=1)
    _cosign(folder, lambda _: None)
    assert _guard(folder).read(_row(1).origin) == _row(COSIGNED)


PAGES = [[LogEntry(index, {"n": index}) for index in range(at, at + 40)] for at in (0, 40, 80)]


def _remember(folder: Path, tell: Tell) -> None:
    memory = EventFile(folder / "state")
    held = memory.read()
    for page in PAGES:
        if len(held) < page[-1].index + 1:
            memory.add(page[max(0, len(held) - page[0].index) :])
            tell(str(page[-1].index))


def _remember_again(folder: Path, told: Sequence[str]) -> None:
    whole = [one for page in PAGES for one in page]
    held = EventFile(folder / "state").read()
    assert held == whole[: len(held)]
    assert len(held) > max(map(int, told), default=-1)
    _remember(folder, lambda _: None)
    assert EventFile(folder / "state").read() == whole


def _nothing(folder: Path) -> None:
    folder.mkdir(parents=True)


PIECES = {
    "export": Piece(_prepare_export, _do_export, _export_again),
    "decisions": Piece(
        lambda folder: trio.run(_decide, folder, lambda _: None, 200),
        lambda folder, tell: trio.run(_decide, folder, tell, 0),
        _decide_again,
    ),
    "keys": Piece(_prepare_keys, _make_keys, _make_keys_again),
    "store": Piece(_nothing, _make_store, _make_store_again),
    "file": Piece(_prepare_file, _write_file, _write_file_again),
    "witness": Piece(_prepare_guard, _cosign, _cosign_again),
    "audit": Piece(_nothing, _remember, _remember_again),
}
