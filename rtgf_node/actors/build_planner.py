"""What is due to be built, and the exact inputs of the build that makes it.

A token is due when its scope (snapshot, lists, library) is another than that of the newest issued
one, or when that one has run out or was superseded. What was withdrawn on purpose is not issued
again from the same scope: that needs a new snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rtgf_node import __version__
from rtgf_node.actors.messages import Compile
from rtgf_node.build_worker import encode_request
from rtgf_node.core import digests, manifest, snapshot, status_list, times, tokens
from rtgf_node.core.build import scope_hash
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot import EvidenceSource, Snapshot
from rtgf_node.core.tokens import SCHEMA_VERSION, Token
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import Store
from rtgf_node.store.intake_store import DatasetRow
from rtgf_node.store.registry_store import Issued
from rtgf_node.wire import Document

AUTHENTICITY = ("tls_only", "checksum", "signed")
"""How a list proves where it comes from, the weakest first."""


class Work(NamedTuple):
    """A planned build."""

    build_id: str
    targets: int
    request: bytes
    content_digests: tuple[str, ...]
    accepted: Mapping[tuple[str, str], str]

    def new_conflict(self, token: Document) -> Document | None:
        """Return the token's conflicts if nobody has accepted just these for its corridor yet."""
        if not token.get("effective_conflicts"):
            return None
        conflict: Document = {
            "corridor": token["corridor"],
            "domain": token["domain"],
            "conflicts": token["effective_conflicts"],
        }
        known = self.accepted.get((token["corridor"], token["domain"]))
        return None if known == digests.of_document(conflict) else conflict


