"""The audit trail: nothing in it can be changed unseen, it is bounded, and it is shipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rtgf_node.errors import Code, RtgfError
from rtgf_node.ops import audit_trail
from rtgf_node.ops.audit_trail import AuditTrail, Entry, files, lines
from rtgf_node.settings import AuditConfig

SMALL = AuditConfig(max_file_bytes=1 << 16, max_files=2)


def entry(number: int = 0, *, path: str = "/admin/fetch") -> Entry:
    return Entry(
        at="2026-11-23T00:00:00Z",
        request_id=f"request-{number}",
        client="urn:rtgf:operator:alice",
        address="192.0.2.1",
        method="POST",
        path=path,
        outcome="begun",
    )


def opened(folder: Path, config: AuditConfig = SMALL) -> AuditTrail:
    return AuditTrail(folder, config, lambda _: None)


async def written(folder: Path, count: int = 5) -> Path:
    trail = opened(folder)
    for number in range(count):
        await trail.record("acts", entry(number))
    (file,) = files(folder, "acts")
    return file


async def test_lines_come_back_in_order_over_restarts(tmp_path):
    for number in range(3):
        await opened(tmp_path).record("acts", entry(number))
    assert [line.seq for line in lines(tmp_path, "acts")] == [1, 2, 3]
    page = opened(tmp_path).page("acts", since=2, limit=1)
    assert [line.entry for line in page] == [entry(1)]
    assert opened(tmp_path).page("denials", since=0, limit=10) == []


async def test_every_changed_missing_or_added_line_shows(tmp_path):
    file = await written(tmp_path)
    whole = file.read_bytes().splitlines(keepends=True)
    for number in range(4):
        changed = [*whole]
        changed[number] = changed[number].replace(b"alice", b"carol")
        missing = whole[:number] + whole[number + 1 :]
        added = whole[: number + 1] + whole[number:]
        for forged in (changed, missing, added):
            file.write_bytes(b"".join(forged))
            with pytest.raises(RtgfError) as caught:
                list(lines(tmp_path, "acts"))
            assert caught.value.code is Code.RTGF_TXP_STORE_DAMAGED


async def test_a_line_that_a_crash_cut_short_is_taken_back(tmp_path):
    file = await written(tmp_path)
    with file.open("ab") as end:
        end.write(b'{"seq":6,"prev":"sha')
    trail = opened(tmp_path)
    await trail.record("acts", entry(9))
    assert [line.seq for line in lines(tmp_path, "acts")] == [1, 2, 3, 4, 5, 6]


async def test_what_is_kept_is_bounded_and_denials_push_no_act_out(tmp_path):
    trail = opened(tmp_path)
    await trail.record("acts", entry())
    for number in range(60):
        await trail.record("denials", entry(number, path="/admin/" + "x" * 5000))
    assert len(files(tmp_path, "denials")) == 2
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 3 * SMALL.max_file_bytes
    kept = [line.seq for line in lines(tmp_path, "denials")]
    assert kept == list(range(kept[0], 61))
    assert kept[0] > 1
    assert [line.seq for line in opened(tmp_path).page("denials", since=60, limit=5)] == [60]
    assert [line.entry for line in lines(tmp_path, "acts")] == [entry()]


async def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    trail = opened(tmp_path)
    await trail.record("acts", entry(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(audit_trail.os, "fsync", full)
        with pytest.raises(RtgfError) as caught:
            await trail.record("acts", entry(2))
    assert caught.value.code is Code.RTGF_UNAVAILABLE
    await trail.record("acts", entry(3))
    assert [line.entry for line in lines(tmp_path, "acts")] == [entry(1), entry(3)]


async def test_files_are_for_the_owner_only(tmp_path):
    file = await written(tmp_path / "audit")
    assert os.stat(file).st_mode & 0o077 == 0
    assert os.stat(file.parent).st_mode & 0o077 == 0
