"""Which CORTs, PSRTs and RRMTs are due, and what they rest on.

One is due when its terms or its base are others than those of the newest issued one, or when that
one has run out. Terms whose base was withdrawn wait for the next base; terms that never had one
are a failure of their own, which stops nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from rtgf_node.actors.messages import Compile
from rtgf_node.core import digests, terms_document, times, tokens
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.terms_document import Subject, TermsDocument
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import Store
from rtgf_node.store.registry_store import Issued
from rtgf_node.store.terms_store import TermsRow
from rtgf_node.wire import Document


class Base(NamedTuple):
    """What terms rest on: a token of this build, or one that was issued before."""

    policy_snapshot_hash: str
    issued: Issued | None


class TermsPlan(NamedTuple):
    """What is due.

    Attributes:
      targets: the tokens to build, each base before what rests on it.
      held: the documents they are made from, by id.
      parents: the tokens issued before that they rest on.
      failures: terms that cannot be built, and why.
    """

    targets: list[Document]
    held: dict[str, TermsRow]
    parents: dict[str, Issued]
    failures: dict[Place, RtgfError]


class TermsPlanner:
    """Looks into the store, on the thread that reads it."""

    def __init__(self, store: Store, kid: Callable[[], str]) -> None:
        self._store = store
        self._kid = kid

    def plan(
        self,
        request: Compile,
        now: int,
        *,
        imts: Mapping[tuple[str, str], Sequence[str]],
        without: Collection[Place],
    ) -> TermsPlan:
        """Return what is due of what `request` asks for.

        Args:
          request: of which jurisdictions and domains.
          now: the instant of issue.
          imts: the IMTs of this build by corridor and domain, each with the snapshots of its ends.
          without: entries that are known to be unbuildable.
        """
        plan = TermsPlan([], {}, {}, {})
        bases: dict[Subject, Base] = {
            Subject("IMT", corridor, domain): Base(digests.of_documents(snapshots), None)
            for (corridor, domain), snapshots in imts.items()
        }
        rows = self._store.terms.in_force()
        for kind in ("RRMT", "CORT", "PSRT"):
            for row in rows:
                if row.type == kind:
                    self._plan_one(row, request, now, plan, bases, without)
        return plan

    def _plan_one(
        self,
        row: TermsRow,
        request: Compile,
        now: int,
        plan: TermsPlan,
        bases: dict[Subject, Base],
        without: Collection[Place],
    ) -> None:
        stated = terms_document.parse(row.body)
        place = Place(str(stated.subject), stated.domain)
        if (
            not _is_asked(stated, request)
            or place in without
            or times.parse(stated.expires_at) <= now
        ):
            return
        base = None
        below = _below(stated)
        if below is not None:
            base = bases.get(below) or self._issued(below, stated.domain, now)
            if base is None:
                if self._store.registry.standing(*below) is None:
                    plan.failures[place] = _baseless(stated, below)
                return
        if not self._is_due(stated, base, now):
            return
        subject = stated.subject
        issue = self._store.registry.last_issue(*subject, stated.version) + 1
        where = "jurisdiction" if below is None else "corridor"
        target: Document = {"type": subject.type, where: subject.place, "domain": stated.domain}
        if below is not None:
            target["name"] = subject.name
        plan.targets.append({**target, "issue": issue})
        plan.held[row.terms_id] = row
        if base is not None:
            bases[subject] = Base(base.policy_snapshot_hash, None)
            if base.issued is not None:
                plan.parents[base.issued.token.token_id] = base.issued

    def _issued(self, subject: Subject, domain: str, now: int) -> Base | None:
        """Return the valid token of this kind, place and name, if it is of this domain."""
        newest = self._store.registry.newest(*subject)
        if newest is None or newest.token.exp < now or not self._is_valid(newest.token.token_id):
            return None
        token = tokens.parse(newest.token.body)
        return Base(token.policy_snapshot_hash, newest) if token.domain == domain else None

    def _is_due(self, stated: TermsDocument, base: Base | None, now: int) -> bool:
        newest = self._store.registry.newest(*stated.subject)
        if newest is None:
            return True
        token = tokens.parse(newest.token.body)
        same_terms = stated.policy_snapshot_hash in token.evidence.inputs
        rests_on = stated.policy_snapshot_hash if base is None else base.policy_snapshot_hash
        if not self._is_valid(token.token_id):
            # Withdrawn on purpose: it takes other terms, or another snapshot below, to come back.
            return not (same_terms and token.policy_snapshot_hash == rests_on)
        if not same_terms or newest.token.exp < now or token.kid != self._kid():
            return True
        parents = [] if base is None else [base.issued and base.issued.token.token_id]
        return list(token.derived_from) != parents

    def _is_valid(self, token_id: str) -> bool:
        return self._store.revocation.status(token_id) == "valid"


def _is_asked(stated: TermsDocument, request: Compile) -> bool:
    return (request.domains is None or stated.domain in request.domains) and (
        request.jurisdictions is None or set(stated.ends) <= set(request.jurisdictions)
    )


def _below(stated: TermsDocument) -> Subject | None:
    """Return what the terms rest on, None for those that rest on nothing."""
    subject = stated.subject
    if subject.type == "CORT":
        return Subject("IMT", subject.place, stated.domain)
    if subject.type == "PSRT":
        return Subject("CORT", subject.place, stated.rests_on or "")
    return None


def _baseless(stated: TermsDocument, below: Subject) -> RtgfError:
    missing = RtgfError(
        Code.RTGF_BUILD_SNAPSHOT_INVALID,
        f"{stated.id} rests on {below}, and no such token was ever issued; take in what it is made"
        " from, and build again",
        pointer="/corridor" if below.type == "IMT" else "/rests_on",
    )
    return RtgfError(
        Code.RTGF_PIPELINE_SNAPSHOT_FAIL, f"{stated.id} cannot be built", causes=(missing,)
    )
