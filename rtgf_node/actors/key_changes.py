"""Putting a change of keys into force: one command publishes the set and logs every key act.

The file is written before the log has it, so that a crash between the two is made good by the next
start, which logs what it finds. A change that the log refuses is taken out of the file again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import ChangeKeys, Commit
from rtgf_node.core import digests, event, times
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import PublicKey
from rtgf_node.errors import RtgfError
from rtgf_node.keys import key_change, key_files
from rtgf_node.keys.key_change import Change
from rtgf_node.keys.key_files import KeyFiles
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.replication import commands
from rtgf_node.store import Store
from rtgf_node.telemetry import Metrics
from rtgf_node.whole_file import write_whole
from rtgf_node.wire.keys import KeyChangeAnswer

log = structlog.get_logger(__name__)


class KeyChanges:
    """Owns which keys are published. Used by the registry actor alone, one change at a time.

    Args:
      files: the statements that the node started with.
      root: the pinned root key.
      folder: where the key files are.
      provider: holds the private keys.
      leads: whether this node speaks for its log: alone, or as the leader of a cluster.
    """

    def __init__(
        self,
        *,
        log: Mailbox,
        store: Store,
        files: KeyFiles,
        root: PublicKey,
        folder: Path,
        provider: FileKeyProvider,
        leads: Callable[[], bool],
        issuer: str,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._log = log
        self._store = store
        self._held = files
        self._root = root
        self._folder = folder
        self._provider = provider
        self._leads = leads
        self._issuer = issuer
        self._clock = clock
        self._metrics = metrics

    async def record(self) -> None:
        """Log the statements that the operator put in place, if they are not logged yet."""
        logged = self._store.keys.documents()
        if logged is not None and (logged.jwks == self._held.jwks or not self._leads()):
            return
        known = {key.kid: key for key in self._store.keys.all()}
        change = Change(
            added=tuple(key for key in self._held.keys if key.kid not in known),
            shortened=(),
            revoked=tuple(
                key
                for key in self._held.keys
                if key.kid in known and key.revoked_at != known[key.kid].revoked_at
            ),
        )
        await self._publish(self._held, change, actor=self._held.root_kid, because={})

    async def change(self, request: ChangeKeys) -> KeyChangeAnswer:
        """Put a change into force; with `only_check`, say what it would do.

        Raises:
          RtgfError: as `key_files.of_document`, `key_change.check` and `key_change.check_act`.
        """
        now = self._clock.now()
        # Another member of the cluster may have taken the last change.
        self._held = key_files.logged(self._store, self._root, at=now) or self._held
        new = key_files.of_document(request.signed, self._root, at=now)
        self._provider.refresh()
        holds = {key.kid for key in self._provider.list()}
        change = key_change.check(new, self._held, at=now, holds=holds)
        key_change.check_act(change, request.act, request.kid)
        if not request.only_check:
            await self._put_in_force(new, change, request)
        return KeyChangeAnswer(
            state="waiting" if request.only_check else "in_force",
            sequence=new.sequence,
            added=[key.kid for key in change.added],
            revoked=[key.kid for key in change.revoked],
            approval_id=None,
        )

    async def _put_in_force(self, new: KeyFiles, change: Change, request: ChangeKeys) -> None:
        because = {"reason": request.reason}
        if request.approver is not None:
            because["approver"] = request.approver
        path = self._folder / key_files.KEY_SET
        # From here to the end of the commit nothing may give up half-way.
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(write_whole, path, key_files.document(new))
            try:
                await self._publish(new, change, actor=request.actor, because=because)
            except RtgfError:
                logged = self._store.keys.documents()
                if logged is None or logged.jwks != new.jwks:
                    write_whole(path, key_files.document(self._held))
                    raise
        self._held = new
        self._metrics.key_rotations.inc()
        log.info(
            "keys_changed",
            sequence=new.sequence,
            added=[key.kid for key in change.added],
            revoked=[key.kid for key in change.revoked],
            actor=request.actor,
        )

    async def _publish(
        self, files: KeyFiles, change: Change, *, actor: str, because: dict[str, str]
    ) -> None:
        jwks, refs = files.jwks, {"manifest": digests.sha256(files.manifest)}
        acts = [
            *[(key, {"act": "enrolled", "purpose": key.purpose}) for key in change.added],
            *[
                (key, {"act": "retired", "expires_at": times.to_text(key.expires_at)})
                for key in change.shortened
            ],
            *[
                (key, {"act": "revoked", "revoked_at": times.to_text(key.revoked_at or 0)})
                for key in change.revoked
            ],
        ]
        key_events = [
            self._event(
                "key_event",
                subject=key.kid,
                digest=digests.sha256(key.public),
                refs=refs,
                actor=actor,
                payload={**payload, **because},
            )
            for key, payload in acts
        ]
        published = self._event(
            "jwks_publish",
            subject=self._issuer,
            digest=digests.sha256(jwks),
            refs=refs,
            actor=actor,
            payload=because,
        )
        await self._log.ask(
            Commit(
                commands.RecordKeys(
                    manifest=files.manifest,
                    jwks=jwks,
                    jwks_jws=files.jwks_jws,
                    keys=files.keys,
                    events=tuple(event.to_bytes(one) for one in [*key_events, published]),
                )
            )
        )

    def _event(self, type_: str, **members: Any) -> event.Event:  # noqa: ANN401 - passed on to make
        return event.make(type=type_, at=self._clock.now(), **members)
