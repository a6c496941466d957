"""`rtgf decisions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from cyclopts import Parameter

from rtgf_node.cli import connection, output, pinned
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.pinned import RootKey
from rtgf_node.client import Node
from rtgf_node.core import decision, event
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.decision import Interval
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire.decisions import DecisionEntry, DecisionPage, DecisionRestartRequest

PAGE = 1000
"""Entries asked for at a time when all are read."""


class Proved(msgspec.Struct, frozen=True):
    """A decision that the log proves, and by what."""

    entry: DecisionEntry
    event_id: str
    interval: Interval
    leaf_index: int
    tree_size: int
    root_hash: str


class Checked(msgspec.Struct, frozen=True):
    """What a check of the whole chain found in order."""

    first: int
    last: int
    proved_to: int
    intervals: int


def decisions(
    *,
    since: Annotated[int, Parameter(help="Show what follows this number.")] = 0,
    limit: Annotated[int, Parameter(help="Show so many at most, up to 1000.")] = 100,
    request_id: Annotated[
        str | None, Parameter(help="Show the answers with this X-Request-ID.")
    ] = None,
    prove: Annotated[
        int | None, Parameter(help="Prove the decision with this number, down to the root key.")
    ] = None,
    check: Annotated[
        bool, Parameter(negative="", help="Read all, and prove every interval that is logged.")
    ] = False,
    restart: Annotated[
        str | None,
        Parameter(help="Why a broken chain is to go on without its past; as approver."),
    ] = None,
    root_key: RootKey = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Show what the node answered to /verify and /evaluate, and prove it.

    What is shown is checked here: every entry holds the hash of the one before it, and a proof
    leads from the entry to the root of its interval, from there to the log's signed tree, and from
    its key to the pinned root key. Where it runs: anywhere that reaches the node, over HTTPS as
    operator or auditor. Exit code 0, 13 if something does not hold, 66 not found (a decision is
    provable about a minute after it was given).

    Examples:
      rtgf decisions --request-id 7f0c5d1e
      rtgf decisions --prove 4711 --json
      rtgf decisions --check
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key, approver=restart is not None) as node:
        if restart is not None:
            done = node.restart_decisions(DecisionRestartRequest(reason=restart))
            output.result(
                done, f"a new chain begins; the old file is {done['kept']}", as_json=as_json
            )
            return 0
        if prove is not None or check:
            root_public = pinned.root_key(root_key or told.keys.root_public)
            keys = pinned.log_keys(node, root_public=root_public)
            if prove is not None:
                proved = prove_one(node, prove, verifier_keys=keys)
                output.result(proved, _proved_text(proved), as_json=as_json)
            else:
                checked = check_all(node, verifier_keys=keys)
                output.result(checked, _checked_text(checked), as_json=as_json)
            return 0
        page = node.decisions(since=since, limit=limit, request_id=request_id)
    if request_id is None:
        decision.check_links(page.entries)
    output.result(page, _page_text(page), as_json=as_json)
    return 0


def prove_one(node: Node, seq: int, *, verifier_keys: Sequence[str]) -> Proved:
    """Fetch the proof of a decision and check it here.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID or the code of the step that does not hold.
    """
    proof = node.decision_proof(seq)
    if proof.entry.seq != seq:
        raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, f"the proof is of {proof.entry.seq}")
    signed = decision.verify_proof(proof, verifier_keys=verifier_keys)
    return Proved(
        entry=proof.entry,
        event_id=proof.bundle.eventId,
        interval=decision.read_root(event.parse(canonical_bytes(proof.event))),
        leaf_index=proof.bundle.leafIndex,
        tree_size=signed.size,
        root_hash=f"sha256:{signed.root.hex()}",
    )


def check_all(node: Node, *, verifier_keys: Sequence[str]) -> Checked:
    """Read every decision; prove that they follow each other, and each interval by its root.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID naming the first that does not hold.
    """
    page = node.decisions(limit=PAGE)
    first = page.entries[0].seq if page.entries else 0
    last: DecisionEntry | None = None
    open_: list[bytes] = []
    logged: Interval | None = None
    intervals, proved_to = 0, 0
    while page.entries:
        decision.check_links([*([last] if last is not None else []), *page.entries])
        for entry in page.entries:
            if logged is None and entry.seq <= page.logged_to:
                logged = prove_one(node, entry.seq, verifier_keys=verifier_keys).interval
            if logged is None:
                continue
            open_.append(decision.entry_hash(entry))
            if entry.seq >= logged.last_seq:
                _check_interval(logged, open_)
                open_, intervals, proved_to = [], intervals + 1, logged.last_seq
                logged = None
        last = page.entries[-1]
        if page.next is None:
            break
        page = node.decisions(since=page.next, limit=PAGE)
    if logged is not None:
        _check_interval(logged, open_)
    return Checked(first, last.seq if last is not None else 0, proved_to, intervals)


def _check_interval(logged: Interval, hashes: Sequence[bytes]) -> None:
    """Hold the entries that were read against a root that was proved to be in the log."""
    if (decision.root_of(hashes), len(hashes)) != (logged.root, logged.count):
        raise RtgfError(
            Code.RTGF_TXP_PROOF_INVALID,
            f"decisions {logged.first_seq} to {logged.last_seq} are not those that were logged",
        )


def _page_text(page: DecisionPage) -> str:
    rows = [
        (
            entry.seq,
            entry.at,
            entry.route,
            _verdict(entry),
            entry.decision,
            entry.client,
            entry.request_id,
            " ".join(entry.tokens),
        )
        for entry in page.entries
    ]
    shown = output.table(
        ("no.", "at", "route", "verdict", "decision", "client", "request id", "tokens"),
        rows,
        none="no such answer was given",
    )
    more = f"; more after {page.next}: --since {page.next}" if page.next is not None else ""
    return f"{shown}\n\nnewest {page.newest}, provable up to {page.logged_to}{more}"


def _verdict(entry: DecisionEntry) -> str | None:
    return "valid" if entry.valid else entry.reason


def _proved_text(proved: Proved) -> str:
    entry = proved.entry
    return "\n".join(
        [
            f"decision  {entry.seq} of {entry.at}  {entry.route}  {_verdict(entry) or ''}"
            f"  {entry.decision or ''}".rstrip(),
            f"request   {entry.request_id}  {entry.request_digest}",
            f"answer    {entry.answer_digest}",
            *(f"token     {token}" for token in entry.tokens),
            f"interval  decisions {proved.interval.first_seq} to {proved.interval.last_seq}",
            f"event     {proved.event_id}",
            f"leaf      {proved.leaf_index} of {proved.tree_size}",
            f"signed    the checkpoint with {proved.root_hash} is signed by the log's key",
            "PROVED    the log holds this decision",
        ]
    )


def _checked_text(checked: Checked) -> str:
    if not checked.last:
        return "nothing was decided yet"
    return "\n".join(
        [
            f"decisions {checked.first} to {checked.last} follow each other without a gap",
            *(
                ["earlier ones are not here: the log says who began anew, and why"]
                if checked.first > 1
                else []
            ),
            f"PROVED    {checked.intervals} intervals, up to decision {checked.proved_to}",
        ]
    )
