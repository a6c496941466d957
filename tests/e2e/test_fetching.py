"""Where and how lists are fetched: tried again, bounded, and nowhere else."""

from __future__ import annotations

import gzip

import pytest

from tests.held_lists import (
    FETCH_FAILED,
    assert_nothing_taken,
    fetched,
)
from tests.nodes import RATES, TestNode
from tests.observing import rtgf
from tests.providers import Providers, dataset, fetch_settings, persons, un_list
from tests.simulator import Fault

TEN = persons(10)
LIMIT_BYTES = 1 << 20
"""Far above the lists here."""

NAMES = ("busy", "down", "silent", "oversize", "bomb", "moved")


@pytest.fixture(scope="module")
def providers():
    with Providers() as running:
        yield running


def prepared(folder, world, **settings):
    """Return a node with a list for each test, published by simulated providers."""
    tables = [dataset(name, world.url(f"/{name}.xml")) for name in NAMES]
    node = TestNode(folder / "node", settings=RATES + "".join(tables))
    fetch_settings(
        node,
        allowed_hosts=["127.0.0.1"],
        allow_file=True,
        allow_private_addresses=True,
        ca_file=str(world.ca_file),
        max_bytes=LIMIT_BYTES,
        max_decompressed_bytes=2 * LIMIT_BYTES,
        **settings,
    )
    return node


@pytest.fixture(scope="module")
def desk(tmp_path_factory, providers):
    node = prepared(tmp_path_factory.mktemp("fetching"), providers.world)
    with node.running():
        yield node


def test_a_provider_that_is_busy_twice_is_asked_three_times(desk, providers):
    """RTGF-CT-12."""
    providers.world.serve("/busy.xml", body=un_list(*TEN))
    providers.world.fail("/busy.xml", times=2, status=503)
    assert fetched(desk, "busy").outcome == "accepted"
    assert providers.asked("/busy.xml") == 3


def test_a_provider_that_fails_is_tried_three_times_and_no_more(desk, providers):
    """RTGF-CT-12."""
    providers.world.serve("/down.xml", status=503)
    item = assert_nothing_taken(desk, "down", FETCH_FAILED, records=False)
    assert "failed 3 times" in item.detail
    assert providers.asked("/down.xml") == 3


def test_a_provider_that_is_silent_is_tried_three_times_and_no_more(tmp_path, providers):
    """RTGF-CT-12."""
    providers.world.serve("/silent.xml", fault=Fault.SILENT)
    node = prepared(tmp_path, providers.world, timeout_seconds=1.0)
    with node.running():
        item = assert_nothing_taken(node, "silent", FETCH_FAILED, records=False)
    assert "failed 3 times" in item.detail
    # One that was given up before it was heard is a try too.
    assert 0 < providers.asked("/silent.xml") <= 3


TOO_LARGE = {
    "oversize": ("is larger than", b" " * (LIMIT_BYTES + 1)),
    "bomb": ("when decompressed", gzip.compress(b" " * (2 * LIMIT_BYTES + 1))),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_file_that_is_too_large_is_refused(desk, providers, name):
    words, body = TOO_LARGE[name]
    providers.world.serve(f"/{name}.xml", body=body)
    item = assert_nothing_taken(desk, name, FETCH_FAILED, records=False)
    assert words in item.detail


def test_a_redirect_is_followed_inside_the_allow_list_only(desk, providers):
    world = providers.world
    world.serve("/target.xml", body=un_list(*TEN))
    for location, words in (
        (world.url("/target.xml", host="localhost"), "not in fetch.allowed_hosts"),
        (world.plain_url("/target.xml"), "redirects away from https"),
        ("file:///etc/passwd", "redirects away from https"),
    ):
        world.redirect("/moved.xml", location)
        item = fetched(desk, "moved")
        assert (item.outcome, item.code) == ("refused", FETCH_FAILED)
        assert words in item.detail
    assert providers.asked("/target.xml") == 0
    world.redirect("/moved.xml", world.url("/target.xml"))
    assert fetched(desk, "moved").outcome in {"accepted", "unchanged"}


def test_a_private_address_needs_the_configurations_word(tmp_path, providers):
    world = providers.world
    node = TestNode(tmp_path / "node", settings=RATES + dataset("inside", world.url("/inside.xml")))
    fetch_settings(node, allowed_hosts=["127.0.0.1"], allow_file=True, ca_file=str(world.ca_file))
    world.serve("/inside.xml", body=un_list(*TEN))
    with node.running():
        item = assert_nothing_taken(node, "inside", FETCH_FAILED, records=False)
        assert "public" in item.detail
    assert providers.asked("/inside.xml") == 0


def test_a_provider_with_a_wrong_certificate_is_not_believed(tmp_path, providers):
    node = TestNode(
        tmp_path / "node", settings=RATES + dataset("inside", providers.world.url("/cert.xml"))
    )
    fetch_settings(node, allowed_hosts=["127.0.0.1"], allow_file=True, allow_private_addresses=True)
    providers.world.serve("/cert.xml", body=un_list(*TEN))
    with node.running():
        item = assert_nothing_taken(node, "inside", FETCH_FAILED, records=False)
        assert "certificate" in item.detail
    assert providers.asked("/cert.xml") == 0


@pytest.mark.parametrize(
    ("uri", "fetch", "words"),
    [
        ("http://lists.example/un.xml", {"allow_file": True}, "allow_plain_http"),
        ("https://other.example/un.xml", {"allow_file": True}, "allowed_hosts"),
        ("https://u:p@lists.example/un.xml", {"allow_file": True}, "no user name or password"),
        ("ftp://lists.example/un.xml", {"allow_file": True}, "ftp: is not fetched"),
        ("list.xml", {"allow_file": False}, "allow_file"),
    ],
)
def test_a_place_that_may_not_be_fetched_from_stops_the_start(tmp_path, uri, fetch, words):
    """Plain HTTP, files and other hosts only where the configuration says so."""
    node = TestNode(tmp_path / "node", settings=RATES + dataset("there", uri))
    fetch_settings(node, allowed_hosts=["lists.example"], **fetch)
    done = rtgf(node, "serve")
    assert done.returncode == 78
    assert words in done.stderr
