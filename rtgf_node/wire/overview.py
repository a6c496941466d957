"""What is said over HTTP of the whole node at once, for who watches it; see `wire`."""

from __future__ import annotations

import msgspec

from rtgf_node.wire import Answer, BuildLine, RevocationEntry, StatusAnswer


class Tally(Answer, frozen=True):
    """A histogram since the process began: `counts[n]` values up to `bounds[n]`, then the rest.

    Attributes:
      bounds: the upper ends, in the unit that the name of the member has.
      counts: one more than bounds; not added up.
      sum: of all values.
    """

    bounds: list[float]
    counts: list[int]
    sum: float

    def quantile(self, share: float) -> float | None:
        """Return the value that this share of all is not above, as near as the bounds tell.

        What lies above the last bound counts as that bound. None for an empty histogram.
        """
        total = sum(self.counts)
        if total <= 0:
            return None
        wanted, passed, low = share * total, 0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and passed + count >= wanted:
                return low + (bound - low) * (wanted - passed) / count
            passed += count
            low = bound
        return low

    def since(self, before: Tally) -> Tally:
        """Return what was counted since an earlier one; all, where its bounds are others."""
        if before.bounds != self.bounds:
            return self
        counts = [now - then for now, then in zip(self.counts, before.counts, strict=True)]
        return Tally(bounds=self.bounds, counts=counts, sum=self.sum - before.sum)


class Figures(Answer, frozen=True):
    """What is counted since the process began; whoever watches makes rates of it.

    Attributes:
      requests: answers by the first digit of their status.
      verdicts: answers of `/verify`: `valid`, or the code for which not.
      request_seconds: time to answer any request.
      verify_ms: time to answer `/verify`.
      loop_lag_seconds: how late a timer of the event loop was.
      appended: entries that the log took.
      in_flight: requests in hand now.
    """

    requests: dict[str, int]
    verdicts: dict[str, int]
    request_seconds: Tally
    verify_ms: Tally
    loop_lag_seconds: Tally
    appended: int
    in_flight: int


class ActorFigures(Answer, frozen=True):
    """An actor: its life, and of its inbox what waits and how long requests took.

    One without an inbox has no `capacity`. `outcomes`, the seconds and `served`, how long each
    request took in seconds, are since the process began.
    """

    name: str
    state: str
    restarts: int
    last_error: str | None
    capacity: int | None = None
    depth: int = 0
    peak: int = 0
    requests: int = 0
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    wait_seconds: float = 0.0
    serve_seconds: float = 0.0
    served: Tally | None = None


class SourceFigures(Answer, frozen=True):
    """A source of snapshots or a list: how it went last, and when it is fetched again.

    `outcome` is null while it was not fetched since the process began; then for a list,
    `seconds_ago` is of what is held.
    """

    name: str
    kind: str
    schedule_seconds: int
    due_in_seconds: int
    outcome: str | None
    detail: str
    seconds_ago: int | None
    subject: str = ""


class Expiry(Answer, frozen=True):
    """A key or a certificate, and when it ends."""

    name: str
    purpose: str
    expires_at: str
    revoked_at: str | None = None


class Disk(Answer, frozen=True):
    """Where the node keeps what it has."""

    free_bytes: int
    total_bytes: int
    store_bytes: int


class Cursors(Answer, frozen=True):
    """How far each stream of events has come: who has read so far need not ask again."""

    log: int
    acts: int
    denials: int


class OverviewAnswer(Answer, frozen=True):
    """`GET /admin/overview`: all that a dashboard's first page shows, of one moment.

    Attributes:
      at: the node's clock.
      caller: who asks, and below the roles of that certificate.
      pending: committed entries that no signed head covers yet.
      waiting: requests for approval that nobody has settled.
      build: the newest build.
    """

    at: str
    caller: str
    roles: list[str]
    status: StatusAnswer
    figures: Figures
    actors: list[ActorFigures]
    sources: list[SourceFigures]
    pending: int
    waiting: int
    build: BuildLine | None
    keys: list[Expiry]
    certificates: list[Expiry]
    disk: Disk
    cursors: Cursors


class PlaceStanding(Answer, frozen=True):
    """The newest tokens of one jurisdiction (RMT) or corridor (IMT), over its domains.

    `in_force`, `withdrawn` and `outside` (of their time) add up to the number of its domains.
    """

    place: str
    in_force: int
    withdrawn: int
    outside: int
    first_expiry: str | None


class CorridorsAnswer(Answer, frozen=True):
    """`GET /admin/corridors`: which corridors stand, and the jurisdictions at their ends."""

    jurisdictions: list[PlaceStanding]
    corridors: list[PlaceStanding]


class RevocationsPage(Answer, frozen=True):
    """`GET /admin/revocations?before=&limit=`: the newest first; `next` is the next `before`."""

    entries: list[RevocationEntry]
    next: int | None
