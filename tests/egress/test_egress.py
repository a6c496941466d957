"""Fetching goes only where it may, takes only so much, and gives up in time.

Time is trio's own here and jumps when nothing moves: the world answers in memory, so nothing but
the clock is ever waited for. Tests that show sockets use the real ones and wait for nothing.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpcore2
import pytest
import trio

from rtgf_node.egress import FIRST_PAUSE_SECONDS, TRIES, Egress, Fetched
from rtgf_node.settings import FetchConfig
from tests.egress.fetching import LIST, PATH, egress, refusal, steady
from tests.simulator import Answer, Fault, Simulator


async def test_a_list_comes_over_tls_from_a_real_socket_with_its_validators() -> None:
    async with Simulator() as world:
        world.serve(PATH, body=LIST, etag='"7"', last_modified="Sun, 22 Nov 2026 10:00:00 GMT")
        fetched = await Egress(world.config(), jitter=steady).get(world.url(PATH))
        assert fetched == Fetched(LIST, '"7"', "Sun, 22 Nov 2026 10:00:00 GMT")
        (asked,) = world.asked
        assert asked.method == "GET"
        assert asked.headers["accept-encoding"] == "identity"
        assert "if-none-match" not in asked.headers


class TestAttempts:
    async def test_a_provider_that_never_answers_is_tried_three_times_and_then_given_up(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        """RTGF-CT-12."""
        async with Simulator() as world:
            world.serve(PATH, fault=Fault.SILENT)
            began = trio.current_time()
            error = await refusal(egress(world, timeout_seconds=5.0), world.url(PATH))
            assert len(world.asked) == TRIES == 3
            assert len(error.causes) == TRIES
            assert "no complete answer within 5 seconds" in error.detail
            pauses = FIRST_PAUSE_SECONDS * (1 + 2)
            assert trio.current_time() - began == pytest.approx(3 * 5.0 + pauses)

    async def test_pauses_double_and_carry_the_given_jitter(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        """RTGF-CT-12."""
        jitters = iter([0.5, 0.25])
        async with Simulator() as world:
            world.serve(PATH, status=503)
            fetcher = Egress(world.config(), jitter=lambda: next(jitters), network=world.network)
            await refusal(fetcher, world.url(PATH))
            first, second, third = (asked.at for asked in world.asked)
            assert second - first == pytest.approx(FIRST_PAUSE_SECONDS * 1.5)
            assert third - second == pytest.approx(2 * FIRST_PAUSE_SECONDS * 1.25)
        assert list(jitters) == []

    @pytest.mark.parametrize("fault", [Fault.CUT, Fault.RESET, Fault.NONE], ids=lambda f: f.name)
    async def test_two_failures_and_then_an_answer_is_an_answer(
        self, fault: Fault, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            world.script(PATH, *[Answer(b"half", status=503, fault=fault)] * 2, Answer(LIST))
            assert (await egress(world).get(world.url(PATH))).body == LIST
            assert len(world.asked) == 3

    async def test_a_connection_that_is_reset_counts_as_an_attempt(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rtgf_node.egress.FIRST_PAUSE_SECONDS", 0.0)
        async with Simulator() as world:
            world.serve(PATH, fault=Fault.RESET)
            error = await refusal(Egress(world.config(), jitter=steady), world.url(PATH))
            assert len(world.asked) == TRIES
            assert "reset" in error.detail.lower()

    async def test_a_body_that_is_shorter_than_stated_is_never_taken(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, fault=Fault.CUT)
            error = await refusal(egress(world), world.url(PATH))
            assert len(world.asked) == TRIES
            assert "complete message body" in error.detail

    @pytest.mark.parametrize("fault", [Fault.SLOW_HEAD, Fault.SLOW_BODY], ids=lambda f: f.name)
    async def test_the_time_limit_is_for_the_whole_answer_not_for_each_byte(
        self, fault: Fault, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, fault=fault, pause_seconds=0.5)
            began = trio.current_time()
            await refusal(egress(world, timeout_seconds=10.0), world.url(PATH))
            assert trio.current_time() - began == pytest.approx(30 + 3 * FIRST_PAUSE_SECONDS)

    @pytest.mark.parametrize("status", [204, 206, 400, 401, 403, 404, 410, 501])
    async def test_an_answer_that_would_be_the_same_again_is_final(self, status: int) -> None:
        async with Simulator() as world:
            world.serve(PATH, status=status)
            error = await refusal(egress(world), world.url(PATH))
            assert f"answered {status}" in error.detail
            assert len(world.asked) == 1

    async def test_a_refused_connection_is_tried_again(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        class Closed(httpcore2.AsyncNetworkBackend):
            tries = 0

            async def connect_tcp(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
                self.tries += 1
                raise httpcore2.ConnectError("connection refused")

        async with Simulator() as world:
            network = Closed()
            fetcher = Egress(world.config(), jitter=steady, network=network)
            error = await refusal(fetcher, world.url(PATH))
            assert network.tries == TRIES
            assert "connection refused" in error.detail

    async def test_a_name_that_does_not_resolve_is_tried_again(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with Simulator() as world:
            fetcher = egress(world, allowed_hosts=("gone.example",))
            error = await refusal(fetcher, world.url(PATH, host="gone.example"))
            assert len(error.causes) == TRIES
            assert "gone.example does not resolve" in error.detail


class TestConditionalFetch:
    async def test_an_unchanged_list_is_not_sent_again_and_keeps_its_validators(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, etag='"7"')
            fetched = await egress(world).get(world.url(PATH), etag='"7"')
            assert fetched == Fetched(None, '"7"', None)
            assert world.asked[0].headers["if-none-match"] == '"7"'

    async def test_a_date_serves_as_well(self) -> None:
        date = "Sun, 22 Nov 2026 10:00:00 GMT"
        async with Simulator() as world:
            world.serve(PATH, body=LIST, last_modified=date)
            fetched = await egress(world).get(world.url(PATH), last_modified=date)
            assert fetched == Fetched(None, None, date)

    async def test_a_changed_list_comes_whole_with_its_new_validator(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, etag='"8"')
            fetched = await egress(world).get(world.url(PATH), etag='"7"')
            assert fetched == Fetched(LIST, '"8"', None)

    async def test_not_modified_without_having_asked_is_not_believed(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, status=304)
            assert "answered 304" in (await refusal(egress(world), world.url(PATH))).detail

    async def test_a_validator_that_cannot_be_sent_back_is_not_kept(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, etag='"' + "x" * 2000 + '"')
            fetched = await egress(world).get(world.url(PATH))
            assert fetched == Fetched(LIST, None, None)

    async def test_a_validator_with_a_line_break_is_not_sent(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            await egress(world).get(world.url(PATH), etag='"7"\r\nX-Injected: 1')
            assert not world.asked[0].headers.keys() & {"if-none-match", "x-injected"}


class TestSize:
    async def test_exactly_the_limit_is_taken(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            fetcher = egress(world, max_bytes=len(LIST))
            assert (await fetcher.get(world.url(PATH))).body == LIST

    async def test_a_stated_length_over_the_limit_is_refused_before_the_body(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, fault=Fault.SLOW_BODY)
            began = trio.current_time()
            error = await refusal(egress(world, max_bytes=len(LIST) - 1), world.url(PATH))
            assert "larger than" in error.detail
            assert trio.current_time() == began
            assert len(world.asked) == 1

    async def test_a_body_without_end_is_refused_at_the_limit(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, fault=Fault.ENDLESS)
            error = await refusal(egress(world, max_bytes=10 * len(LIST)), world.url(PATH))
            assert "larger than" in error.detail
            assert len(world.asked) == 1

    async def test_a_body_without_a_certain_end_is_refused(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, fault=Fault.UNFRAMED)
            assert "where its body ends" in (await refusal(egress(world), world.url(PATH))).detail

    @pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["file", "coding"])
    async def test_a_compressed_list_is_unpacked(self, headers: dict[str, str]) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=gzip.compress(LIST), headers=headers)
            fetcher = egress(world, max_decompressed_bytes=len(LIST))
            assert (await fetcher.get(world.url(PATH))).body == LIST

    async def test_a_bomb_is_refused_at_the_limit(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=gzip.compress(bytes(50_000_000)))
            fetcher = egress(world, max_decompressed_bytes=1_000_000)
            error = await refusal(fetcher, world.url(PATH))
            assert "1000000 bytes when decompressed" in error.detail

    @pytest.mark.parametrize(
        "body",
        [gzip.compress(LIST)[:-9], gzip.compress(LIST) + b"tail", b"\x1f\x8bnonsense"],
        ids=["cut", "more", "damaged"],
    )
    async def test_damaged_compression_is_refused(self, body: bytes) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=body)
            assert "gzip" in (await refusal(egress(world), world.url(PATH))).detail

    async def test_an_encoding_that_was_not_asked_for_is_refused(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST, headers={"Content-Encoding": "br"})
            assert "'br'" in (await refusal(egress(world), world.url(PATH))).detail


class TestFiles:
    async def test_a_file_is_refused_unless_allowed(self, tmp_path: Path) -> None:
        path = tmp_path / "a list.xml"
        path.write_bytes(LIST)
        fetcher = Egress(FetchConfig(), jitter=steady)
        assert "fetch.allow_file" in (await refusal(fetcher, path.as_uri())).detail
        fetched = await Egress(FetchConfig(allow_file=True), jitter=steady).get(path.as_uri())
        assert fetched == Fetched(LIST, None, None)

    async def test_the_limits_hold_for_files_too(self, tmp_path: Path) -> None:
        path = tmp_path / "list.xml.gz"
        path.write_bytes(gzip.compress(LIST))
        fetcher = Egress(FetchConfig(allow_file=True, max_bytes=10), jitter=steady)
        error = await refusal(fetcher, path.as_uri())
        assert "larger than 10 bytes" in error.detail
        config = FetchConfig(allow_file=True, max_decompressed_bytes=10)
        error = await refusal(Egress(config, jitter=steady), path.as_uri())
        assert "10 bytes when decompressed" in error.detail

    @pytest.mark.parametrize(
        "uri",
        ["file:///dev/zero", "file:///nowhere/list.xml", "file:///%00", "file://host.example/etc"],
    )
    async def test_what_is_no_file_of_this_machine_is_refused(self, uri: str) -> None:
        await refusal(Egress(FetchConfig(allow_file=True), jitter=steady), uri)