class Planner:
    """Looks into the store, on the thread that reads it, and plans."""

    def __init__(
        self,
        *,
        store: Store,
        library: Library,
        library_files: Mapping[str, bytes],
        issuer: str,
        kid: str,
        log_url: str,
        status_lists_uri: str,
    ) -> None:
        self._store = store
        self._library = library
        self._library_files = library_files
        self._issuer = issuer
        self._kid = kid
        self._log_url = log_url
        self._status_lists_uri = status_lists_uri

    def plan(self, request: Compile, now: int) -> Work:
        """Return what is due of what `request` asks for.

        Raises:
          RtgfError: RTGF_PIPELINE_SNAPSHOT_FAIL when a snapshot in force cannot be built from.
        """
        held = self._snapshots(request, now)
        datasets = {row.name: row for row in self._store.intake.newest_datasets()}
        used: dict[str, DatasetRow] = {}
        rmts: dict[tuple[str, str], Token | None] = {}
        targets: list[Document] = []
        for (place, domain), (entry, _) in sorted(held.items()):
            lists = self._lists(entry, datasets)
            used |= {row.name: row for row in lists}
            scope = scope_hash([entry], [row.content_sha256 for row in lists], self._library.digest)
            current = self._current("RMT", place, domain)
            if self._due(current, entry, scope, now):
                targets.append(self._target("RMT", "jurisdiction", place, domain, entry.version))
                rmts[place, domain] = None
            else:
                rmts[place, domain] = self._live(current)
        parents: dict[str, Issued] = {}
        for (a, domain), left in sorted(rmts.items()):
            for (b, other), right in sorted(rmts.items()):
                if domain != other or a == b:
                    continue
                corridor = f"{a}-{b}"
                rests_on = digests.of_documents(
                    [held[place, domain][0].policy_snapshot_hash for place in (a, b)]
                )
                if not self._corridor_due(corridor, domain, left, right, rests_on, now):
                    continue
                if (left is None and (a, domain) not in _built(targets)) or (
                    right is None and (b, domain) not in _built(targets)
                ):
                    continue  # one of the two is withdrawn: the corridor has nothing to rest on
                version = max(
                    (held[a, domain][0].version, held[b, domain][0].version), key=_numbers
                )
                targets.append(self._target("IMT", "corridor", corridor, domain, version))
                for side in (left, right):
                    if side is not None:
                        issued = self._store.registry.token(side.token_id)
                        assert issued is not None
                        parents[side.token_id] = issued
        number = self._reserve(targets)
        return self._work(held, used, targets, parents, number, now)

    def _reserve(self, targets: list[Document]) -> int:
        """Give each target its place in a status list and return the list's number.

        A build's tokens are all in one list: the newest, or the next where that has not the room
        or where its tokens name another address, because this node has moved since.
        """
        registry = self._store.registry
        number = registry.last_status_list()
        first = registry.next_status_index(number)
        held = registry.first_of_status_list(number)
        if first + len(targets) > status_list.ENTRIES or (
            held is not None
            and tokens.parse(held.token.body).revocation.status_list.uri != self._list_uri(number)
        ):
            number, first = number + 1, 0
        for index, target in enumerate(targets, start=first):
            target["status_idx"] = index
        return number

    def _list_uri(self, number: int) -> str:
        return f"{self._status_lists_uri}/{number}"

    def _snapshots(
        self, request: Compile, now: int
    ) -> dict[tuple[str, str], tuple[Snapshot, bytes]]:
        """Return the snapshots in force that are asked for, by place and domain."""
        found = {}
        for row in self._store.intake.newest_snapshots():
            if request.domains is not None and row.domain not in request.domains:
                continue
            if request.jurisdictions is not None and row.jurisdiction not in request.jurisdictions:
                continue
            try:
                # How old a copy may be was settled when it was taken in.
                _, entry = snapshot.read(row.body, max_ttl_sec=snapshot.ANY_TTL)
            except RtgfError as error:
                invalid = RtgfError(
                    Code.RTGF_BUILD_SNAPSHOT_INVALID, f"{row.snapshot_id}: {error}", causes=(error,)
                )
                raise RtgfError(
                    Code.RTGF_PIPELINE_SNAPSHOT_FAIL,
                    f"{row.snapshot_id} cannot be built from",
                    causes=(invalid,),
                ) from error
            if times.parse(entry.expires_at) > now:
                found[row.jurisdiction, row.domain] = (entry, row.body)
        return found

    def _lists(self, entry: Snapshot, datasets: Mapping[str, DatasetRow]) -> list[DatasetRow]:
        """Return the datasets in force that the snapshot rests on.

        One that is missing is left out: the build says so when it needs it.

        Raises:
          RtgfError: RTGF_PIPELINE_SNAPSHOT_FAIL if one is not as authentic, or not as large, as the
            snapshot asks.
        """
        found: list[DatasetRow] = []
        for source in entry.evidence_sources:
            row = datasets.get(source.dataset)
            if row is None:
                continue
            try:
                _check_source(source, row)
            except RtgfError as error:
                raise RtgfError(
                    Code.RTGF_PIPELINE_SNAPSHOT_FAIL,
                    f"{entry.id} cannot be built with {row.name} {row.version}: {error.detail}",
                    causes=(error,),
                ) from error
            found.append(row)
        return found

    def _current(self, type_: str, place: str, name: str) -> Token | None:
        issued = self._store.registry.newest(type_, place, name)
        return tokens.parse(issued.token.body) if issued is not None else None

    def _due(self, current: Token | None, entry: Snapshot, scope: str, now: int) -> bool:
        if current is None:
            return True
        if self._kept_back(current, entry.policy_snapshot_hash):
            return False
        return current.scope_hash != scope or current.exp < now

    def _kept_back(self, current: Token | None, snapshot_hash: str) -> bool:
        """Tell whether the rules of just these snapshots were withdrawn on purpose."""
        return (
            current is not None
            and self._live(current) is None
            and current.policy_snapshot_hash == snapshot_hash
        )

    def _live(self, current: Token | None) -> Token | None:
        if current is None or self._store.revocation.status(current.token_id) != "valid":
            return None
        return current

    def _corridor_due(
        self,
        corridor: str,
        domain: str,
        left: Token | None,
        right: Token | None,
        rests_on: str,
        now: int,
    ) -> bool:
        current = self._current("IMT", corridor, domain)
        if self._kept_back(current, rests_on):
            return False
        if left is None or right is None:
            return True
        return (
            current is None
            or set(current.derived_from) != {left.token_id, right.token_id}
            or current.exp < now
        )

    def _target(self, type_: str, member: str, place: str, domain: str, version: str) -> Document:
        issues = [
            issued.token.issue
            for issued in self._store.registry.versions(type_, place, domain)
            if issued.token.version == version
        ]
        return {
            "type": type_,
            member: place,
            "domain": domain,
            "issue": max(issues, default=0) + 1,
        }

    def _work(
        self,
        held: Mapping[tuple[str, str], tuple[Snapshot, bytes]],
        used: Mapping[str, DatasetRow],
        targets: list[Document],
        parents: Mapping[str, Issued],
        number: int,
        now: int,
    ) -> Work:
        head = self._store.log
        needed = _places(targets)
        snapshots = {
            entry.id: body for place, (entry, body) in sorted(held.items()) if place in needed
        }
        inputs: dict[str, JsonValue] = {
            "compiler_version": f"rtgf-node/{__version__}",
            "schema_version": SCHEMA_VERSION,
            "library_digest": self._library.digest,
            "catalogue_digest": manifest.catalogue_digest(self._library),
            "issuer": self._issuer,
            "kid": self._kid,
            "issued_at": times.to_text(now),
            "rev_epoch": self._store.revocation.rev_epoch(),
            "log_anchor": {
                "tree_size": head.size,
                "root_hash": f"sha256:{head.root().hex()}",
            },
            "transparency_log": self._log_url,
            "status_list_uri": self._list_uri(number),
            "snapshots": [
                {"id": entry.id, "policy_snapshot_hash": entry.policy_snapshot_hash}
                for place, (entry, _) in sorted(held.items())
                if place in needed
            ],
            "datasets": [
                {
                    "provider": row.provider,
                    "dataset": row.name,
                    "version": row.version,
                    "content_sha256": row.content_sha256,
                }
                for row in sorted(used.values(), key=lambda row: row.name)
            ],
            "targets": list(targets),
            "parents": [
                {"token_id": token_id, "canonical_hash": issued.token.canonical_hash}
                for token_id, issued in sorted(parents.items())
            ],
        }
        records = {
            row.content_sha256: str(self._store.objects.path(row.records_sha256))
            for row in used.values()
        }
        return Work(
            build_id=manifest.build_id(inputs),
            targets=len(targets),
            request=encode_request(
                inputs,
                snapshots=snapshots,
                parents={token_id: issued.token.body for token_id, issued in parents.items()},
                library=self._library_files,
                datasets=records,
            ),
            content_digests=tuple(sorted(records)),
            accepted=self._accepted(),
        )

    def _accepted(self) -> dict[tuple[str, str], str]:
        """Return the digest of the conflicts that each corridor was last published with."""
        accepted: dict[tuple[str, str], str] = {}
        for issued in self._store.registry.tokens():
            if issued.token.type == "IMT":
                token = tokens.parse(issued.token.body)
                conflict: dict[str, Any] = {
                    "corridor": token.corridor,
                    "domain": token.domain,
                    "conflicts": token.effective_conflicts,
                }
                accepted[str(token.corridor), token.domain] = digests.of_document(conflict)
        return accepted


def _check_source(source: EvidenceSource, row: DatasetRow) -> None:
    """Pass if the list in force is what the snapshot rests on.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNSIGNED or RTGF_SANCTIONS_IMPLAUSIBLE.
    """
    if AUTHENTICITY.index(row.signature_state) < AUTHENTICITY.index(source.authenticity):
        raise RtgfError(
            Code.RTGF_SANCTIONS_UNSIGNED,
            f"the snapshot asks for a {source.authenticity} list, this one is"
            f" {row.signature_state}",
        )
    if source.feed is not None and row.record_count < source.feed.min_records:
        raise RtgfError(
            Code.RTGF_SANCTIONS_IMPLAUSIBLE,
            f"the snapshot asks for {source.feed.min_records} records at least, this one has"
            f" {row.record_count}",
        )


def _built(targets: list[Document]) -> set[tuple[str, str]]:
    return {
        (target["jurisdiction"], target["domain"]) for target in targets if target["type"] == "RMT"
    }


def _places(targets: list[Document]) -> set[tuple[str, str]]:
    """Return every place and domain that a target needs the snapshot of."""
    return {
        (place, target["domain"])
        for target in targets
        for place in str(target.get("jurisdiction") or target["corridor"]).split("-")
    }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-"))
