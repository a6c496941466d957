"""Heads of peers: what extends what was seen is taken, what contradicts it is kept as evidence."""

from __future__ import annotations

import hashlib

import pytest
import trio

from rtgf_node.actors.gossip import GossipActor, PeerLink
from rtgf_node.actors.messages import Commit, ResumeSigning
from rtgf_node.core import canonical_json, checkpoint, merkle, note
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.egress import Egress
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import AppendEvents
from tests.actors.logs import KEY, ORIGIN, SIGNER, FixedClock, OtherLog, Ours, our_log, until
from tests.simulator import Answer, Fault, Simulator

OURS_AT = f"/witnessed/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"


def actor_of(
    ours: Ours, world: Simulator, log: OtherLog, *, halt: bool = True, seconds: float = 30.0
) -> GossipActor:
    egress = Egress(
        world.config(timeout_seconds=seconds), jitter=lambda: 0.0, network=world.network
    )
    return GossipActor(
        log=ours.mailbox,
        store=ours.store,
        peers=[PeerLink("south", world.url(""), note.parse_key(log.key), egress, halt)],
        origin=ORIGIN,
        keys=lambda: [KEY],
        leads=lambda: True,
        every_seconds=0.02,
        clock=FixedClock(),
        figures=ours.metrics.neighbours,
    )


def problem(actor: GossipActor) -> str:
    return actor.statistics()[0].problem or ""


def seen(ours: Ours, log: OtherLog) -> int:
    row = ours.store.gossip.seen(log.origin)
    return 0 if row is None else row.tree_size


def evidence(ours: Ours) -> dict:
    (found,) = ours.store.gossip.open_findings()
    document = canonical_json.parse(ours.store.objects.get(found.evidence))
    assert isinstance(document, dict)
    incident = canonical_json.parse(ours.store.log.entry(found.leaf_index))
    assert incident["subject"] == "RTGF_TXP_GOSSIP_INCONSISTENT"
    assert incident["digest"] == found.evidence
    return document


@pytest.fixture
def log() -> OtherLog:
    return OtherLog("south.example/log")


async def test_an_honest_log_is_followed_and_a_lagging_copy_of_it_believed(tmp_path, log):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        log.serve(world)
        actor = actor_of(ours, world, log)
        await nursery.start(actor.run)
        await until(lambda: seen(ours, log) == 5)
        log.size = 12
        await until(lambda: seen(ours, log) == 12)
        assert not problem(actor)
        # A cache may still have an older one.
        world.handle("/checkpoint", lambda _: Answer(body=log.note(7)))
        await until(lambda: actor.statistics() == (("south", 7, None),))
        assert seen(ours, log) == 12
        assert not ours.store.gossip.open_findings()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("only_full", [False, True])
async def test_a_log_that_serves_tiles_only_is_followed_and_its_fork_found(
    tmp_path, log, only_full
):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        log.serve(world)
        world.handle("/proofs/consistency", lambda _: Answer(status=404))
        log.serve_tiles(world, only_full=only_full)
        actor = actor_of(ours, world, log)
        await nursery.start(actor.run)
        await until(lambda: seen(ours, log) == 5)
        log.size = 12
        await until(lambda: seen(ours, log) == 12)
        log.rewrite(2)
        log.size = 13
        await until(lambda: ours.actor.halted)
        assert "signed 12 entries, and 13 that begin with others" in ours.actor.halted
        nursery.cancel_scope.cancel()


async def test_two_heads_of_one_size_are_found(tmp_path, log):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        await ours.append("a")
        log.serve(world)
        actor = actor_of(ours, world, log)
        await nursery.start(actor.run)
        await until(lambda: seen(ours, log) == 5)
        log.rewrite(2)
        await until(lambda: ours.actor.halted)
        assert "signed two roots for 5 entries" in ours.actor.halted
        heads = [checkpoint.open_note(text.encode(), [log.key]) for text in evidence(ours)["heads"]]
        assert [head.size for head in heads] == [5, 5]
        assert heads[0].root != heads[1].root
        before = ours.store.log.latest_head()
        with pytest.raises(RtgfError) as refused:
            await ours.append("b")
        assert refused.value.code is Code.RTGF_UNAVAILABLE
        assert ours.store.log.latest_head() == before
        assert ours.store.log.size == before.tree_size + 1
        await until(lambda: "two roots" in problem(actor))
        # Seen again and again, it is one incident; settled, the log goes on.
        await ours.mailbox.ask(ResumeSigning(reason="south is told", actor="urn:a"))
        await ours.append("c")
        await trio.sleep(0.1)
        assert ours.actor.halted is None
        assert ours.store.log.latest_head().tree_size == before.tree_size + 3
        nursery.cancel_scope.cancel()


