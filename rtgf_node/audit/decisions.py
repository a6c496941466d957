"""Hold the roots of decisions in the log against each other, and the decisions against them.

The roots alone show that no interval is missing. That the decisions are those that were given
shows only to whoever may read them: the node's auditors, and whoever holds a copy of its folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from rtgf_node.audit.log import Findings, ProvedLog
from rtgf_node.audit.material import TRY_AGAIN
from rtgf_node.client import Node
from rtgf_node.core import decision, merkle
from rtgf_node.core.decision import GENESIS, Interval
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.decision_store import DATABASE, MAX_PAGE, DecisionReader
from rtgf_node.wire.decisions import DecisionEntry

CHECK: Final = "decisions"

_EMPTY_ROOT: Final = f"sha256:{merkle.EMPTY_ROOT.hex()}"


class Decided(msgspec.Struct, frozen=True):
    """What was looked at.

    Attributes:
      roots: roots of intervals that the log holds.
      entries: decisions that were read; None if nobody showed them.
      begun_anew: where a chain goes on without its past, and why, as the log itself says.
    """

    roots: int
    entries: int | None
    begun_anew: list[str]


def from_node(node: Node) -> Iterable[DecisionEntry] | None:
    """Return the decisions as the node lists them; None if this client may not read them.

    Raises:
      RtgfError: RTGF_UNREACHABLE, or what the node answers.
    """
    try:
        first = node.decisions(limit=MAX_PAGE)
    except RtgfError as error:
        if error.code in {Code.RTGF_UNAUTHENTICATED, Code.RTGF_FORBIDDEN}:
            return None
        raise

    def entries() -> Iterator[DecisionEntry]:
        page, since = first, 0
        yield from page.entries
        while page.next is not None and page.next > since:
            since = page.next
            page = node.decisions(since=since, limit=MAX_PAGE)
            yield from page.entries

    return entries()


def chain_of_node(node: Node) -> str | None:
    """Return what the node says that its decisions are a chain of; None if it does not say.

    Raises:
      RtgfError: as `from_node`.
    """
    try:
        return node.decisions(limit=1).chain or None
    except RtgfError as error:
        if error.code in {Code.RTGF_UNAUTHENTICATED, Code.RTGF_FORBIDDEN}:
            return None
        raise


def from_folder(folder: Path) -> Iterable[DecisionEntry]:
    """Return the decisions that are kept in a node's data folder, or in a copy of it.

    Raises:
      RtgfError: RTGF_NOT_FOUND if there are none.
    """
    if not (folder / DATABASE).is_file():
        raise RtgfError(
            Code.RTGF_NOT_FOUND, f"{folder} holds no {DATABASE}; give the node's data folder"
        )
    reader = DecisionReader(folder / DATABASE)

    def entries() -> Iterator[DecisionEntry]:
        since = 0
        while page := [decision.read_entry(body) for body in reader.page(since, MAX_PAGE)]:
            yield from page
            since = max(page[-1].seq, since + 1)

    return entries()


def check(
    log: ProvedLog,
    entries: Iterable[DecisionEntry] | None,
    findings: Findings,
    chain: str | None = None,
) -> Decided:
    """Check all roots, and `entries` if they are shown; what does not hold is a finding.

    `chain` is what whoever shows the entries says that they are of; without it, the issuer's.

    Raises:
      RtgfError: reading `entries` says nothing about what they are: the node was not reached.
    """
    chains: dict[str, list[Interval]] = {}
    for index, event in log.events(decision.EVENT_TYPE):
        leaf = f"leaf {index}"
        interval = findings.attempt(CHECK, leaf, decision.read_root, event)
        if interval is not None:
            held = chains.setdefault(event.subject, [])
            _check_place(interval, held[-1].last_seq if held else 0, leaf, findings)
            held.append(interval)
    read = None
    if entries is not None:
        issuer = next((event.subject for _, event in log.events("jwks_publish")), "")
        chain = chain or issuer
        if chain.partition("#")[0] != issuer:
            findings.add(CHECK, chain, f"a chain of decisions of another issuer than {issuer}")
        read = _check_entries(chains.get(chain, []), entries, findings)
    return Decided(
        roots=sum(map(len, chains.values())),
        entries=read,
        begun_anew=[
            f"after decision {one.last_seq}: {one.begun_anew}"
            for held in chains.values()
            for one in held
            if one.begun_anew is not None
        ],
    )


def _check_place(interval: Interval, end: int, leaf: str, findings: Findings) -> None:
    if interval.first_seq != end + 1:
        findings.add(
            CHECK,
            leaf,
            f"its decisions begin at {interval.first_seq}, those that were logged end at {end}",
        )
    empty = (interval.count, interval.root, interval.head) == (0, _EMPTY_ROOT, GENESIS)
    if (interval.begun_anew is not None) != empty or (interval.count == 0) != empty:
        findings.add(CHECK, leaf, "it is of no decisions and does not say why, or the reverse")


def _check_entries(
    chain: list[Interval], entries: Iterable[DecisionEntry], findings: Findings
) -> int:
    """Hold the decisions against the roots since the chain was last begun anew."""
    anew = max((at for at, one in enumerate(chain) if one.begun_anew is not None), default=-1)
    due = iter(chain[anew + 1 :])
    end, head = (chain[anew].last_seq, chain[anew].head) if anew >= 0 else (0, GENESIS)
    count, held = 0, list[DecisionEntry]()
    interval = next(due, None)
    try:
        for entry in entries:
            count += 1
            while interval is not None and entry.seq > interval.last_seq:
                _check_interval(interval, head, held, findings)
                end, head, held = interval.last_seq, interval.head, []
                interval = next(due, None)
            if interval is None and len(held) == MAX_PAGE:
                _check_open(end, head, held, findings)
                end, head = held[-1].seq, f"sha256:{decision.entry_hash(held[-1]).hex()}"
                held = []
            held.append(entry)
    except RtgfError as error:
        if error.code in TRY_AGAIN:
            raise
        findings.add(CHECK, f"after decision {end + len(held)}", f"they are not shown: {error}")
        return count
    while interval is not None:
        _check_interval(interval, head, held, findings)
        end, head, held = interval.last_seq, interval.head, []
        interval = next(due, None)
    _check_open(end, head, held, findings)
    return count


def _check_interval(
    interval: Interval, head: str, held: list[DecisionEntry], findings: Findings
) -> None:
    """The decisions of an interval are all there, follow `head`, and have the logged root."""
    problem = _broken(head, interval.first_seq - 1, held)
    hashes = [decision.entry_hash(entry) for entry in held]
    if len(held) < interval.count:
        problem = problem or f"only {len(held)} of {interval.count} are shown"
    elif problem is None and f"sha256:{hashes[-1].hex()}" != interval.head:
        problem = "the last is not the one that the log names"
    if problem is None and decision.root_of(hashes) != interval.root:
        problem = "they do not have the root that the log holds"
    if problem is not None:
        findings.add(CHECK, f"decisions {interval.first_seq} to {interval.last_seq}", problem)


def _check_open(end: int, head: str, held: list[DecisionEntry], findings: Findings) -> None:
    """Decisions that no root covers yet follow each other."""
    if problem := _broken(head, end, held):
        findings.add(CHECK, f"after decision {end}", problem)


def _broken(head: str, end: int, entries: list[DecisionEntry]) -> str | None:
    """Return where entries do not follow decision `end`, which has the hash `head`, or each other.

    The last entry of an interval is compared with the root's word of it, not here.
    """
    if not entries:
        return None
    if entries[0].seq != end + 1:
        return f"decision {end + 1} is not shown; {entries[0].seq} comes in its place"
    if entries[0].prev != head:
        return f"decision {end + 1} does not follow the one before it, as the log holds that one"
    try:
        decision.check_links(entries)
    except RtgfError as error:
        return error.detail
    return None
