"""From snapshots and lists to unsigned tokens and their manifest: the same inputs, the same bytes.

Every input is named by its digest and checked against it before anything is compiled. No clock, no
randomness and no environment is read, so that anyone who holds the inputs can do it again. A build
is all or nothing, but for a corridor whose two sides cannot both be fulfilled: that one gets no
token and is listed with the reason, and the rest goes on.

A build can be made in pieces, by as many processes as one likes: each piece is some of the targets,
and `finish` puts them together to the same bytes, however they were cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from rtgf_node.core import (
    assembly,
    canonical_json,
    digests,
    identifiers,
    manifest,
    times,
    tokens,
)
from rtgf_node.core.assembly import Document
from rtgf_node.core.build_inputs import Place, invalid, read_parents, read_snapshots, rmt_targets
from rtgf_node.core.build_output import (
    NOTES,
    BuildOutput,
    Note,
    Part,
    UnbuildableError,
    finish,
    unsatisfiable,
)
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.manifest import (
    DatasetInput,
    ImtTarget,
    Inputs,
    RmtTarget,
    RrmtTarget,
    Target,
)
from rtgf_node.core.policy import corridor, predicates
from rtgf_node.core.policy.predicates import CompiledPolicy
from rtgf_node.core.policy.side import Side
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.scenarios import Examination
from rtgf_node.core.sealing import Sealed
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.core.terms_build import TermsBuild, subject_of
from rtgf_node.errors import Code, RtgfError

__all__ = [
    "ITSELF",
    "NOTES",
    "Build",
    "BuildOutput",
    "Note",
    "Part",
    "UnbuildableError",
    "build",
    "finish",
    "scope_hash",
]

ITSELF: Final = -1
"""In place of a target's number: the entry's own RMT cannot be made, wherever it is needed."""


def scope_hash(snapshots: Iterable[Snapshot], contents: Iterable[str], library_digest: str) -> str:
    """Return the digest of all that a token's content follows from; another one means: build.

    Args:
      snapshots: the snapshot of an RMT, or the two that an IMT rests on.
      contents: the content digests of their lists.
      library_digest: the predicate library.
    """
    return digests.of_documents(assembly.scope_digests(snapshots, contents, library_digest))


def build(
    inputs: Document,
    *,
    snapshots: Mapping[str, bytes],
    parents: Mapping[str, bytes],
    library: Library,
    datasets: Mapping[str, NameIndex],
    terms: Mapping[str, bytes] = MappingProxyType({}),
) -> BuildOutput:
    """Return the unsigned tokens and the manifest of one build.

    Args:
      inputs: the inputs part of the manifest.
      snapshots: the snapshots' bytes by id.
      parents: issued tokens' bytes by token id.
      library: the predicate library.
      datasets: name indexes by content digest; one is asked for only when a scenario screens.
      terms: the terms documents' bytes by id.

    Raises:
      UnbuildableError: RTGF_BUILD_SNAPSHOT_INVALID with its causes, RTGF_SANCTIONS_HASH_MISMATCH or
        RTGF_SANCTIONS_FETCH_FAILED for a list that is not the pinned one or not there, or
        RTGF_PIPELINE_QA_FAIL for a scenario that comes out wrong.
      RtgfError: RTGF_INPUT_INVALID, RTGF_BUILD_HASH_MISMATCH or RTGF_BUILD_SNAPSHOT_INVALID: the
        inputs are not what they say, and nothing can be built from them.
    """
    made = Build(inputs, snapshots, parents, library, datasets, terms)
    part = made.make(range(len(made.inputs.targets)))
    if made.failures:
        raise UnbuildableError(made.failures)
    listed = {name: digests.sha256(content) for name, content in part.artefacts.items()}
    whole, notes = finish(inputs, listed, part.notes)
    return BuildOutput(whole, dict(sorted({**part.artefacts, **notes}.items())))


class Build:
    """One build under way: its checked inputs, and the RMTs that it has made so far.

    Attributes:
      inputs: what is to be built.
      failures: why entries that were needed cannot be built, each with the number of the target
        that showed it.
    """

    def __init__(
        self,
        document: Document,
        snapshots: Mapping[str, bytes],
        parents: Mapping[str, bytes],
        library: Library,
        datasets: Mapping[str, NameIndex],
        terms: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self.inputs: Final[Inputs] = manifest.read_inputs(document)
        self.failures: dict[tuple[Place, int], RtgfError] = {}
        self._build_id = manifest.build_id(document)
        self._library = library
        self._check_library()
        self._snapshots = read_snapshots(self.inputs, snapshots)
        self._lists = {each.dataset: each for each in self.inputs.datasets}
        self._parents = read_parents(self.inputs, parents)
        self._terms = TermsBuild(self.inputs, self._build_id, terms, self._parents.bases, self._imt)
        self._rmts: dict[Place, tuple[Sealed, CompiledPolicy]] = {}
        self._sides: dict[Place, Side] = {}
        self._targets = rmt_targets(self.inputs)
        self._issued_at = times.parse(self.inputs.issued_at)
        self._examination = Examination(datasets)

    def make(self, numbers: Iterable[int]) -> Part:
        """Return what comes of the targets with these numbers.

        A target that cannot be built, or that rests on one, is left out; `failures` says why.
        """
        part = Part({}, [])
        for number in numbers:
            target = self.inputs.targets[number]
            try:
                if isinstance(target, RmtTarget):
                    self._add_rmt(part, number, target)
                elif isinstance(target, ImtTarget):
                    self._add_imt(part, number, target)
                elif (token := self._terms.token(target)) is not None:
                    part.add(token)
            except RtgfError as error:
                self._note(part, number, target, error)
        return part

    def _note(self, part: Part, number: int, target: Target, error: RtgfError) -> None:
        """Note why a target gets no token, where that is no reason to build nothing."""
        terms = None if isinstance(target, RmtTarget | ImtTarget) else str(subject_of(target))
        if error.code is Code.RTGF_MAP_RULE_CONFLICT and not isinstance(
            target, RmtTarget | RrmtTarget
        ):
            content = unsatisfiable(target.corridor, target.domain, error)
            if terms is not None:
                content["terms"] = terms
            part.notes.append(Note(number, "unsatisfiable.json", content))
        elif error.code is Code.RTGF_BUILD_SNAPSHOT_INVALID and terms is not None:
            self.failures[Place(terms, target.domain), number] = error
        else:
            raise error

    def _check_library(self) -> None:
        for member, stated, computed in (
            ("library_digest", self.inputs.library_digest, self._library.digest),
            (
                "catalogue_digest",
                self.inputs.catalogue_digest,
                manifest.catalogue_digest(self._library),
            ),
            ("schema_version", self.inputs.schema_version, tokens.SCHEMA_VERSION),
        ):
            if stated != computed:
                raise RtgfError(
                    Code.RTGF_BUILD_HASH_MISMATCH,
                    f"the inputs name {stated}, here is {computed}; build with the stated one",
                    pointer=f"/{member}",
                )

    def _add_rmt(self, part: Part, number: int, target: RmtTarget) -> None:
        place = Place(target.jurisdiction, target.domain)
        made = self._rmt(place, target)
        if made is None:
            return
        token, policy = made
        part.add(token)
        part.artefacts[f"policy_token_map/{place.name}-{place.domain}.json"] = (
            canonical_json.canonical_bytes([*policy.policy_token_map])
        )
        snapshot_id = self._snapshots[place].id
        for review in policy.manual_review:
            content = {**review, "snapshot": snapshot_id}
            part.notes.append(Note(number, "manual_review.json", content))

    def _rmt(self, place: Place, target: RmtTarget) -> tuple[Sealed, CompiledPolicy] | None:
        """Return the RMT of a target, made when it is first needed; None if it cannot be built."""
        if place not in self._rmts and (place, ITSELF) not in self.failures:
            held = self._snapshots.get(place)
            if held is None:
                raise RtgfError(
                    Code.RTGF_BUILD_SNAPSHOT_INVALID,
                    f"no snapshot of {place.name} {place.domain} is among the inputs",
                    pointer="/snapshots",
                )
            try:
                self._rmts[place] = self._make_rmt(target, held)
            except RtgfError as error:
                self.failures[place, ITSELF] = error
        return self._rmts.get(place)

    def _make_rmt(self, target: RmtTarget, held: Snapshot) -> tuple[Sealed, CompiledPolicy]:
        lists = self._lists_of(held)
        policy = self._compiled(held)
        token = assembly.rmt(
            target, held, policy, lists, inputs=self.inputs, build_id=self._build_id
        )
        self._examination.examine(held, token.document)
        return token, policy

    def _compiled(self, held: Snapshot) -> CompiledPolicy:
        if times.parse(held.expires_at) <= self._issued_at:
            raise RtgfError(
                Code.RTGF_BUILD_SNAPSHOT_INVALID,
                f"{held.id} expired at {held.expires_at}; ask its authority for the next",
            )
        try:
            return predicates.compile_snapshot(held, self._library, waived=self._waived(held))
        except RtgfError as error:
            raise invalid(held.id, error) from error

    def _waived(self, held: Snapshot) -> set[str]:
        """Return the clauses that an approver lets pass though no template serves them."""
        return {
            clause_id
            for each in self.inputs.waivers
            if each.policy_snapshot_hash == held.policy_snapshot_hash
            for clause_id in each.clause_ids
        }

    def _lists_of(self, held: Snapshot) -> list[DatasetInput]:
        """Return the versions of the lists that the snapshot rests on; all must be there."""
        found: list[DatasetInput] = []
        for source in held.evidence_sources:
            given = self._lists.get(source.dataset)
            if given is None:
                raise RtgfError(
                    Code.RTGF_SANCTIONS_FETCH_FAILED,
                    f"{held.id} rests on the list {source.dataset!r}, which is not among the"
                    " inputs; fetch it first",
                    pointer="/datasets",
                )
            if source.provider != given.provider:
                raise RtgfError(
                    Code.RTGF_SANCTIONS_FETCH_FAILED,
                    f"{held.id} rests on {source.dataset!r} of {source.provider!r}, the inputs hold"
                    f" that of {given.provider!r}; take in the list of the stated provider",
                    pointer="/datasets",
                )
            if source.pin is not None and source.pin.content_sha256 != given.content_sha256:
                raise RtgfError(
                    Code.RTGF_SANCTIONS_HASH_MISMATCH,
                    f"{held.id} pins {source.dataset!r} to {source.pin.content_sha256}, the inputs"
                    f" hold {given.content_sha256}; take in the pinned version",
                    pointer="/datasets",
                )
            found.append(given)
        return sorted(found, key=lambda each: (each.dataset, each.content_sha256))

    def _imt(self, target: ImtTarget) -> Sealed | None:
        """Return the IMT of a target; None if one of its sides cannot be built.

        Raises:
          RtgfError: RTGF_MAP_RULE_CONFLICT if the two sides cannot both be fulfilled.
        """
        a, b = (self._side(place, target) for place in _ends(target))
        if a is None or b is None:
            return None
        merged = corridor.between(a, b, corridor=target.corridor)
        return assembly.imt(
            target, a.token, b.token, merged, inputs=self.inputs, build_id=self._build_id
        )

    def _add_imt(self, part: Part, number: int, target: ImtTarget) -> None:
        token = self._imt(target)
        if token is None:
            return
        document = token.document
        if not self._examined(_ends(target), document, number, target.corridor):
            return
        part.add(token)
        if document["effective_conflicts"]:
            content = {
                "corridor": target.corridor,
                "domain": target.domain,
                "token_id": document["token_id"],
                "effective_conflicts": document["effective_conflicts"],
            }
            part.notes.append(Note(number, "conflicts.json", content))

    def _examined(
        self, places: Iterable[Place], document: Document, number: int, corridor: str
    ) -> bool:
        """Run what the snapshots of both ends say of this corridor."""
        passed = True
        for place in places:
            held = self._snapshots.get(place)
            if held is None:
                continue
            try:
                self._examination.examine(held, document, corridor=corridor)
            except RtgfError as error:
                self.failures[place, number] = error
                passed = False
        return passed

    def _side(self, place: Place, target: ImtTarget) -> Side | None:
        """Return the RMT of one end of a corridor; None if it cannot be built."""
        if place not in self._sides:
            token = self._token_of(place, target)
            if token is None:
                return None
            self._sides[place] = Side(token)
        return self._sides[place]

    def _token_of(self, place: Place, target: ImtTarget) -> Document | None:
        due = self._targets.get(place)
        if due is not None:
            made = self._rmt(place, due)
            return made[0].document if made is not None else None
        found = self._parents.rmts.get(place)
        if found is None:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"{target.corridor} {target.domain} needs the RMT of {place.name}, which is"
                " neither built nor among the parents",
                pointer="/parents",
            )
        return found


def _ends(target: ImtTarget) -> list[Place]:
    names = identifiers.corridor(target.corridor).split("-")
    return [Place(name, target.domain) for name in names]