async def test_a_later_head_that_begins_with_another_past_is_found_by_its_own_proof(tmp_path, log):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        log.serve(world)
        await nursery.start(actor_of(ours, world, log).run)
        await until(lambda: seen(ours, log) == 5)
        log.rewrite(2)
        log.size = 9
        await until(lambda: ours.actor.halted)
        document = evidence(ours)
        small, large = (checkpoint.open_note(one.encode(), [log.key]) for one in document["heads"])
        assert (small.size, large.size) == (5, 9)
        assert bytes.fromhex(document["proved_root"]) != small.root
        merkle.verify_consistency(
            old_size=5,
            new_size=9,
            old_root=bytes.fromhex(document["proved_root"]),
            new_root=large.root,
            proof=[bytes.fromhex(node) for node in document["proof"]],
        )
        nursery.cancel_scope.cancel()


async def test_a_fork_of_another_log_stops_ours_only_where_that_is_wanted(tmp_path, log):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        log.serve(world)
        await nursery.start(actor_of(ours, world, log, halt=False).run)
        await until(lambda: seen(ours, log) == 5)
        log.rewrite(2)
        await until(lambda: ours.store.gossip.open_findings())
        await ours.append("a")
        assert ours.actor.halted is None
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("path", "answer", "says"),
    [
        ("/checkpoint", Answer(status=503), "it answered 503"),
        ("/checkpoint", Answer(fault=Fault.SILENT), "no complete answer"),
        ("/checkpoint", Answer(body=b"hello"), "no block of signatures"),
        ("/checkpoint", Answer(body=OtherLog("x").note()), "none of the given keys"),
        ("/proofs/consistency", Answer(status=404), "it answered 404"),
        ("/proofs/consistency", Answer(status=400), "it answered 400"),
        ("/proofs/consistency", Answer(body=b"[]"), "cannot be read"),
        (
            "/proofs/consistency",
            Answer(
                body=b'{"old_size":5,"new_size":9,"old_root":"sha256:%b","new_root":"","proof":[]}'
                % (b"0" * 64)
            ),
            "does not prove",
        ),
        (OURS_AT, Answer(body=b"hello"), "no block of signatures"),
        (OURS_AT, Answer(status=500), "it answered 500"),
    ],
)
async def test_what_proves_nothing_halts_nothing(tmp_path, log, path, answer, says):
    """A peer that is down, or answers nonsense, is a problem of its own."""
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        await ours.append("a")
        log.serve(world)
        actor = actor_of(ours, world, log, seconds=0.3)
        await nursery.start(actor.run)
        await until(lambda: seen(ours, log) == 5)
        log.size = 9
        world.handle(path, lambda _: answer)
        await until(lambda: says in problem(actor))
        assert ours.actor.halted is None
        assert not ours.store.gossip.open_findings()
        nursery.cancel_scope.cancel()


def ours_signed(size: int, root: bytes) -> bytes:
    return checkpoint.sign_note(Checkpoint(ORIGIN, size, root), ORIGIN, SIGNER)


async def test_what_a_peer_saw_of_our_log_is_compared_with_what_we_hold(tmp_path, log):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        await ours.append("a", "b", "c")
        log.serve(world)
        world.handle(OURS_AT, lambda _: Answer(body=ours_signed(2, ours.store.log.root_at(2))))
        actor = actor_of(ours, world, log)
        await nursery.start(actor.run)
        await until(lambda: seen(ours, log) == 5)
        assert not problem(actor)
        world.handle(OURS_AT, lambda _: Answer(body=ours_signed(2, bytes(32))))
        await until(lambda: ours.actor.halted)
        assert "our log has forked" in ours.actor.halted
        document = evidence(ours)
        small, large = (checkpoint.open_note(text.encode(), [KEY]) for text in document["heads"])
        assert (small.size, large.size) == (2, 3)
        merkle.verify_consistency(
            old_size=2,
            new_size=3,
            old_root=bytes.fromhex(document["proved_root"]),
            new_root=large.root,
            proof=[bytes.fromhex(node) for node in document["proof"]],
        )
        nursery.cancel_scope.cancel()
    found = document["detail"]
    async with our_log(tmp_path, contradiction=found) as again:
        # A restart settles nothing.
        assert found in again.actor.halted
        with pytest.raises(RtgfError):
            await again.mailbox.ask(Commit(AppendEvents(())))


async def test_a_head_of_ours_beyond_the_store_means_that_the_store_is_old(tmp_path, log):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        await ours.append("a")
        log.serve(world)
        world.handle(OURS_AT, lambda _: Answer(body=ours_signed(9, bytes(32))))
        # Our fork stops us whatever is configured for the peer's.
        await nursery.start(actor_of(ours, world, log, halt=False).run)
        await until(lambda: ours.actor.halted)
        assert "old copy" in ours.actor.halted
        assert [head.count("\n9\n") for head in evidence(ours)["heads"]] == [0, 1]
        nursery.cancel_scope.cancel()
