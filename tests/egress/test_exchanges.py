"""One question, one answer: bounded in size and time, to allowed hosts only, never redirected."""

from __future__ import annotations

import pytest
import trio

from rtgf_node.egress import Answered, Egress
from rtgf_node.errors import Code, RtgfError
from tests.egress.fetching import egress, steady
from tests.simulator import Fault, Simulator

BODY = b"old 0\n\nlog\n0\n"


async def refusal(fetcher: Egress, uri: str) -> str:
    with pytest.raises(RtgfError) as raised:
        await fetcher.post(uri, BODY)
    assert raised.value.code is Code.RTGF_SANCTIONS_FETCH_FAILED
    return raised.value.detail


async def test_a_post_over_a_real_socket_brings_back_status_type_and_body() -> None:
    async with Simulator() as world:
        world.serve(
            "/add", status=409, body=b"7\n", headers={"Content-Type": "Text/X.tlog.size; a=b"}
        )
        fetcher = Egress(world.config(), jitter=steady)
        answer = await fetcher.post(world.url("/add"), BODY)
        assert answer == Answered(409, "text/x.tlog.size", b"7\n")
        assert await fetcher.ask(world.url("/none")) == Answered(404, "", b"")
        posted, asked = world.asked
        assert (posted.method, posted.body, asked.method) == ("POST", BODY, "GET")
        assert posted.headers["content-type"] == "text/plain; charset=utf-8"


async def test_it_is_tried_once_and_given_up_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Simulator() as world:
        world.serve("/add", fault=Fault.SILENT)
        detail = await refusal(egress(world, timeout_seconds=5.0), world.url("/add"))
        assert "no complete answer within 5 seconds" in detail
        assert (len(world.asked), trio.current_time()) == (1, pytest.approx(5.0, abs=0.01))


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CUT, Fault.UNFRAMED])
async def test_an_answer_that_is_not_whole_is_none(fault: Fault) -> None:
    async with Simulator() as world:
        world.serve("/add", fault=fault, body=b"12345678")
        await refusal(egress(world), world.url("/add"))


async def test_an_answer_that_never_ends_is_cut_off() -> None:
    async with Simulator() as world:
        world.serve("/add", fault=Fault.ENDLESS, body=b"x" * 1000)
        assert "larger than 10000" in await refusal(
            egress(world, max_bytes=10_000), world.url("/add")
        )


async def test_it_goes_only_where_it_may() -> None:
    async with Simulator() as world:
        world.redirect("/add", world.url("/else"))
        fetcher = egress(world)
        assert (await fetcher.post(world.url("/add"), BODY)).status == 302
        assert "not in fetch.allowed_hosts" in await refusal(fetcher, "https://other.example/")
        assert "only https" in await refusal(fetcher, world.plain_url("/add"))
        public = egress(world, allow_private_addresses=False)
        assert "no public address" in await refusal(public, world.url("/add"))
        assert [asked.path for asked in world.asked] == ["/add"]
