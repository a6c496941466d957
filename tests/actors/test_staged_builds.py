"""A large build goes to the log in pieces; nobody sees any before the last."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
from msgspec import structs

from rtgf_node import telemetry
from rtgf_node.actors import issuing
from rtgf_node.actors.build_record import BuildRecord
from rtgf_node.actors.issuing import Issuing, Ready
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit, Compile, Publish, Stage
from rtgf_node.actors.publication import Publication
from rtgf_node.actors.verifier_tokens import TokensHeard
from rtgf_node.core import build, tokens
from rtgf_node.core.clock import Clock
from rtgf_node.core.trust import TrustState
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.build_commands import PublishBuild, StageTokens
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store
from rtgf_node.store.objects import ObjectStore
from tests import worlds
from tests.replication import samples

AT = 1_795_348_800
SNAPSHOTS = worlds.by_id(worlds.document("EU"), worlds.document("SG"), worlds.document("UK"))
INPUTS = worlds.build_inputs(SNAPSHOTS, ["EU", "SG", "UK", "EU-SG", "SG-UK"])
OUTPUT = build.build(INPUTS, snapshots=SNAPSHOTS, parents={}, library=worlds.library(), datasets={})
IDS = [name.split("/")[-1] for name in OUTPUT.token_names()]


class Noon(Clock):
    def now(self) -> int:
        return AT


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


@pytest.fixture
def world(store, tmp_path, monkeypatch):
    """Issue the build at pieces of one token; the asker gives the commands that were committed."""
    monkeypatch.setattr(issuing, "STAGE_BYTES", 1)
    client = samples.Client(StateMachine(store))

    async def issue(*, refuse_piece: int | None = None) -> tuple[BuildRecord, list[Any]]:
        boxes = {name: Mailbox(name, capacity=8) for name in ("registry", "verifier", "log")}
        publication = Publication(log=boxes["log"], issuer=worlds.NODE_DID, clock=Noon())
        committed: list[Any] = []

        async def registry() -> None:
            async for envelope in boxes["registry"]:
                with boxes["registry"].answering(envelope):
                    match envelope.request:
                        case Stage() as request:
                            envelope.reply(await publication.stage(request))
                        case Publish() as request:
                            envelope.reply(await publication.publish(request))

        async def log() -> None:
            async for envelope in boxes["log"]:
                with boxes["log"].answering(envelope):
                    assert isinstance(envelope.request, Commit)
                    if len(committed) == refuse_piece:
                        raise RtgfError(Code.RTGF_UNAVAILABLE, "no")
                    envelope.reply(client.accepted(envelope.request.command))
                    committed.append(envelope.request.command)

        async def verifier() -> None:
            async for envelope in boxes["verifier"]:
                envelope.reply(None)

        asked = Compile(jurisdictions=None, domains=None, accept_conflicts=False, actor="operator")
        record = BuildRecord("build-1", asked, Noon(), again=False)
        made = Issuing(
            registry=boxes["registry"],
            verifier=boxes["verifier"],
            approvals=boxes["verifier"],
            required=(),
            signer=worlds.node().signer,
            objects=ObjectStore(tmp_path),
            metrics=telemetry.Metrics(version="test"),
        )
        ready = Ready(
            manifest=OUTPUT.manifest,
            names=tuple(OUTPUT.token_names()),
            read=OUTPUT.artefacts.__getitem__,
            accepted=(),
            content_digests=(),
        )
        async with trio.open_nursery() as nursery:
            for actor in (registry, log, verifier):
                nursery.start_soon(actor)
            try:
                with trio.CancelScope() as limit:
                    await made.issue(record, ready, limit=limit)
            finally:
                nursery.cancel_scope.cancel()
        return record, committed

    return issue


async def test_every_piece_but_the_last_is_staged_and_all_are_published(store, world):
    record, committed = await world()
    *pieces, published = committed
    assert [type(one) for one in pieces] == [StageTokens] * (len(IDS) - 1)
    assert (published.staged, len(published.tokens)) == (len(IDS) - 1, 1)
    assert record.state == "published"
    issued = store.registry.of_build("build-1")
    assert len(issued) == store.registry.count() == len(IDS)
    signed = [tokens.parse(one.token.body) for one in issued]
    assert [one.canonical_hash for one in signed] == [
        tokens.parse(OUTPUT.artefacts[name]).canonical_hash for name in OUTPUT.token_names()
    ]
    assert store.staging.builds() == []


async def test_a_piece_that_the_log_does_not_take_ends_the_build(autojump_clock, store, world):
    """RTGF-CT-82, RTGF-CT-83."""
    with pytest.raises(BaseExceptionGroup) as caught:
        await world(refuse_piece=2)
    (error,) = caught.value.exceptions
    assert isinstance(error, RtgfError)
    assert error.code is Code.RTGF_PIPELINE_PUBLISH_FAIL
    assert [cause.code for cause in error.causes] == [Code.RTGF_UNAVAILABLE] * 3
    assert store.registry.count() == store.log.size == 0


async def test_what_a_crash_left_staged_is_forgotten_at_the_start(store):
    client = samples.Client(StateMachine(store))
    client.accepted(StageTokens("build-1", 0, samples.corridor_build().tokens))
    box = Mailbox("log", capacity=2)

    async def log() -> None:
        async for envelope in box:
            envelope.reply(client.accepted(envelope.request.command))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(log)
        publication = Publication(log=box, issuer=worlds.NODE_DID, clock=Noon())
        await publication.forget_staged(store.staging.builds())
        nursery.cancel_scope.cancel()
    assert store.staging.builds() == []


async def test_a_log_that_takes_nothing_does_not_stop_the_start(store):
    box = Mailbox("log", capacity=2)

    async def log() -> None:
        async for envelope in box:
            envelope.fail(RtgfError(Code.RTGF_UNAVAILABLE, "read only"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(log)
        publication = Publication(log=box, issuer=worlds.NODE_DID, clock=Noon())
        with structlog.testing.capture_logs() as said:
            await publication.forget_staged(["build-1"])
        nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in said] == ["staged_tokens_stay"]


class TestMemory:
    """What the verifier holds of a build that comes in pieces."""

    @pytest.fixture
    async def commands(self, world):
        _, committed = await world()
        return committed

    async def test_nothing_is_held_before_the_publication_and_then_everything(self, commands):
        heard, state = TokensHeard(), TrustState()
        *pieces, published = commands
        for piece in pieces:
            heard.stage(piece)
            assert len(state) == 0
        heard.publish(published, range(1, 1 + len(IDS)), state)
        assert len(state) == len(IDS)
        held = state.find(published.tokens[0].token_id)
        assert held is not None
        assert (held.leaf_index, held.logged_at) == (len(IDS), AT)
        assert heard.newest_leaf == len(IDS)

    async def test_news_that_the_store_had_already_changes_nothing(self, store, commands):
        heard, state = TokensHeard(), TrustState()
        heard.load(state, store.registry, store.staging)
        for piece in commands[:-1]:
            heard.stage(piece)
        heard.publish(commands[-1], range(1, 1 + len(IDS)), state)
        assert len(state) == len(IDS)

    async def test_a_memory_that_begins_between_two_pieces_has_all(self, tmp_path, commands):
        with create_store(tmp_path / "other") as store:
            client = samples.Client(StateMachine(store))
            client.accepted(commands[0])
            client.accepted(commands[1])
            heard, state = TokensHeard(), TrustState()
            heard.load(state, store.registry, store.staging)
        # The second is heard, too: it was committed while the store was read.
        for piece in commands[1:-1]:
            heard.stage(piece)
        heard.publish(commands[-1], range(1, 1 + len(IDS)), state)
        assert len(state) == len(IDS)

    async def test_a_build_that_begins_anew_or_is_forgotten_leaves_nothing(self, commands):
        heard, state = TokensHeard(), TrustState()
        *pieces, published = commands
        heard.stage(pieces[0])
        heard.stage(pieces[1])
        heard.stage(pieces[0])  # the first again: it begins anew
        whole = structs.replace(published, staged=1)
        assert isinstance(whole, PublishBuild)
        heard.publish(whole, range(1, 3), state)
        assert len(state) == 2
        heard, state = TokensHeard(), TrustState()
        heard.stage(pieces[0])
        heard.forget(pieces[0].build_id)
        heard.publish(structs.replace(published, staged=0), range(1, 2), state)
        assert len(state) == 1

    async def test_a_piece_that_was_missed_is_noticed(self, commands):
        heard, state = TokensHeard(), TrustState()
        for piece in commands[1:-1]:
            heard.stage(piece)
        with pytest.raises(ValueError, match="zip"):
            heard.publish(commands[-1], range(1, 1 + len(IDS)), state)
