"""Publishing a build: its event, its tokens and their events enter together or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.build_commands import NoteBuild, PublishBuild, StageTokens
from rtgf_node.replication.issue_event import token_issued
from rtgf_node.store.log_writer import LogWriter
from rtgf_node.store.registry_store import PUBLISHED, BuildRow, RegistryStore, TokenRow
from rtgf_node.store.revocation_store import RevocationStore
from rtgf_node.store.staging_store import StagingStore


class Publishing:
    """What the state machine does for builds, inside the savepoint of the running command.

    The tokens of a large build are many hundred megabytes: no more than one of those that were
    staged is in memory at a time.
    """

    def __init__(self, conn: sqlite3.Connection, log: LogWriter) -> None:
        self._log = log
        self._registry = RegistryStore(conn)
        self._revocation = RevocationStore(conn)
        self._staging = StagingStore(conn)

    def stage(self, command: StageTokens) -> None:
        """Keep tokens of a build until it is published; the last piece may come again.

        Raises:
          RtgfError: RTGF_CONFLICT if those before them are not here.
        """
        if command.first == 0:
            self._staging.drop(command.build_id)
        elif tuple(self._staging.tokens(command.build_id, first=command.first)) == command.tokens:
            return
        self._check_staged(command.build_id, command.first)
        self._staging.append(command.build_id, command.first, command.tokens)

    def publish(self, command: PublishBuild, *, rev_epoch: int) -> tuple[int, ...]:
        """Publish a build and return the places of its events.

        Raises:
          RtgfError: RTGF_CONFLICT if it was published with other content, or rests on what was
            withdrawn since it was planned, or is not staged; RTGF_INPUT_INVALID if its events are
            not one each.
        """
        if len(command.events) != len(command.tokens) + 1:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"{len(command.tokens)} tokens need {len(command.tokens) + 1} events, the build's "
                f"first; {len(command.events)} came",
                pointer="/events",
            )
        held = self._registry.build(command.build_id)
        if held is not None and held.state == PUBLISHED:
            return self._published_before(command, held)
        self._check_staged(command.build_id, command.staged)
        if rev_epoch > command.rev_epoch:
            self._check_not_withdrawn(command)
        before = self._log.size
        leaves = self._log_all(command)
        if leaves != tuple(range(before, before + len(leaves))):
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"an event of {command.build_id} is in the log already; build again",
            )
        self._registry.put_build(
            BuildRow(
                build_id=command.build_id,
                state=PUBLISHED,
                manifest_digest=command.manifest_digest,
                at=command.at,
                summary=command.summary,
                leaf_index=leaves[0],
            )
        )
        for token, leaf_index in zip(self._tokens(command), leaves[1:], strict=True):
            self._registry.insert_token(token, build_id=command.build_id, leaf_index=leaf_index)
        for token in self._tokens(command):
            self._registry.insert_parents(token)
            self._check_parents(token.token_id)
        self._staging.drop(command.build_id)
        for entry in command.approvals:
            self._log.append(entry)
        return leaves

    def _tokens(self, command: PublishBuild) -> Iterator[TokenRow]:
        yield from self._staging.tokens(command.build_id)
        yield from command.tokens

    def _log_all(self, command: PublishBuild) -> tuple[int, ...]:
        own, *others = command.events
        leaves = [self._log.append(own)]
        for token in self._staging.tokens(command.build_id):
            issued = token_issued(
                token, build_id=command.build_id, at=command.at, issuer=command.issuer
            )
            leaves.append(self._log.append(issued))
        leaves += [self._log.append(entry) for entry in others]
        return tuple(leaves)

    def _check_staged(self, build_id: str, expected: int) -> None:
        staged = self._staging.count(build_id)
        if staged != expected:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"{staged} tokens of {build_id} are kept, not {expected}; build again",
            )

    def note(self, command: NoteBuild) -> None:
        """Note how far a build came that is not published, and forget what is staged for it.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if it says that it is.
        """
        if command.state == PUBLISHED:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, "a build becomes published by PublishBuild only"
            )
        self._staging.drop(command.build_id)
        self._registry.put_build(
            BuildRow(
                command.build_id,
                command.state,
                command.manifest_digest,
                command.at,
                command.summary,
            )
        )

    def _published_before(self, command: PublishBuild, held: BuildRow) -> tuple[int, ...]:
        of_build = self._registry.ids_of_build(command.build_id)
        same = held.manifest_digest == command.manifest_digest
        # What was staged is dropped when it is published; the manifest tells its digests.
        same = same and len(of_build) == command.staged + len(command.tokens)
        for token in self._tokens(command):
            issued = self._registry.token(token.token_id)
            same = same and issued is not None and issued.token.body == token.body
        if not same:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"{command.build_id} was published with other content; two builds of the same "
                "inputs must not differ, compare their manifests",
            )
        self._staging.drop(command.build_id)
        issued_all = map(self._registry.token, of_build)
        leaves = [held.leaf_index, *(one.leaf_index for one in issued_all if one is not None)]
        return tuple(leaf for leaf in leaves if leaf is not None)

    def _check_not_withdrawn(self, command: PublishBuild) -> None:
        for token in self._tokens(command):
            newest = self._registry.newest(token.type, token.place, token.name)
            change = newest and self._revocation.newest(newest.token.token_id)
            if change and change.status != "valid" and change.rev_epoch > command.rev_epoch:
                raise RtgfError(
                    Code.RTGF_CONFLICT,
                    f"{change.token_id} was withdrawn while {token.token_id} was built; build"
                    " again",
                )

    def _check_parents(self, token_id: str) -> None:
        # A parent may have been revoked while the build ran; its cascade did not know this token.
        for parent in self._registry.parents(token_id):
            status = self._revocation.status(parent)
            if status != "valid":
                raise RtgfError(
                    Code.RTGF_CONFLICT,
                    f"{token_id} rests on {parent}, which is {status}; build again",
                )
