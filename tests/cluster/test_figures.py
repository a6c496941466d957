"""What members of a real cluster show Prometheus of it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rtgf_node.cli.local_cluster import eventually
from tests.clusters import TestCluster, cluster_of
from tests.nodes import TestNode

IMT = "IMT:EU-SG:payments_aml:2026-10"


@pytest.fixture(scope="module")
def cluster(template: TestNode, tmp_path_factory):
    """Three members, all of which decide."""
    folder = tmp_path_factory.mktemp("figures")
    with cluster_of(template.copy(folder / "a"), folder, "b", "c") as made:
        yield made


class Scrape:
    """The samples of one member at one time."""

    def __init__(self, node: TestNode) -> None:
        self._samples = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(node.metrics())
            for sample in family.samples
        }

    def __call__(self, name: str, *labels: str) -> float:
        return self._samples[(f"rtgf_{name}", *labels)]


def scrapes(cluster: TestCluster) -> dict[str, Scrape]:
    """Return what every member that runs shows, once all have applied everything."""
    cluster.settled()
    return {name: Scrape(cluster.nodes[name]) for name in cluster.running}


def at_one(cluster: TestCluster) -> tuple[str, dict[str, Scrape]]:
    """Return who leads, and what all show, once they show the same of what they share.

    They are asked one after the other: meanwhile, the log grows, and another one may lead.
    """

    def look() -> tuple[str, dict[str, Scrape]] | None:
        shown = scrapes(cluster)
        shared = ("raft_term", "raft_commit_index", "raft_applied_index", "raft_has_leader")
        places = {tuple(map(scrape, shared)) for scrape in shown.values()}
        lead = [name for name, scrape in shown.items() if scrape("raft_role", "leader")]
        return (lead[0], shown) if len(places) == len(lead) == 1 else None

    return eventually(look, "they do not agree")


def test_members_agree_about_their_log_and_one_leads(cluster):
    leader, shown = at_one(cluster)
    for name, scrape in shown.items():
        assert scrape("raft_role", "follower") == (name != leader)
        assert scrape("raft_has_leader") == 1
        assert scrape("raft_staleness_seconds") < 60
        assert scrape("raft_applied_index") == scrape("raft_commit_index") > 1
        assert scrape("raft_elections_total") >= 1


def test_every_link_is_counted(cluster):
    def all_connected() -> bool:
        leader, shown = at_one(cluster)
        lags = {shown[leader]("raft_peer_lag_entries", peer) for peer in cluster.running}
        return lags == {0} and all(
            scrape("raft_peer_connected", peer) == 1 and scrape("raft_peer_rtt_seconds", peer) < 1
            for name, scrape in shown.items()
            for peer in cluster.running
            if peer != name
        )

    eventually(all_connected, "links")
    name, shown = at_one(cluster)
    leader = shown[name]
    for peer in set(cluster.running) - {name}:
        assert leader("raft_peer_sent_messages_total", peer) > 0
        assert leader("raft_peer_received_bytes_total", peer) > 0
        assert shown[peer]("raft_peer_received_messages_total", name) > 0
        assert shown[peer]("raft_peer_sent_bytes_total", name) > 0
        assert shown[peer]("raft_peer_connects_total", name) >= 1


def test_a_revocation_moves_the_epoch_of_every_member(cluster):
    follower = next(name for name in cluster.running if name != cluster.leader())
    before = {name: scrape("revocation_epoch") for name, scrape in scrapes(cluster).items()}
    assert cluster.revoke(follower, IMT, reason="issued_in_error").status == 200
    for name, scrape in scrapes(cluster).items():
        assert scrape("revocation_epoch") == before[name] + 1
        assert scrape("revocation_epoch_drift") == 0


def test_a_lost_leader_is_an_election_and_a_broken_link(cluster):
    killed, before = at_one(cluster)
    cluster.kill(killed)

    def is_told() -> bool:
        _, after = at_one(cluster)
        assert len(after) == 2
        return all(
            scrape("raft_elections_total") > before[name]("raft_elections_total")
            and scrape("raft_term") > before[name]("raft_term")
            and scrape("raft_peer_connected", killed) == 0
            and scrape("raft_peer_failures_total", killed) > 0
            for name, scrape in after.items()
        )

    eventually(is_told, "they do not tell of it")
    cluster.start(killed)


def test_a_node_alone_shows_none_of_it(template, tmp_path):
    node = template.copy(tmp_path / "alone")
    with node.running():
        text = node.metrics()
    assert "# TYPE rtgf_raft_term gauge" in text
    assert "\nrtgf_raft_" not in text
