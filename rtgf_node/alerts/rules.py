"""The rules: from what one look sees to the alerts that it speaks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rtgf_node.alerts.seen import Past, Seen

ERROR_BUDGET: Final = 0.0005
"""Of the answers in a month: what 99.95 % leaves."""

BURNS: Final = ((3600, 300, 14.4), (6 * 3600, 1800, 6.0))
"""Long window, short window, and how many times faster than a month's budget lasts both burn."""

FEWEST_FAILURES: Final = 5
"""In the short window: one failure among few answers is no burn."""

SLOW_SHARE: Final = 0.05
"""What a P95 leaves."""

SLOW_SECONDS: Final = 300
BUILD_SECONDS: Final = 3600
"""The windows in which slow answers and slow builds are counted."""

FEWEST_ANSWERS: Final = 20
"""In such a window: fewer have no P95."""

EVENT_SECONDS: Final = 900
"""For so long is said what happens in a moment, such as a restart."""

HEAD_SECONDS: Final = 300
"""From an entry to the signed head over it, at most."""

LOW_DISK: Final = 0.10
"""Of the disk free: below it an operator has days, not weeks."""

CHECKS: Final = {
    "actors": "actor_restarting",
    "builds": "build_unpublished",
    "cluster": "member_lost",
    "dataset": "list_stale",
    "decisions": "decisions_unrecorded",
    "keys": "key_expiring",
    "log": "head_late",
    "peer_log": "neighbour_missing",
    "verifier": "revocation_stale",
    "webhook": "webhook_behind",
    "witnesses": "neighbour_missing",
    "workers": "actor_restarting",
}
"""The alert for each kind of readiness check that does not pass."""

TOLD_OTHERWISE: Final = frozenset({"intake", "forks"})
"""The other kinds: their causes are seen themselves."""


def judge(seen: Seen, past: Past, at: int) -> dict[str, str]:
    """Return which alerts this look speaks for, each with words for an operator."""
    found: dict[str, list[str]] = {}
    for name, words in _all(seen, past, at):
        found.setdefault(name, []).append(words)
    if "append_violation" in found or "gossip_inconsistency" in found:
        # Nothing is signed then, and that is why.
        found.pop("head_late", None)
    if "no_leader" in found:
        found.pop("member_lost", None)
    return {name: "; ".join(words) for name, words in found.items()}


def _all(seen: Seen, past: Past, at: int) -> Iterator[tuple[str, str]]:
    yield from _log(seen)
    yield from _checks(seen)
    yield from _counts(seen, past, at)
    if seen.leaderless:
        yield "no_leader", "no member says that it leads"
    told = (
        ("member_lost", seen.lost_members),
        ("certificate_expiring", seen.ending),
        ("source_failed", seen.failed_sources),
        ("snapshot_stale", seen.unread_sources),
        ("revocation_burst", seen.bursts),
    )
    for name, words in told:
        yield from ((name, word) for word in words)
    if seen.failed_build is not None:
        yield "build_failed", seen.failed_build
    if seen.free_share < LOW_DISK:
        yield "disk_low", f"{seen.free_share:.0%} of the disk is free"
    if seen.undelivered is not None:
        yield "alert_suppressed", seen.undelivered


def _log(seen: Seen) -> Iterator[tuple[str, str]]:
    if seen.damage is not None:
        yield "append_violation", seen.damage
    for finding in seen.findings:
        yield "gossip_inconsistency", finding
    if seen.head_fault is not None:
        yield "root_signature_invalid", seen.head_fault
    if seen.pending and seen.head_age is not None and seen.head_age > HEAD_SECONDS:
        yield "head_late", f"{seen.pending} entries wait, the head is {seen.head_age} s old"


def _checks(seen: Seen) -> Iterator[tuple[str, str]]:
    for check in seen.checks:
        kind, _, which = check.name.partition(":")
        if not check.ok and kind in CHECKS:
            yield CHECKS[kind], f"{which}: {check.detail}" if which else check.detail


def _counts(seen: Seen, past: Past, at: int) -> Iterator[tuple[str, str]]:
    for long, short, factor in BURNS:
        new, whole = past.within(short, at), past.within(long, at)
        limit = factor * ERROR_BUDGET
        if (
            new.failed >= FEWEST_FAILURES
            and new.failed > limit * new.answered
            and whole.failed > limit * whole.answered
        ):
            yield "availability", f"{new.failed} of {new.answered} answers failed in {short} s"
            break
    new, builds = past.within(SLOW_SECONDS, at), past.within(BUILD_SECONDS, at)
    slow = (
        ("verify_slow", new.verified_slowly, new.verified, FEWEST_ANSWERS),
        ("proof_slow", new.slow_proofs, new.proofs, FEWEST_ANSWERS),
        ("build_slow", builds.slow_builds, builds.builds, 1),
    )
    for name, count, of, fewest in slow:
        if of >= fewest and count > SLOW_SHARE * of:
            yield name, f"{count} of {of}"
    lately = past.within(EVENT_SECONDS, at)
    if lately.unsigned:
        yield "signing_failing", f"{lately.unsigned} tries failed"
    if lately.restarts:
        yield "actor_restarting", f"crashed since the node began: {'; '.join(seen.restarted)}"
    if lately.lines_lost:
        yield "audit_lines_lost", f"{lately.lines_lost} lines"
