"""What is remembered of the verdicts, and for how long."""

from __future__ import annotations

import pytest

from rtgf_node.actors import verifier_memory
from rtgf_node.actors.verifier_memory import SHORT_BYTES, Remembered, VerdictMemory, name_of


def test_the_verdict_that_was_given_first_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifier_memory, "VERDICTS_KEPT", 3)
    memory = VerdictMemory()
    verdict = Remembered(version=1, since=100, until=200, answer=b"{}", result="valid")
    for name in (b"1", b"2", b"3", b"4", b"5"):
        memory.keep(name, verdict)
    kept = [name for name in (b"1", b"2", b"3", b"4", b"5") if recalled(memory, name)]
    assert kept == [b"3", b"4", b"5"]


def test_a_verdict_is_good_for_its_version_and_its_time_alone() -> None:
    memory = VerdictMemory()
    memory.keep(b"asked", Remembered(version=7, since=1000, until=2000, answer=b"", result=""))
    good = [now for now in (999, 1000, 1999, 2000) if memory.recall(b"asked", version=7, now=now)]
    assert good == [1000, 1999]
    assert memory.recall(b"asked", version=8, now=1500) is None


def test_long_questions_that_differ_have_different_names() -> None:
    long = b"x" * (SHORT_BYTES + 1)
    assert name_of(long[:-1]) == long[:-1]
    assert len({name_of(long), name_of(long + b" "), name_of(long[:-1])}) == 3
    assert len(name_of(long)) == 64


def recalled(memory: VerdictMemory, name: bytes) -> Remembered | None:
    return memory.recall(name, version=1, now=150)
