"""The figures about a member of a cluster, read at each scrape from what it counts anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rtgf_node.errors import RtgfError
from rtgf_node.replication.peer_figures import PeerFigures
from rtgf_node.replication.replicator import Role
from rtgf_node.wire.cluster import ClusterAnswer

T = TypeVar("T")
Figures: TypeAlias = tuple[tuple[str, str, Callable[[T], float]], ...]
"""The name after `rtgf_raft_`, what it is, and where it is read."""

Values: TypeAlias = Mapping[tuple[str, ...], float]
"""By the values of the labels."""


class MemberFigures(NamedTuple):
    """What a member counts.

    Attributes:
      elections: leaders that it saw come in.
      waiting: commands that were proposed here and are not answered yet.
      strangers: connections that were refused before it was known which peer was there.
      peers: what was sent and heard, by the name of the member.
    """

    elections: int
    waiting: int
    strangers: int
    peers: Mapping[str, PeerFigures]


class Seen(NamedTuple):
    """A member, as one scrape sees it."""

    shown: ClusterAnswer
    figures: MemberFigures


class Place(Protocol):
    """The part of a node's place among others that is shown."""

    def shown(self) -> ClusterAnswer:
        """Return the cluster as this node sees it; an RtgfError if it takes no part now."""

    def figures(self) -> MemberFigures | None:
        """Return what it counts, None if it stands alone; an RtgfError as `shown`."""


GAUGES: Final[Figures[Seen]] = (
    ("term", "Term of the newest election known here.", lambda one: one.shown.term),
    ("has_leader", "Whether a leader is known here.", lambda one: one.shown.leader is not None),
    (
        "last_index",
        "Newest entry in this node's log of the cluster.",
        lambda one: one.shown.last_index,
    ),
    ("commit_index", "Newest entry known here to be committed.", lambda one: one.shown.commit),
    ("applied_index", "Newest entry applied here.", lambda one: one.shown.applied),
    (
        "staleness_seconds",
        "For how long this node may have missed what others committed.",
        lambda one: one.shown.staleness_seconds,
    ),
    ("waiting", "Commands proposed here and not answered yet.", lambda one: one.figures.waiting),
)
COUNTERS: Final[Figures[Seen]] = (
    ("elections", "Leaders that this node saw come in.", lambda one: one.figures.elections),
    (
        "refused_strangers",
        "Connections refused before it was known which member was there.",
        lambda one: one.figures.strangers,
    ),
)
PEER_GAUGES: Final[Figures[PeerFigures]] = (
    ("connected", "Whether the link to a member stands.", lambda one: one.is_connected),
    ("queued_bytes", "Bytes that wait for a member.", lambda one: one.queued_bytes),
)
PEER_COUNTERS: Final[Figures[PeerFigures]] = (
    ("connects", "Links made to a member.", lambda one: one.connects),
    ("failures", "Links to a member that broke or were not made.", lambda one: one.failures),
    ("cut", "Connections of a member that this node ended.", lambda one: one.cut),
    ("sent_messages", "Messages to a member.", lambda one: one.sent_frames),
    ("sent_bytes", "Bytes of messages to a member.", lambda one: one.sent_bytes),
    (
        "dropped_messages",
        "Messages to a member that were not sent.",
        lambda one: one.dropped_frames,
    ),
    ("received_messages", "Messages of a member.", lambda one: one.received_frames),
    ("received_bytes", "Bytes of messages of a member.", lambda one: one.received_bytes),
)


class ClusterFigures(Collector):
    """Families that have no samples before `watch`, nor on a node that stands alone."""

    def __init__(self) -> None:
        self._place: Place | None = None

    def watch(self, place: Place) -> None:
        """Read this place at each scrape from now on."""
        self._place = place

    def collect(self) -> Iterator[Metric]:
        """Return the families."""
        seen = self._seen()
        for name, text, read in GAUGES:
            yield _family(GaugeMetricFamily, name, text, {(): read(seen)} if seen else {})
        for name, text, read in COUNTERS:
            yield _family(CounterMetricFamily, name, text, {(): read(seen)} if seen else {})
        roles: Values = {}
        if seen is not None:
            roles = {(role,): role == seen.shown.role for role in get_args(Role)}
        yield _family(GaugeMetricFamily, "role", "1 for what this node is.", roles, "role")
        yield from _of_peers(seen.figures.peers if seen else {})
        yield _family(
            GaugeMetricFamily,
            "peer_lag_entries",
            "Committed entries that the leader does not know a member to hold.",
            _lags(seen.shown) if seen else {},
            "peer",
        )

    def _seen(self) -> Seen | None:
        if self._place is None:
            return None
        try:
            figures = self._place.figures()
            return None if figures is None else Seen(self._place.shown(), figures)
        except RtgfError:
            return None


def _of_peers(peers: Mapping[str, PeerFigures]) -> Iterator[Metric]:
    for kind, figures in ((GaugeMetricFamily, PEER_GAUGES), (CounterMetricFamily, PEER_COUNTERS)):
        for name, text, read in figures:
            values: Values = {(peer,): read(one) for peer, one in peers.items()}
            yield _family(kind, f"peer_{name}", text, values, "peer")
    known = peers.items()
    trips: Values = {(peer,): one.rtt_seconds for peer, one in known if one.rtt_seconds is not None}
    yield _family(
        GaugeMetricFamily, "peer_rtt_seconds", "Newest round trip to a member.", trips, "peer"
    )


def _lags(shown: ClusterAnswer) -> Values:
    return {
        (one.name,): max(0, shown.commit - one.match)
        for one in shown.members
        if one.match is not None
    }


def _family(
    kind: type[GaugeMetricFamily | CounterMetricFamily],
    name: str,
    text: str,
    values: Values,
    *labels: str,
) -> Metric:
    family = kind(f"rtgf_raft_{name}", text, labels=labels)
    for which, value in values.items():
        family.add_metric(which, float(value))
    return family
