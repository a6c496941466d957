"""The last steps of a build: sign its tokens, log and serve them, at once or once approved."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import trio

from rtgf_node.actors.build_record import BuildRecord
from rtgf_node.actors.mailbox import Mailbox, Request
from rtgf_node.actors.messages import AskForApproval, PrepareDatasets, Publish, Stage
from rtgf_node.actors.signing import Signing
from rtgf_node.core import digests
from rtgf_node.core.keys import Signer
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Act
from rtgf_node.store.objects import ObjectStore
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import Document

WAITING: Final = "waiting"
"""The state of a build that is published once a second person approves."""


STAGE_BYTES: Final = 4 << 20
"""Signed tokens that are handed on at once: a build that is larger is staged in such pieces."""


PUBLISH_TRIES: Final = 3
"""The log may have no leader just now, or its actor begin anew: it gets this many chances."""

PUBLISH_PAUSE_SECONDS: Final = 2.0
"""Before the next try, times the number of tries so far: an election takes less."""

PASSING: Final = frozenset({Code.RTGF_UNAVAILABLE, Code.RTGF_OVERLOADED, Code.RTGF_ACTOR_CRASHED})
"""What the log says when it may take in a moment what it did not take now."""


_KEY_OF: Final = b"rtgf-node pieces of the build\n"
"""Before what is signed for `key_of`; no token and no JWS begins so."""


class Ready(msgspec.Struct, frozen=True):
    """What both runs of a build gave, and what goes with it.

    Attributes:
      manifest: the exact bytes.
      names: the artefacts to sign, in their order.
      read: gives one of them.
      accepted: the conflicts that are accepted with them.
      content_digests: the lists they rest on.
    """

    manifest: bytes
    names: tuple[str, ...]
    read: Callable[[str], bytes]
    accepted: tuple[Document, ...]
    content_digests: tuple[str, ...]

    def tokens(self) -> Iterator[bytes]:
        """Yield the artefacts, one read at a time: all of them may be more than memory has."""
        return map(self.read, self.names)


class _Kept(msgspec.Struct, frozen=True):
    """The same by digests, as it waits."""

    manifest: str
    tokens: tuple[str, ...]
    accepted: tuple[Document, ...]
    content_digests: tuple[str, ...]


def manifest_digest(kept: bytes) -> str:
    """Return the digest of the manifest of a build that waits, from what waits of it."""
    return msgspec.json.decode(kept, type=_Kept).manifest


class Issuing:
    """Signs and publishes, and asks a second person first where the settings say so.

    Args:
      approvals: who is asked for approval.
      required: the acts that need it.
    """

    def __init__(
        self,
        *,
        registry: Mailbox,
        verifier: Mailbox,
        approvals: Mailbox,
        required: tuple[Act, ...],
        signer: Signer,
        objects: ObjectStore,
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._verifier = verifier
        self._approvals = approvals
        self._required = required
        self._signer = signer
        self._objects = objects
        self._metrics = metrics

    async def issue(
        self,
        build: BuildRecord,
        ready: Ready,
        *,
        limit: trio.CancelScope,
        approved_by: str | None = None,
    ) -> None:
        """Publish a build, or have it wait where it takes an approval that it has not.

        Args:
          build: is told how far it is.
          ready: what is published.
          limit: ends it when it takes too long, up to the commit.
          approved_by: the second person.

        Raises:
          RtgfError: RTGF_BUILD_TRANSPARENCY_FAIL if the log refuses it,
            RTGF_PIPELINE_PUBLISH_FAIL if it did not answer, with the cause of every try.
        """
        acts = self._acts(ready)
        if acts and approved_by is None:
            await self._wait(build, ready, acts)
            return
        build.stage("lists", "name indexes for screening")
        await self._verifier.ask(PrepareDatasets(ready.content_digests))
        build.stage("sign", f"{len(ready.names)} tokens with {self._signer.kid}")
        staged, rest = await self._sign(build, ready)
        build.stage("log", "one commit: the build, every token and its event")
        # What the log has in hand is not undone by giving up, so it is not given up.
        limit.deadline = math.inf
        build.committing = True
        await self._hand_on(
            Publish(
                build_id=build.build_id,
                manifest=ready.manifest,
                staged=staged,
                tokens=tuple(rest),
                accepted_conflicts=ready.accepted,
                actor=build.asked.actor,
                approver=approved_by or build.asked.actor,
                summary=build.summary(),
            )
        )
        build.stage("publish", f"{len(ready.names)} tokens are served")
        build.end("published")

    async def _sign(self, build: BuildRecord, ready: Ready) -> tuple[int, list[bytes]]:
        """Sign the tokens; stage all but the last piece, and return how many and that piece."""
        signing = Signing(self._signer, self._metrics)
        staged, size = 0, 0
        piece: list[bytes] = []
        for artefact in ready.tokens():
            if size >= STAGE_BYTES:
                await self._hand_on(Stage(build.build_id, staged, tuple(piece)))
                staged, size, piece = staged + len(piece), 0, []
            piece.append(await signing.sign(artefact))
            size += len(piece[-1])
            build.step(staged + len(piece), len(ready.names))
        return staged, piece

    async def _hand_on(self, request: Request[Any]) -> None:
        """Have the log take it; both can be asked for again when an answer was lost."""
        causes: list[RtgfError] = []
        for attempt in range(1, PUBLISH_TRIES + 1):
            try:
                await self._registry.ask(request)
            except RtgfError as error:
                if error.code not in PASSING:
                    raise RtgfError(
                        Code.RTGF_BUILD_TRANSPARENCY_FAIL,
                        "the log did not take the build; nothing was published",
                        causes=(error,),
                    ) from error
                causes.append(error)
            else:
                return
            if attempt < PUBLISH_TRIES:
                await trio.sleep(PUBLISH_PAUSE_SECONDS * attempt)
        raise RtgfError(
            Code.RTGF_PIPELINE_PUBLISH_FAIL,
            f"the log gave no answer {PUBLISH_TRIES} times; whether the build is published after"
            " all, another build tells: it issues what is still due",
            causes=tuple(causes),
        )

    def key_of(self, request: bytes) -> bytes | None:
        """Return a secret of a build's request that nobody has without this node's key.

        Ed25519 signs the same always alike (RFC 8032), so that it is the same after a crash. None
        if the key's device does not answer.
        """
        try:
            signature = self._signer.sign(_KEY_OF + digests.sha256(request).encode())
        except RtgfError:
            return None
        return hashlib.sha256(signature).digest()

    def recall(self, kept: bytes) -> Ready:
        """Return what waits.

        Raises:
          RtgfError: RTGF_NOT_FOUND or RTGF_TXP_STORE_DAMAGED if it is not there any more.
        """
        said = msgspec.json.decode(kept, type=_Kept)
        return Ready(
            manifest=self._objects.get(said.manifest),
            names=said.tokens,
            read=self._objects.get,
            accepted=said.accepted,
            content_digests=said.content_digests,
        )

    def _acts(self, ready: Ready) -> list[Act]:
        wanted: list[Act] = ["publish"]
        if ready.accepted:
            wanted.append("accept_conflicts")
        return [act for act in wanted if act in self._required]

    def _keep(self, ready: Ready) -> bytes:
        return msgspec.json.encode(
            _Kept(
                manifest=self._objects.put(ready.manifest),
                tokens=tuple(map(self._objects.put, ready.tokens())),
                accepted=ready.accepted,
                content_digests=ready.content_digests,
            )
        )

    async def _wait(self, build: BuildRecord, ready: Ready, acts: list[Act]) -> None:
        kept = await trio.to_thread.run_sync(self._keep, ready)
        approval_id = await self._approvals.ask(
            AskForApproval(
                acts=tuple(acts),
                subject=build.build_id,
                # What is approved is just this: the build, and which of its tokens go out.
                digest=digests.sha256(kept),
                request=kept,
                actor=build.asked.actor,
            )
        )
        build.stage("approval", f"waits for a second person: {approval_id}")
        build.end(WAITING)
