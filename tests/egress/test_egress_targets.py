"""Where a fetch may go: allow-list, redirects, schemes, addresses, certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtgf_node.egress import REDIRECTS_MAX, Egress, Fetched
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import FetchConfig
from tests.egress.fetching import LIST, PATH, egress, refusal, steady
from tests.simulator import Simulator

PUBLIC = "93.184.215.14"


class TestWhere:
    async def test_a_host_outside_the_allow_list_is_never_connected_to(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            fetcher = egress(world, allowed_hosts=("mirror.example",))
            error = await refusal(fetcher, world.url(PATH, host="lists.example"))
            assert "fetch.allowed_hosts" in error.detail
            assert world.connected == []

    async def test_a_redirect_inside_the_allow_list_is_followed(self) -> None:
        async with Simulator() as world:
            world.serve("/new/un.xml", body=LIST, etag='"9"')
            world.redirect(PATH, world.url("/moved", host="mirror.example"))
            world.redirect("/moved", "new/un.xml", status=308)
            fetched = await egress(world).get(world.url(PATH, host="lists.example"))
            assert fetched == Fetched(LIST, '"9"', None)
            hosts = [asked.headers["host"].partition(":")[0] for asked in world.asked]
            assert hosts == ["lists.example", "mirror.example", "mirror.example"]

    @pytest.mark.parametrize(
        ("location", "why"),
        [
            ("https://elsewhere.example/un.xml", "allowed_hosts"),
            ("//elsewhere.example/un.xml", "allowed_hosts"),
            ("https://mirror.example@elsewhere.example/", "user name"),
            ("https://elsewhere.example\\@mirror.example/", "user name"),
            ("https://user:word@mirror.example/", "user name"),
            ("https://169.254.169.254/latest/meta-data", "allowed_hosts"),
            ("http://mirror.example/un.xml", "away from https"),
            ("file:///etc/passwd", "away from https"),
            ("ftp://mirror.example/un.xml", "away from https"),
            ("https://[half/un.xml", "cannot be read"),
            ("https://mirror.example:99999/", "cannot be read"),
            ("https://mirror.example/\xfcn.xml", "ASCII"),
        ],
    )
    async def test_a_redirect_that_leads_out_is_not_followed(self, location: str, why: str) -> None:
        async with Simulator() as world:
            world.redirect(PATH, location)
            error = await refusal(egress(world, allow_plain_http=True), world.url(PATH))
            assert why in error.detail
            assert len(world.asked) == 1

    async def test_a_redirect_without_a_place_is_a_refusal(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, status=302)
            assert "answered 302" in (await refusal(egress(world), world.url(PATH))).detail

    async def test_a_loop_of_redirects_ends(self) -> None:
        async with Simulator() as world:
            world.redirect(PATH, PATH)
            error = await refusal(egress(world), world.url(PATH))
            assert "redirects" in error.detail
            assert len(world.asked) == REDIRECTS_MAX + 1

    async def test_plain_http_is_refused_unless_allowed(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            error = await refusal(egress(world), world.plain_url(PATH))
            assert "fetch.allow_plain_http" in error.detail
            assert world.connected == []
            fetcher = egress(world, allow_plain_http=True)
            assert (await fetcher.get(world.plain_url(PATH))).body == LIST

    @pytest.mark.parametrize("uri", ["ftp://lists.example/a", "gopher://lists.example/", "un.xml"])
    async def test_no_other_scheme_is_fetched(self, uri: str) -> None:
        async with Simulator() as world:
            assert "only https" in (await refusal(egress(world), uri)).detail

    async def test_a_secret_in_the_query_is_not_in_the_message(self) -> None:
        async with Simulator() as world:
            error = await refusal(egress(world), world.url(PATH + "?token=canary"))
            assert "canary" not in str(error)
            assert world.asked[0].path == PATH + "?token=canary"


class TestPrivateAddresses:
    @pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1"])
    async def test_a_name_that_resolves_to_one_is_refused(self, address: str) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            world.names["lists.example"] = [address]
            fetcher = egress(world, allow_private_addresses=False)
            error = await refusal(fetcher, world.url(PATH, host="lists.example"))
            assert "no public address" in error.detail
            assert world.connected == []

    async def test_an_address_as_host_is_refused_though_it_is_on_the_allow_list(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            fetcher = Egress(world.config(allow_private_addresses=False), jitter=steady)
            error = await refusal(fetcher, world.url(PATH))
            assert "fetch.allow_private_addresses" in error.detail
            assert world.asked == []

    async def test_a_redirect_to_one_is_refused(self) -> None:
        async with Simulator() as world:
            world.names["lists.example"] = [PUBLIC]
            world.redirect(PATH, world.url(PATH, host="mirror.example"))
            fetcher = egress(world, allow_private_addresses=False)
            error = await refusal(fetcher, world.url(PATH, host="lists.example"))
            assert "mirror.example has no public address" in error.detail
            assert world.connected == [PUBLIC]

    async def test_among_several_addresses_only_the_public_ones_are_connected_to(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            world.names["lists.example"] = ["10.0.0.7", PUBLIC]
            fetcher = egress(world, allow_private_addresses=False)
            assert (await fetcher.get(world.url(PATH, host="lists.example"))).body == LIST
            assert world.connected == [PUBLIC]


class TestCertificates:
    @pytest.mark.parametrize(
        ("world", "why"),
        [
            (Simulator(certificate_hosts=("elsewhere.example",)), "not valid for"),
            (Simulator(certificate_age_days=60), "expired"),
        ],
        ids=["wrong name", "expired"],
    )
    async def test_a_wrong_certificate_is_refused_and_nothing_is_asked(
        self, world: Simulator, why: str
    ) -> None:
        async with world:
            world.serve(PATH, body=LIST)
            fetcher = egress(world)
            error = await refusal(fetcher, world.url(PATH, host="lists.example"))
            assert why in error.detail
            assert world.asked == []
            assert len(world.connected) == 1, "another attempt would meet the same certificate"

    async def test_a_certificate_of_an_unknown_authority_is_refused(self) -> None:
        async with Simulator() as world:
            world.serve(PATH, body=LIST)
            fetcher = Egress(world.config(ca_file=None), jitter=steady)
            assert "certificate" in (await refusal(fetcher, world.url(PATH))).detail
            assert world.asked == []

    async def test_a_file_without_certificates_stops_the_start(self, tmp_path: Path) -> None:
        empty = tmp_path / "ca.pem"
        empty.write_text("nothing")
        for ca_file in (empty, tmp_path / "absent.pem"):
            with pytest.raises(RtgfError) as raised:
                Egress(FetchConfig(ca_file=ca_file), jitter=steady)
            assert raised.value.code is Code.RTGF_CONFIG_INVALID
