"""What is due to be built, and the exact inputs of the build that makes it.

A token is due when its scope (snapshot, lists, library) is another than that of the newest issued
one, when that one has run out or was superseded, or when another key signs now. What was withdrawn
on purpose is not issued again from the same scope: that needs a new snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from rtgf_node import __version__
from rtgf_node.actors.build_work import Work
from rtgf_node.actors.list_choice import resting_on
from rtgf_node.actors.messages import Compile
from rtgf_node.actors.plan_draft import Plan
from rtgf_node.actors.terms_planner import TermsPlanner
from rtgf_node.building.worker import encode_request
from rtgf_node.core import digests, manifest, snapshot, status_list, times, tokens, waiver
from rtgf_node.core.build import scope_hash
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.core.tokens import SCHEMA_VERSION, Token
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import Store
from rtgf_node.store.intake_store import SnapshotRow
from rtgf_node.store.registry_store import Standing
from rtgf_node.store.standing_corridors import StandingCorridor, StandingCorridors
from rtgf_node.wire import Document


class Planner:
    """Looks into the store, on the thread that reads it, and plans."""

    def __init__(
        self,
        *,
        store: Store,
        library: Library,
        library_files: Mapping[str, bytes],
        issuer: str,
        kid: Callable[[], str],
        log_url: str,
        status_lists_uri: str,
        list_keys: Mapping[str, str],
    ) -> None:
        self._list_keys = list_keys
        self._terms = TermsPlanner(store, kid)
        self._store = store
        self._library = library
        self._library_files = library_files
        self._issuer = issuer
        self._kid = kid
        self._log_url = log_url
        self._status_lists_uri = status_lists_uri
        self._corridors = StandingCorridors(store.reader)
        # What never changes once it is there, read once.
        self._entries: dict[str, Snapshot] = {}
        self._scopes: dict[str, tuple[str, str]] = {}

    def plan(self, request: Compile, now: int, *, without: Collection[Place] = frozenset()) -> Work:
        """Return what is due of what `request` asks for.

        An entry that cannot be built stops no other: it is left out, and so are the corridors that
        need its RMT anew; those that rest on the one it has go on.

        Args:
          request: of which jurisdictions and domains.
          now: the instant of issue.
          without: entries that are known to be unbuildable.

        Raises:
          RtgfError: RTGF_PIPELINE_SNAPSHOT_FAIL when there is nothing but failures.
        """
        failures: dict[Place, RtgfError] = {}
        datasets = {row.name: row for row in self._store.intake.newest_datasets()}
        plan = Plan()
        for row in self._asked_for(request):
            place = Place(row.jurisdiction, row.domain)
            current = self._current("RMT", place)
            try:
                entry, body = self._read(row)
                if times.parse(entry.expires_at) <= now:
                    continue
                lists = resting_on(entry, datasets, self._list_keys)
            except RtgfError as error:
                failures[place] = error
            else:
                plan.used |= {row.name: row for row in lists}
                if place not in without:
                    contents = [row.content_sha256 for row in lists]
                    scope = scope_hash([entry], contents, self._library.digest)
                    plan.held[place] = entry, body
                    if self._due(current, entry, scope, now):
                        plan.add(self._target("RMT", "jurisdiction", place, entry.version))
                        plan.rmts[place] = None
                    else:
                        plan.rmts[place] = self._live(current)
                    continue
            self._fall_back(plan, place, self._live(current))
        self._plan_corridors(plan, now)
        stated = self._terms.plan(request, now, imts=plan.imts(), without=without)
        plan.targets += stated.targets
        plan.parents |= stated.parents
        plan.terms = stated.held
        failures |= stated.failures
        if failures and not plan.targets and not without:
            raise failures[min(failures)]
        number = self._reserve(plan.targets)
        return self._work(plan, failures, number, now)

    def _fall_back(self, plan: Plan, place: Place, current: Standing | None) -> None:
        """Let the corridors of an entry that cannot be built go on with the RMT that it has."""
        if current is None:
            return
        issued = self._store.registry.token(current.token_id)
        assert issued is not None
        token = tokens.parse(issued.token.body)
        row = self._store.intake.snapshot_by_digest(token.policy_snapshot_hash)
        if row is not None:
            plan.held[place] = self._read(row)
            plan.rmts[place] = current

    def _plan_corridors(self, plan: Plan, now: int) -> None:
        newest = self._corridors.newest()
        # Where one is withdrawn and not due again, its corridors have nothing to rest on.
        ends = [
            (place, current)
            for place, current in sorted(plan.rmts.items())
            if current is not None or place in plan.built
        ]
        of_domain: dict[str, list[tuple[Place, Standing | None]]] = {}
        for place, current in ends:
            of_domain.setdefault(place.domain, []).append((place, current))
        for a, left in ends:
            for b, right in of_domain[a.domain]:
                if a == b:
                    continue
                corridor = Place(f"{a.name}-{b.name}", a.domain)
                entries = [plan.held[place][0] for place in (a, b)]
                if not self._corridor_due(newest.get(corridor), left, right, entries, now):
                    continue
                version = max((entry.version for entry in entries), key=snapshot.version_numbers)
                plan.add(self._target("IMT", "corridor", corridor, version))
                for side in (left, right):
                    if side is not None and side.token_id not in plan.parents:
                        issued = self._store.registry.token(side.token_id)
                        assert issued is not None
                        plan.parents[side.token_id] = issued

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

    def _asked_for(self, request: Compile) -> list[SnapshotRow]:
        """Return the snapshots in force that are asked for, in the order of the queue."""
        return sorted(
            (
                row
                for row in self._store.intake.newest_snapshots()
                if (request.domains is None or row.domain in request.domains)
                and (request.jurisdictions is None or row.jurisdiction in request.jurisdictions)
            ),
            key=lambda row: (row.jurisdiction, row.domain),
        )

    def _read(self, row: SnapshotRow) -> tuple[Snapshot, bytes]:
        """Return a snapshot that was taken in.

        Raises:
          RtgfError: RTGF_PIPELINE_SNAPSHOT_FAIL if it cannot be built from.
        """
        entry = self._entries.get(row.digest)
        if entry is None:
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
            self._entries[row.digest] = entry
        return entry, row.body

    def _current(self, type_: str, place: Place) -> Standing | None:
        return self._store.registry.standing(type_, place.name, place.domain)

    def _due(self, current: Standing | None, entry: Snapshot, scope: str, now: int) -> bool:
        if current is None:
            return True
        if self._kept_back(current.token_id, [entry]):
            return False
        return current.exp < now or self._scope(current) != (scope, self._kid())

    def _scope(self, current: Standing) -> tuple[str, str]:
        """Return what a token was made from, and its key; an issued token never changes."""
        held = self._scopes.get(current.token_id)
        if held is None:
            token = self._token(current.token_id)
            held = self._scopes[current.token_id] = (token.scope_hash, token.kid)
        return held

    def _token(self, token_id: str) -> Token:
        issued = self._store.registry.token(token_id)
        assert issued is not None
        return tokens.parse(issued.token.body)

    def _kept_back(self, token_id: str, entries: Sequence[Snapshot]) -> bool:
        """Tell whether the rules of just these snapshots were withdrawn on purpose."""
        if self._store.revocation.status(token_id) == "valid":
            return False
        hashes = [entry.policy_snapshot_hash for entry in entries]
        rests_on = hashes[0] if len(hashes) == 1 else digests.of_documents(hashes)
        return self._token(token_id).policy_snapshot_hash == rests_on

    def _live(self, current: Standing | None) -> Standing | None:
        if current is None or self._store.revocation.status(current.token_id) != "valid":
            return None
        return current

    def _corridor_due(
        self,
        current: StandingCorridor | None,
        left: Standing | None,
        right: Standing | None,
        entries: Sequence[Snapshot],
        now: int,
    ) -> bool:
        if current is None:
            return True
        rmts = {side.token_id for side in (left, right) if side is not None}
        stands = current.exp >= now and current.rests_on == rmts
        return not (stands or self._kept_back(current.token_id, entries))

    def _target(self, type_: str, member: str, place: Place, version: str) -> Document:
        issue = self._store.registry.last_issue(type_, place.name, place.domain, version)
        return {"type": type_, member: place.name, "domain": place.domain, "issue": issue + 1}

    def _work(self, plan: Plan, failures: Mapping[Place, RtgfError], number: int, now: int) -> Work:
        head = self._store.log
        needed = plan.places()
        held = {place: plan.held[place] for place in sorted(plan.held) if place in needed}
        used, targets, parents = plan.used, plan.targets, plan.parents
        inputs: dict[str, JsonValue] = {
            "compiler_version": f"rtgf-node/{__version__}",
            "schema_version": SCHEMA_VERSION,
            "library_digest": self._library.digest,
            "catalogue_digest": manifest.catalogue_digest(self._library),
            "issuer": self._issuer,
            "kid": self._kid(),
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
                for entry, _ in held.values()
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
        waivers = self._waivers(entry.policy_snapshot_hash for entry, _ in held.values())
        if waivers:
            inputs["waivers"] = waivers
        if plan.terms:
            inputs["terms"] = [
                {"id": row.terms_id, "policy_snapshot_hash": row.digest}
                for _, row in sorted(plan.terms.items())
            ]
        records = {
            row.content_sha256: str(self._store.objects.path(row.records_sha256))
            for row in used.values()
        }
        return Work(
            build_id=manifest.build_id(inputs),
            targets=len(targets),
            request=encode_request(
                inputs,
                snapshots={entry.id: body for entry, body in held.values()},
                parents={token_id: issued.token.body for token_id, issued in parents.items()},
                library=self._library_files,
                datasets=records,
                terms={row.terms_id: row.body for row in plan.terms.values()},
            ),
            content_digests=tuple(sorted(records)),
            failures=failures,
            accepted=self._accepted,
        )

    def _waivers(self, snapshot_hashes: Iterable[str]) -> list[JsonValue]:
        """Return what approvers let pass of these snapshots, as a build is told."""
        return [
            {
                "digest": row.digest,
                "policy_snapshot_hash": row.policy_snapshot_hash,
                "clause_ids": [clause.clause_id for clause in waiver.read(row.body).clauses],
            }
            for snapshot_hash in sorted(snapshot_hashes)
            for row in self._store.waivers.of_snapshot(snapshot_hash)
        ]

    def manual_review(self, places: Collection[Place]) -> list[Document]:
        """Return what a person must decide before these entries can be built."""
        found: list[Document] = []
        for row in self._store.intake.newest_snapshots():
            if Place(row.jurisdiction, row.domain) in places:
                waived = {
                    clause.clause_id
                    for kept in self._store.waivers.of_snapshot(row.digest)
                    for clause in waiver.read(kept.body).clauses
                }
                entry, _ = self._read(row)
                found += waiver.manual_review(entry, self._library, waived=waived)
        return found

    def _accepted(self, token: Document) -> str | None:
        """Return the digest of the conflicts that the token's corridor was last published with."""
        current = self._current("IMT", Place(token["corridor"], token["domain"]))
        if current is None:
            return None
        conflict: Document = {
            "corridor": token["corridor"],
            "domain": token["domain"],
            "conflicts": self._token(current.token_id).effective_conflicts,
        }
        return digests.of_document(conflict)
