"""The same commands give the same state; refused ones are as if they had never been."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.core import merkle
from rtgf_node.replication.build_commands import PublishBuild, StageTokens
from rtgf_node.replication.commands import AppendEvents, Command, Outcome, SignedHead
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store
from tests.replication import samples

TOKENS = [samples.RMT_EU, samples.RMT_SG, samples.IMT, samples.CORT, samples.PSRT]
subjects = st.sampled_from([f"s{number}" for number in range(12)])


def forged(subject: str) -> AppendEvents:
    return AppendEvents((samples.event_bytes(f"with {subject}"), forge(subject)))


def forge(subject: str) -> bytes:
    return samples.altered(samples.event_bytes(subject))


def empty_head(size: int) -> SignedHead:
    """True at the beginning only, and never at size 1."""
    root = merkle.EMPTY_ROOT
    document = {"tree_size": size, "root_hash": f"sha256:{root.hex()}"}
    return SignedHead(msgspec.json.encode(document), size, root)


def staged_build() -> PublishBuild:
    """The build when the first of its tokens is staged."""
    whole = samples.corridor_build()
    return msgspec.structs.replace(
        whole, staged=1, events=(whole.events[0], *whole.events[2:]), tokens=whole.tokens[1:]
    )


commands = st.one_of(
    st.lists(subjects, min_size=1, max_size=4).map(lambda names: samples.append(*names)),
    subjects.map(forged),
    st.just(samples.corridor_build()),
    st.just(staged_build()),
    st.builds(
        StageTokens,
        st.just("build-1"),
        st.integers(0, 2),
        st.integers(0, 2).map(samples.corridor_build().tokens.__getitem__).map(lambda one: (one,)),
    ),
    st.builds(
        samples.revoke,
        st.sampled_from([*TOKENS, "RMT:XX:none:1.1"]),
        status=st.sampled_from(["invalid", "suspended", "valid"]),
    ),
    st.builds(
        samples.snapshot, st.sampled_from(["2026-09", "2026-10"]), text=st.sampled_from("ab")
    ),
    st.sampled_from("ab").map(samples.dataset),
    st.integers(0, 1).map(empty_head),
)


def state(
    folder: Path, batches: list[list[Command]]
) -> tuple[list[object], dict[str, list[object]]]:
    """Apply the batches to a new store and return the outcomes and every row that they left."""
    with create_store(folder) as store:
        client = samples.Client(StateMachine(store))
        applied = [result for batch in batches for result in client.apply(*batch)]
        store.log.check_all()
        tables = ["leaves", "tiles", "tokens", "token_parents", "revocations", "snapshots"]
        rows = {
            table: store.reader.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in [*tables, "datasets", "builds", "heads", "staged_tokens"]
        }
        entries = [merkle.leaf_hash(entry) for entry in store.log.entries(0)]
        assert store.log.root() == merkle.root_hash(entries)
    return [result.outcome for result in applied], rows


@settings(max_examples=60)
@given(st.lists(st.lists(commands, min_size=1, max_size=6), min_size=1, max_size=5))
def test_refused_commands_leave_no_trace_and_batches_do_not_matter(batches):
    with tempfile.TemporaryDirectory() as folder:
        outcomes, rows = state(Path(folder, "all"), batches)
        flat = [command for batch in batches for command in batch]
        kept = [c for c, o in zip(flat, outcomes, strict=True) if isinstance(o, Outcome)]
        accepted = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
        only_accepted = state(Path(folder, "accepted"), [[command] for command in kept])
        assert only_accepted == (accepted, rows)
        one_batch, same_rows = state(Path(folder, "one"), [flat])
        assert same_rows == rows
        assert [str(outcome) for outcome in one_batch] == [str(outcome) for outcome in outcomes]
