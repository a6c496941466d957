"""How far a webhook was told, as a command: it never goes back, and outlives the process."""

from __future__ import annotations

from rtgf_node.replication.commands import NoteDelivery, Outcome, Proposal, decode, encode
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store, open_store
from rtgf_node.store.webhook_store import DeliveryRow
from tests.replication.samples import AT


def note(machine: StateMachine, seq: int, webhook: str, rev_epoch: int) -> None:
    command = NoteDelivery(webhook, rev_epoch, AT + seq)
    assert decode(encode(command)) == command
    (applied,) = machine.apply_batch([Proposal("test", seq, command)])
    assert isinstance(applied.outcome, Outcome)
    assert applied.outcome.leaf_indexes == ()


def test_it_only_grows(tmp_path):
    with create_store(tmp_path / "node") as store:
        machine = StateMachine(store)
        assert store.webhooks.delivered("a") is None
        for seq, epoch in enumerate([0, 7, 3, 7], start=1):
            note(machine, seq, "a", epoch)
        note(machine, 5, "b", 2)
    with open_store(tmp_path / "node") as store:
        assert store.webhooks.delivered("a") == DeliveryRow("a", 7, AT + 2)
        assert store.webhooks.delivered("b") == DeliveryRow("b", 2, AT + 5)
        assert store.webhooks.delivered("c") is None
