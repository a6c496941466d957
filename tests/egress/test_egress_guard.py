"""What counts as a public address, and that a name is resolved once."""

from __future__ import annotations

import httpcore2
import pytest

from rtgf_node.egress_guard import ADDRESSES_MAX, GuardedNetwork, TransientError, is_public
from tests.simulator import Simulator

PUBLIC = ["93.184.215.14", "2606:2800:21f::1", "192.0.1.1", "100.128.0.1"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.8",
    "192.168.0.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "64:ff9b::10.0.0.1",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public_also_when_wrapped(address: str) -> None:
    assert is_public(address)
    if "." in address:
        assert is_public(f"::ffff:{address}")
        assert is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is(address: str) -> None:
    assert not is_public(address)


class Unanswered(httpcore2.AsyncNetworkBackend):
    """Notes where it is sent, and finds nobody there."""

    def __init__(self) -> None:
        self.sent_to: list[str] = []

    async def connect_tcp(
        self, host: str, *_: object, **__: object
    ) -> httpcore2.AsyncNetworkStream:
        self.sent_to.append(host)
        raise httpcore2.ConnectError(f"{host} refuses")


async def test_each_allowed_address_of_a_host_is_tried_in_turn() -> None:
    async with Simulator() as world:
        world.names["lists.example"] = ["10.0.0.1", "93.184.215.14", "2606:2800:21f::1"]
        network = Unanswered()
        with pytest.raises(httpcore2.ConnectError, match="2606"):
            await GuardedNetwork(network, allow_private=False).connect_tcp("lists.example", 443)
        assert network.sent_to == ["93.184.215.14", "2606:2800:21f::1"]


async def test_only_so_many_addresses_of_a_host_are_tried() -> None:
    async with Simulator() as world:
        world.names["lists.example"] = [f"93.184.215.{last}" for last in range(50)]
        network = Unanswered()
        with pytest.raises(httpcore2.ConnectError):
            await GuardedNetwork(network, allow_private=False).connect_tcp("lists.example", 443)
        assert len(network.sent_to) == ADDRESSES_MAX


async def test_what_connects_is_given_an_address_never_a_name() -> None:
    async with Simulator() as world:
        network = Unanswered()
        with pytest.raises(httpcore2.ConnectError):
            await GuardedNetwork(network, allow_private=True).connect_tcp("lists.example", 443)
        assert network.sent_to == world.names["lists.example"]


@pytest.mark.parametrize("host", ["gone.example", "x" * 64 + ".example"])
async def test_a_name_that_does_not_resolve_may_resolve_later(host: str) -> None:
    async with Simulator():
        with pytest.raises(TransientError, match="does not resolve"):
            await GuardedNetwork(Unanswered(), allow_private=True).connect_tcp(host, 443)
