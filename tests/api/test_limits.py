"""The token buckets: bursts, the long run, and a bounded memory."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.api.access import Caller
from rtgf_node.api.limits import RateLimitedError, RateLimits, TokenBuckets, client_network
from rtgf_node.errors import Code
from rtgf_node.settings import LimitsConfig


def test_a_burst_and_then_too_many_requests():
    """RTGF-CT-44: beyond the limit the answer is 429 with the seconds to wait."""
    buckets = TokenBuckets("reads", per_second=0.5, burst=3, max_clients=10)
    for _ in range(3):
        buckets.take("a", now=100.0)
    with pytest.raises(RateLimitedError) as caught:
        buckets.take("a", now=100.0)
    assert caught.value.code is Code.RTGF_VERIFY_RATE_LIMIT
    assert caught.value.code.value.status == 429
    assert caught.value.retry_after_seconds == 2
    buckets.take("a", now=102.0)


def test_clients_do_not_share_a_bucket():
    buckets = TokenBuckets("reads", per_second=1, burst=1, max_clients=10)
    buckets.take("a", now=0)
    buckets.take("b", now=0)


def test_a_request_larger_than_the_bucket_leaves_a_debt():
    buckets = TokenBuckets("reads", per_second=10, burst=10, max_clients=10)
    buckets.take("a", now=0, cost=100)
    with pytest.raises(RateLimitedError) as caught:
        buckets.take("a", now=1)
    assert caught.value.retry_after_seconds == 9
    buckets.take("a", now=10)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from("abc")), max_size=100),
    st.floats(0.1, 50),
    st.integers(1, 20),
)
def test_nobody_gets_more_than_the_burst_and_the_rate(
    asks: list[tuple[float, str]], rate: float, burst: int
):
    buckets = TokenBuckets("reads", per_second=rate, burst=burst, max_clients=10)
    now = 0.0
    served = dict.fromkeys("abc", 0)
    for pause, client in asks:
        now += pause
        try:
            buckets.take(client, now=now)
        except RateLimitedError as error:
            # Whoever waits as told is served.
            late = now + error.retry_after_seconds
            probe = TokenBuckets("reads", per_second=rate, burst=burst, max_clients=10)
            probe._buckets.update(buckets._buckets)
            probe.take(client, now=late + 1e-6)
        else:
            served[client] += 1
    assert all(count <= burst + now * rate + 1e-6 for count in served.values())


@given(st.lists(st.integers(0, 1000), max_size=200))
def test_memory_is_bounded(clients: list[int]):
    buckets = TokenBuckets("reads", per_second=1, burst=1, max_clients=5)
    for client in clients:
        with contextlib.suppress(RateLimitedError):
            buckets.take(str(client), now=0)
        assert len(buckets) <= 5


def test_a_clock_that_stands_still_or_goes_back_gives_nothing():
    buckets = TokenBuckets("reads", per_second=1, burst=1, max_clients=5)
    buckets.take("a", now=100)
    with pytest.raises(RateLimitedError):
        buckets.take("a", now=50)


def test_a_certificate_has_its_own_limit_whatever_the_address():
    limits = RateLimits(
        LimitsConfig(public_per_second=1, public_burst=1, partner_per_second=1, partner_burst=2)
    )
    stranger = Caller(None, "192.0.2.1", frozenset())
    limits.admit(stranger, at=0)
    with pytest.raises(RateLimitedError):
        limits.admit(stranger, at=0)
    for address in ("192.0.2.1", "192.0.2.2"):
        limits.admit(Caller("urn:rtgf:partner:a", address, frozenset()), at=0)
    with pytest.raises(RateLimitedError):
        limits.admit(Caller("urn:rtgf:partner:a", "192.0.2.3", frozenset()), at=0)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_one_subscriber_is_one_client(address: str, client: str):
    assert client_network(address) == client


def test_what_an_admitted_request_turned_out_to_cost_is_owed():
    """Whoever is let in is answered, however much it asked; then it waits for all of it."""
    limits = RateLimits(LimitsConfig(partner_per_second=10.0, partner_burst=20))
    caller, other = (Caller(f"urn:{name}", "192.0.2.1", frozenset()) for name in "ab")
    limits.admit(caller, at=0.0, route="verify")
    limits.owe(caller, at=0.0, cost=99, route="verify")
    with pytest.raises(RateLimitedError) as caught:
        limits.admit(caller, at=1.0, route="verify")
    assert caught.value.retry_after_seconds == 8
    limits.admit(other, at=1.0, route="verify")
    limits.admit(caller, at=1.0, route="reads")
    limits.admit(caller, at=9.0, route="verify")


def test_who_looks_takes_nothing_and_is_refused_as_who_takes():
    limits = RateLimits(LimitsConfig(public_per_second=0.5, public_burst=2), is_shared=True)
    caller = Caller(None, "192.0.2.1", frozenset())
    for _ in range(2):
        limits.look(caller, at=0.0, route="reads")
        limits.admit(caller, at=0.0)
    for ask in (limits.look, limits.admit):
        with pytest.raises(RateLimitedError) as caught:
            ask(caller, at=0.0, route="reads")
        assert caught.value.retry_after_seconds == 2
    limits.look(caller, at=0.0, route="verify")
    assert limits.spent() == [("reads", False, "192.0.2.1", 2)]


def test_a_client_is_told_what_it_has_left():
    limits = RateLimits(LimitsConfig(partner_per_second=10.0, partner_burst=25))
    caller = Caller("urn:a", "192.0.2.1", frozenset())

    def told(path: str) -> tuple[str, str]:
        said = limits.told(path, caller.identity, caller.address)
        written = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        assert limits.lines(path, caller.identity, caller.address) == written.encode()
        return said["RateLimit-Policy"], said["RateLimit"]

    assert told("/catalog") == ('"reads";q=25;w=3', '"reads";r=25;t=0')
    for _ in range(6):
        limits.admit(caller, at=0.0, route="verify")
    assert told("/verify") == ('"verify";q=25;w=3', '"verify";r=19;t=1')
    limits.owe(caller, at=0.0, cost=100, route="verify")
    assert told("/evaluate") == ('"verify";q=25;w=3', '"verify";r=0;t=11')
    assert told("/admin/status")[1].startswith('"admin";r=')


def test_what_another_process_let_in_counts():
    """Two processes have one limit: what one lets in, the other is told of, and the first once."""
    config = LimitsConfig(verify_partner_per_second=1.0, verify_partner_burst=10)
    one, other = (RateLimits(config, is_shared=True) for _ in range(2))
    named, stranger = (Caller(name, "2001:db8::1", frozenset()) for name in ("urn:a", None))
    for _ in range(6):
        one.admit(named, at=0.0, route="verify")
    one.owe(named, at=0.0, cost=3, route="verify")
    one.admit(stranger, at=0.0)
    spent = one.spent()
    assert sorted(spent) == [("reads", False, "2001:db8::/64", 1), ("verify", True, "urn:a", 9)]
    assert one.spent() == []
    other.owe_all(spent, at=0.0)
    # What came from elsewhere is not told on.
    assert other.spent() == []
    other.admit(named, at=0.0, route="verify")
    with pytest.raises(RateLimitedError):
        other.admit(named, at=0.0, route="verify")
    # A try that is refused costs nobody anything.
    assert other.spent() == [("verify", True, "urn:a", 1)]
