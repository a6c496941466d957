"""The revocation actor signs a status list once for what it says, and again before it runs out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import StatusList
from rtgf_node.actors.revocation import RevocationActor
from rtgf_node.core import status_list
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, create_store
from rtgf_node.telemetry import Metrics
from tests.evidence_world import LIST_URI, RMT_EU, World, data
from tests.replication import samples

SIGNER = SeedSigner("rtgf.eu.example:ed25519:2026-11:003", bytes([3] * 32))
BASE = "https://elsewhere.example/revocations/status-list"
START = 1_795_341_600


class Clock:
    """The time as the test sets it."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    with create_store(tmp_path / "node") as made:
        yield made


@pytest.fixture
async def ask(store):
    """Ask the actor; `ask.clock` is its clock."""
    mailbox, clock = Mailbox("revocation", capacity=4), Clock()
    actor = RevocationActor(
        mailbox,
        log=Mailbox("log", capacity=1),
        store=store,
        signer=SIGNER,
        past_signer=lambda _: SIGNER,
        status_lists_uri=BASE,
        clock=clock,
        metrics=Metrics(version="0"),
    )

    async def asked(number: int = 0, tree_size: int | None = None) -> str:
        return await mailbox.ask(StatusList(number=number, tree_size=tree_size))

    asked.clock = clock
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        yield asked
        nursery.cancel_scope.cancel()


def read(jwt: str, at: int = START) -> tuple[status_list.Claims, bytes]:
    key = PublicKey(SIGNER.kid, SIGNER.public, "status", START - 86_400, START + 86_400)
    return status_list.verify(jwt, KeySet([key]), at=at)


async def test_a_list_is_signed_once_and_again_at_half_of_its_life(ask):
    first = await ask()
    ask.clock.time += status_list.LIFE_SECONDS // 2 - 1
    assert await ask() == first
    ask.clock.time += 1
    second = await ask()
    assert second != first
    claims, packed = read(second, at=ask.clock.time)
    assert (claims.iat, claims.sub) == (ask.clock.time, f"{BASE}/0")
    assert not any(packed)


async def test_a_clock_that_was_put_back_makes_no_list_of_the_future(ask):
    await ask()
    ask.clock.time -= 3600
    assert read(await ask(), at=ask.clock.time)[0].iat == ask.clock.time


async def test_a_list_that_there_is_not_is_refused(ask):
    with pytest.raises(RtgfError) as refused:
        await ask(1)
    assert refused.value.code is Code.RTGF_NOT_FOUND


async def test_a_revocation_changes_the_list_at_once(store, ask):
    client = samples.Client(StateMachine(store))
    body = data(World().tokens[RMT_EU])
    client.accepted(samples.publish("build", samples.token(RMT_EU, number=0, body=body)))
    before = await ask()
    outcome = client.accepted(samples.revoke(RMT_EU))
    after, packed = read(await ask())
    assert read(before)[0].revEpoch == 0
    # As its tokens call it, wherever the node is now.
    assert after.sub == LIST_URI
    assert (after.revEpoch, after.treeSize) == (1, outcome.tree_size)
    assert status_list.status_at(packed, 0) == status_list.INVALID


async def test_a_list_is_stated_for_a_tree_that_holds_all_revocations(store, ask):
    client = samples.Client(StateMachine(store))
    body = data(World().tokens[RMT_EU])
    client.accepted(samples.publish("build", samples.token(RMT_EU, number=0, body=body)))
    size = client.accepted(samples.revoke(RMT_EU)).tree_size
    assert read(await ask(tree_size=size))[0].treeSize == size
    assert read(await ask(tree_size=size + 5))[0].treeSize == size + 5
    with pytest.raises(RtgfError) as refused:
        await ask(tree_size=size - 1)
    assert refused.value.code is Code.RTGF_UNAVAILABLE
