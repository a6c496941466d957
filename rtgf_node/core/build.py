"""From snapshots and lists to unsigned tokens and their manifest: the same inputs, the same bytes.

Every input is named by its digest and checked against it before anything is compiled. No clock, no
randomness and no environment is read, so that anyone who holds the inputs can do it again. A build
is all or nothing, but for a corridor whose two sides cannot both be fulfilled: that one gets no
token and is listed with the reason, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from rtgf_node.core import (
    assembly,
    canonical_json,
    digests,
    identifiers,
    manifest,
    snapshot,
    times,
    tokens,
)
from rtgf_node.core.assembly import Document
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.manifest import DatasetInput, ImtTarget, Inputs, RmtTarget
from rtgf_node.core.policy import corridor, predicates
from rtgf_node.core.policy.predicates import CompiledPolicy
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.scenarios import Examination
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.errors import Code, RtgfError


class BuildOutput(Struct, frozen=True):
    """What a build gave.

    Attributes:
      manifest: the canonical manifest.
      artefacts: the files by name; `tokens/<type>/<slug>.json` are the unsigned tokens.
    """

    manifest: bytes
    artefacts: dict[str, bytes]

    def unsatisfiable(self) -> list[dict[str, Any]]:
        """Return the corridors that got no token: `{corridor, domain, code, detail, ...}`."""
        listed: Any = canonical_json.parse(self.artefacts["unsatisfiable.json"])
        return list(listed)


class _Place(NamedTuple):
    """A jurisdiction, or a corridor, in a domain."""

    name: str
    domain: str


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
) -> BuildOutput:
    """Return the unsigned tokens and the manifest of one build.

    Args:
      inputs: the inputs part of the manifest.
      snapshots: the snapshots' bytes by id.
      parents: issued RMTs' bytes by token id.
      library: the predicate library.
      datasets: name indexes by content digest; one is asked for only when a scenario screens.

    Raises:
      RtgfError: RTGF_INPUT_INVALID, RTGF_BUILD_HASH_MISMATCH, RTGF_BUILD_SNAPSHOT_INVALID with its
        causes, RTGF_SANCTIONS_HASH_MISMATCH or RTGF_SANCTIONS_FETCH_FAILED for a list that is not
        the pinned one or not there, or RTGF_PIPELINE_QA_FAIL for a scenario that comes out wrong.
    """
    return _Build(inputs, snapshots, parents, library, datasets).run()


class _Build:
    """One build under way: its checked inputs, and what it has made so far."""

    def __init__(
        self,
        document: Document,
        snapshots: Mapping[str, bytes],
        parents: Mapping[str, bytes],
        library: Library,
        datasets: Mapping[str, NameIndex],
    ) -> None:
        self._document = document
        self._inputs: Inputs = manifest.read_inputs(document)
        self._build_id = manifest.build_id(document)
        self._library = library
        self._check_library()
        self._snapshots = _read_snapshots(self._inputs, snapshots)
        self._lists = {each.dataset: each for each in self._inputs.datasets}
        self._rmts = _read_parents(self._inputs, parents)
        issued_at = times.parse(self._inputs.issued_at)
        self._issued_at = issued_at
        self._examination = Examination(datasets, at=issued_at)
        self._artefacts: dict[str, JsonValue] = {}
        self._conflicts: list[JsonValue] = []
        self._unsatisfiable: list[JsonValue] = []
        self._manual_review: list[JsonValue] = []

    def run(self) -> BuildOutput:
        """Build the RMTs, then the IMTs that rest on them."""
        targets = self._inputs.targets
        for target in targets:
            if isinstance(target, RmtTarget):
                self._build_rmt(target)
        for target in targets:
            if isinstance(target, ImtTarget):
                self._build_imt(target)
        self._keep("conflicts.json", self._conflicts)
        self._keep("manual_review.json", self._manual_review)
        self._keep("unsatisfiable.json", self._unsatisfiable)
        artefacts = {
            name: canonical_json.canonical_bytes(self._artefacts[name])
            for name in sorted(self._artefacts)
        }
        return BuildOutput(manifest.make(self._document, artefacts), artefacts)

    def _check_library(self) -> None:
        for member, stated, computed in (
            ("library_digest", self._inputs.library_digest, self._library.digest),
            (
                "catalogue_digest",
                self._inputs.catalogue_digest,
                manifest.catalogue_digest(self._library),
            ),
            ("schema_version", self._inputs.schema_version, tokens.SCHEMA_VERSION),
        ):
            if stated != computed:
                raise RtgfError(
                    Code.RTGF_BUILD_HASH_MISMATCH,
                    f"the inputs name {stated}, here is {computed}; build with the stated one",
                    pointer=f"/{member}",
                )

    def _build_rmt(self, target: RmtTarget) -> None:
        place = _Place(target.jurisdiction, target.domain)
        held = self._snapshots.get(place)
        if held is None:
            raise RtgfError(
                Code.RTGF_BUILD_SNAPSHOT_INVALID,
                f"no snapshot of {place.name} {place.domain} is among the inputs",
                pointer="/snapshots",
            )
        lists = self._lists_of(held)
        policy = self._compiled(held)
        document = assembly.rmt(
            target, held, policy, lists, inputs=self._inputs, build_id=self._build_id
        )
        self._examination.examine(held, document)
        self._keep_token(document)
        self._rmts[place] = document
        self._keep(f"policy_token_map/{place.name}-{place.domain}.json", [*policy.policy_token_map])
        self._manual_review.extend({**each, "snapshot": held.id} for each in policy.manual_review)

    def _compiled(self, held: Snapshot) -> CompiledPolicy:
        if times.parse(held.expires_at) <= self._issued_at:
            raise RtgfError(
                Code.RTGF_BUILD_SNAPSHOT_INVALID,
                f"{held.id} expired at {held.expires_at}; ask its authority for the next",
            )
        try:
            return predicates.compile_snapshot(held, self._library)
        except RtgfError as error:
            raise _invalid(held.id, error) from error

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
            if source.pin is not None and source.pin.content_sha256 != given.content_sha256:
                raise RtgfError(
                    Code.RTGF_SANCTIONS_HASH_MISMATCH,
                    f"{held.id} pins {source.dataset!r} to {source.pin.content_sha256}, the inputs"
                    f" hold {given.content_sha256}; take in the pinned version",
                    pointer="/datasets",
                )
            found.append(given)
        return sorted(found, key=lambda each: (each.dataset, each.content_sha256))

    def _build_imt(self, target: ImtTarget) -> None:
        origin, _, destination = identifiers.corridor(target.corridor).partition("-")
        sides = [self._rmt(origin, target), self._rmt(destination, target)]
        try:
            merged = corridor.intersect(sides[0], sides[1], corridor=target.corridor)
        except RtgfError as error:
            if error.code is not Code.RTGF_MAP_RULE_CONFLICT:
                raise
            self._unsatisfiable.append(_unsatisfiable(target, error))
            return
        document = assembly.imt(
            target, sides[0], sides[1], merged, inputs=self._inputs, build_id=self._build_id
        )
        for name in (origin, destination):
            held = self._snapshots.get(_Place(name, target.domain))
            if held is not None:
                self._examination.examine(held, document, corridor=target.corridor)
        self._keep_token(document)
        if document["effective_conflicts"]:
            self._conflicts.append(
                {
                    "corridor": target.corridor,
                    "domain": target.domain,
                    "token_id": document["token_id"],
                    "effective_conflicts": document["effective_conflicts"],
                }
            )

    def _rmt(self, jurisdiction: str, target: ImtTarget) -> Document:
        found = self._rmts.get(_Place(jurisdiction, target.domain))
        if found is None:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"{target.corridor} {target.domain} needs the RMT of {jurisdiction}, which is"
                " neither built nor among the parents",
                pointer="/parents",
            )
        return found

    def _keep_token(self, document: Document) -> None:
        token_id = str(document["token_id"])
        kind = str(document["type"]).lower()
        self._keep(f"tokens/{kind}/{identifiers.slug(token_id)}.json", document)

    def _keep(self, name: str, content: JsonValue) -> None:
        if name in self._artefacts:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"two targets give {name}; name each once",
                pointer="/targets",
            )
        self._artefacts[name] = content


def _read_snapshots(inputs: Inputs, held: Mapping[str, bytes]) -> dict[_Place, Snapshot]:
    found: dict[_Place, Snapshot] = {}
    for index, stated in enumerate(inputs.snapshots):
        place = f"/snapshots/{index}"
        if stated.id not in held:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the bytes of {stated.id} are missing",
                pointer=place,
            )
        try:
            # How old a copy may be was settled when it was taken in.
            _, entry = snapshot.read(held[stated.id], max_ttl_sec=snapshot.ANY_TTL)
        except RtgfError as error:
            raise _invalid(stated.id, error) from error
        if entry.id != stated.id or entry.policy_snapshot_hash != stated.policy_snapshot_hash:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the inputs name {stated.id} with {stated.policy_snapshot_hash}, the bytes are"
                f" {entry.id} with {entry.policy_snapshot_hash}",
                pointer=place,
            )
        where = _Place(entry.jurisdiction, entry.domain)
        if where in found:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"two snapshots of {where.name} {where.domain}; build with the newest",
                pointer=place,
            )
        found[where] = entry
    return found


def _read_parents(inputs: Inputs, held: Mapping[str, bytes]) -> dict[_Place, Document]:
    found: dict[_Place, Document] = {}
    for index, stated in enumerate(inputs.parents):
        place = f"/parents/{index}"
        if stated.token_id not in held:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the bytes of {stated.token_id} are missing",
                pointer=place,
            )
        token = tokens.parse(held[stated.token_id])
        document = canonical_json.parse_object(held[stated.token_id])
        if (token.token_id, tokens.canonical_hash(document)) != (
            stated.token_id,
            stated.canonical_hash,
        ):
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the bytes of {stated.token_id} have not the digest that the inputs name",
                pointer=place,
            )
        if token.type != "RMT" or token.jurisdiction is None:
            raise RtgfError(Code.RTGF_INPUT_INVALID, f"{token.token_id} is no RMT", pointer=place)
        found[_Place(token.jurisdiction, token.domain)] = document
    return found


def _invalid(snapshot_id: str, error: RtgfError) -> RtgfError:
    return RtgfError(
        Code.RTGF_BUILD_SNAPSHOT_INVALID,
        f"{snapshot_id}: {error.detail}",
        pointer=error.pointer,
        causes=(error,),
    )


def _unsatisfiable(target: ImtTarget, error: RtgfError) -> Document:
    return {
        "corridor": target.corridor,
        "domain": target.domain,
        "code": error.code.name,
        "detail": error.detail,
        "causes": [{"code": each.code.name, "detail": each.detail} for each in error.causes],
    }
