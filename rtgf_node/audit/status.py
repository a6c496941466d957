"""Hold the status lists against the log: every list follows from the revocations, bit by bit.

A status list is what wallets and libraries read, and nobody else would notice a bit that is wrong.
It is rebuilt here from the revocation events and from the places that the tokens themselves name,
and compared with what each event says of the list after it, and with what is served.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, NoReturn

from rtgf_node.audit.log import Findings, ProvedLog
from rtgf_node.audit.material import Material
from rtgf_node.core import status_list, tokens
from rtgf_node.core.event import Event
from rtgf_node.errors import Code, RtgfError

CHECK: Final = "revocations"


class _Place(NamedTuple):
    """Where a token's status stands: the list's URI and number, and the place in it."""

    uri: str
    number: int
    idx: int


class _State(NamedTuple):
    """A list after a revocation."""

    rev_epoch: int
    digest: str


def check(material: Material, log: ProvedLog, findings: Findings) -> int:
    """Check every status list and return how many agree with the log.

    What does not agree is added to `findings`.
    """
    places = _places(material.tokens.values())
    history = _rebuild(log, places, findings)
    uris = {place.number: place.uri for place in places.values()}
    for number in sorted(uris.keys() - material.status_lists.keys()):
        findings.add(CHECK, f"status list {number}", "tokens name it and it is not served")
    return sum(
        findings.attempt(
            CHECK,
            f"status list {number}",
            _check_list,
            material,
            log,
            number,
            uris.get(number),
            history.get(number, []),
        )
        is not None
        for number in sorted(material.status_lists)
    )


def _places(bodies: Iterable[bytes]) -> dict[str, _Place]:
    """Return the place of each token that can be read; the others are findings already."""
    found: dict[str, _Place] = {}
    for body in bodies:
        try:
            token = tokens.parse(body)
            place = token.revocation.status_list
            found[token.token_id] = _Place(place.uri, status_list.number_of(place.uri), place.idx)
        except RtgfError:
            continue
    return found


def _rebuild(
    log: ProvedLog, places: dict[str, _Place], findings: Findings
) -> dict[int, list[_State]]:
    """Return what the revocations made of each list, one state after the other."""
    lists: dict[int, bytearray] = {}
    history: dict[int, list[_State]] = {}
    for rev_epoch, (_, event) in enumerate(log.events("revocation"), start=1):
        said = _said(event)
        held = places.get(event.subject)
        number = held.number if held is not None else said.get("number")
        idx = held.idx if held is not None else said.get("idx")
        status = status_list.NUMBERS.get(str(event.payload.get("status")))
        if type(number) is not int or type(idx) is not int or status is None:
            findings.add(CHECK, event.subject, "its event does not say what changed in which list")
            continue
        packed = lists.setdefault(number, status_list.empty())
        try:
            status_list.put(packed, idx, status)
        except RtgfError as error:
            findings.add(CHECK, event.subject, error.detail)
            continue
        digest = status_list.digest(packed)
        if said != {"number": number, "idx": idx, "sha256": digest}:
            findings.add(CHECK, event.subject, "its event states another status list than it made")
        history.setdefault(number, []).append(_State(rev_epoch, digest))
    return history


def _check_list(
    material: Material, log: ProvedLog, number: int, uri: str | None, history: list[_State]
) -> bool:
    """Return True for a list that is the log's as of its own revEpoch, and not an old one.

    Raises:
      RtgfError: it is not, or its signature or form is wrong.
    """
    claims, packed = status_list.verify(material.status_lists[number], log.keys, at=material.at)
    leaves = [index for index, _ in log.events("revocation")]
    due = sum(1 for index in leaves if index < material.settled_size)
    if (uri is not None and claims.sub != uri) or status_list.number_of(claims.sub) != number:
        _refuse(f"it calls itself {claims.sub}")
    if not due <= claims.revEpoch <= len(leaves):
        _refuse(f"it reflects {claims.revEpoch} revocations, of {due} to {len(leaves)} in the log")
    if claims.revEpoch < sum(1 for index in leaves if index < claims.treeSize):
        _refuse(f"the first {claims.treeSize} events have more revocations than it reflects")
    newest = [state for state in history if state.rev_epoch <= claims.revEpoch][-1:]
    expected = newest[0].digest if newest else status_list.digest(status_list.empty())
    if status_list.digest(packed) != expected:
        _refuse("its statuses are not what the log's revocations made of it")
    return True


def _said(event: Event) -> dict[str, Any]:
    said = event.payload.get("status_list")
    return said if isinstance(said, dict) else {}


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_GOSSIP_INCONSISTENT, detail)
