"""A number is applied once, in whatever order numbers come and however commands are grouped.

Members group the same commands into transactions of their own; what they hold must be the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.errors import RtgfError
from rtgf_node.replication.commands import Proposal
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import command_store, create_store
from rtgf_node.store.snapshot_file import REPLICATED
from tests.replication import samples


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Forget early."""
    monkeypatch.setattr(command_store, "OUTCOMES_KEPT", 4)
    monkeypatch.setattr(command_store, "CLIENTS_KEPT", 3)
    monkeypatch.setattr(command_store, "COMMANDS_KEPT", 7)


numbers = st.tuples(st.sampled_from("abcde"), st.integers(1, 9), st.booleans())


def proposal(client: str, seq: int, refused: bool) -> Proposal:
    made = samples.append(f"{client}{seq}")
    if refused:
        made = samples.revoke("RMT:XX:none:1.1")
    return Proposal(client, seq, made)


def run(folder: Path, batches) -> tuple[list[str], dict[str, list[object]]]:
    with create_store(folder) as store:
        machine = StateMachine(store)
        said = []
        for batch in batches:
            for applied in machine.apply_batch(batch):
                refused = isinstance(applied.outcome, RtgfError)
                said.append(f"{applied.index} {applied.repeated} {refused} {applied.outcome}")
        rows = {
            table: store.reader.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in REPLICATED
        }
    return said, rows


@settings(max_examples=40)
@given(st.lists(st.tuples(numbers, st.booleans()), min_size=1, max_size=40))
def test_how_commands_are_grouped_changes_nothing(wanted):
    proposals = [proposal(*number) for number, _ in wanted]
    batches = [[]]
    for one, (_, ends) in zip(proposals, wanted, strict=True):
        batches[-1].append(one)
        if ends:
            batches.append([])
    with tempfile.TemporaryDirectory() as folder:
        alone = run(Path(folder, "alone"), [[one] for one in proposals])
        assert run(Path(folder, "grouped"), batches) == alone
        assert run(Path(folder, "together"), [proposals]) == alone


def test_a_client_that_was_forgotten_and_asks_in_the_same_batch_is_new(tmp_path):
    proposals = [Proposal(client, 1, samples.append(client)) for client in "abcda"]
    said, rows = run(tmp_path / "together", [proposals])
    assert said[-1].startswith("5 False")
    assert [client for client, *_ in rows["clients"]] == ["a", "c", "d"]
    assert run(tmp_path / "alone", [[one] for one in proposals]) == (said, rows)


def test_what_is_kept_in_memory_is_what_is_read_back(tmp_path):
    proposals = [Proposal(client, 1, samples.append(client)) for client in "abca"]
    with create_store(tmp_path / "node") as store:
        StateMachine(store).apply_batch([*proposals, Proposal("a", 2, samples.append("again"))])
        # Read anew, "b" is the one that was silent for longest.
        StateMachine(store).apply_batch([Proposal("d", 1, samples.append("d"))])
        held = store.reader.execute("SELECT client_id FROM clients ORDER BY 1").fetchall()
        assert held == [("a",), ("c",), ("d",)]
