"""The part of a build that makes tokens from terms: it finds the base that each rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from rtgf_node.core import terms_assembly, terms_document
from rtgf_node.core.assembly import Document
from rtgf_node.core.build_inputs import invalid, read_entries
from rtgf_node.core.manifest import CortTarget, ImtTarget, Inputs, PsrtTarget, RrmtTarget
from rtgf_node.core.sealing import Sealed
from rtgf_node.core.snapshot import ANY_TTL
from rtgf_node.core.terms_document import Subject, TermsDocument
from rtgf_node.errors import Code, RtgfError

TermsTarget: TypeAlias = CortTarget | PsrtTarget | RrmtTarget

ImtOf: TypeAlias = Callable[[ImtTarget], Sealed | None]
"""Makes an IMT of this build; None if one of its sides cannot be built."""


def subject_of(target: TermsTarget) -> Subject:
    """Return what a target's terms are of."""
    match target:
        case CortTarget():
            return Subject("CORT", target.corridor, target.name)
        case PsrtTarget():
            return Subject("PSRT", target.corridor, target.name)
        case RrmtTarget():
            return Subject("RRMT", target.jurisdiction, target.domain)


class TermsBuild:
    """The terms of one build, and the tokens that they rest on.

    Args:
      imt_of: makes an IMT that is built here too.
    """

    def __init__(
        self,
        inputs: Inputs,
        build_id: str,
        held: Mapping[str, bytes],
        bases: Mapping[str, Document],
        imt_of: ImtOf,
    ) -> None:
        self._inputs = inputs
        self._build_id = build_id
        self._imt_of = imt_of
        self._bases = bases
        self._terms = read_terms(inputs, held)
        self._imts = {
            (one.corridor, one.domain): one for one in inputs.targets if isinstance(one, ImtTarget)
        }
        self._corts = {
            subject_of(one): one for one in inputs.targets if isinstance(one, CortTarget)
        }

    def token(self, target: TermsTarget) -> Sealed | None:
        """Return the sealed token of a target; None if what it rests on cannot be built.

        Raises:
          RtgfError: RTGF_MAP_RULE_CONFLICT if its corridor has no rules that both ends can fulfil;
            RTGF_BUILD_SNAPSHOT_INVALID if the terms do not hold when their base does;
            RTGF_INPUT_INVALID if the inputs lack the terms or the base.
        """
        stated = self._terms.get(subject_of(target))
        if stated is None:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"no terms of {subject_of(target)} are among the inputs",
                pointer="/terms",
            )
        base: Document | None = None
        if not isinstance(target, RrmtTarget):
            base = self._base(target, stated)
            if base is None:
                return None
        try:
            return terms_assembly.token(
                target, stated, base, inputs=self._inputs, build_id=self._build_id
            )
        except RtgfError as error:
            raise invalid(stated.id, error) from error

    def _base(self, target: CortTarget | PsrtTarget, stated: TermsDocument) -> Document | None:
        if isinstance(target, CortTarget):
            kind, name = "IMT", target.domain
            made = self._imts.get((target.corridor, target.domain))
            if made is not None:
                imt = self._imt_of(made)
                return imt.document if imt is not None else None
        else:
            kind, name = "CORT", stated.rests_on or ""
            below = self._corts.get(Subject(kind, target.corridor, name))
            if below is not None:
                cort = self.token(below)
                return cort.document if cort is not None else None
        found = self._bases.get(str(Subject(kind, target.corridor, name)))
        if found is None or found["domain"] != target.domain:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"{stated.id} rests on the {kind} {target.corridor} {name} in {target.domain},"
                " which is neither built nor among the parents",
                pointer="/parents",
            )
        return found


def read_terms(inputs: Inputs, held: Mapping[str, bytes]) -> dict[Subject, TermsDocument]:
    """Return the terms that the inputs name; see `read_entries`."""
    return read_entries(
        inputs.terms,
        held,
        # How old a copy may be was settled when it was taken in.
        lambda data: terms_document.read(data, max_ttl_sec=ANY_TTL)[1],
        lambda entry: entry.subject,
        member="terms",
    )
