"""The gossip actor: compares the heads that other nodes show with all that was seen before.

Of a peer's own log it asks that each head extend the last one. Of our log it looks at what a peer
has cosigned: that must be a tree that we hold. Two heads that cannot both be true are kept as
evidence, logged as an incident, and stop our signing until somebody settles it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

import msgspec
import structlog
import trio

from rtgf_node.actors import fork_report
from rtgf_node.actors.fork_report import Fork, SignedHead
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import checkpoint, merkle, tile_proofs, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.clock import Clock
from rtgf_node.core.merkle import HASH_BYTES
from rtgf_node.core.note import VerifierKey
from rtgf_node.core.proof_bundle import hash_of
from rtgf_node.core.tile_proofs import Consistency
from rtgf_node.egress import Answered, Egress
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.neighbours import NeighbourFigures
from rtgf_node.replication.commands import SeeHead
from rtgf_node.store import Store
from rtgf_node.wire import ConsistencyProof

log = structlog.get_logger(__name__)


class PeerLink(NamedTuple):
    """A peer, the way to it, and whether its fork stops our signing too."""

    name: str
    url: str
    key: VerifierKey
    egress: Egress
    halt: bool


class PeerStatus(NamedTuple):
    """How it stands with a peer: the newest size it showed, and what is wrong, if anything."""

    name: str
    size: int
    problem: str | None


class GossipActor:
    """Owns the comparing. What was seen and found is state of the log, and goes through it.

    Args:
      origin: our log.
      keys: gives every key that our log ever signed with, in text form.
      leads: whether this node does now what one node of a cluster does for all.
    """

    def __init__(
        self,
        *,
        log: Mailbox,
        store: Store,
        peers: Sequence[PeerLink],
        origin: str,
        keys: Callable[[], Sequence[str]],
        leads: Callable[[], bool],
        every_seconds: float,
        clock: Clock,
        figures: NeighbourFigures,
    ) -> None:
        self._log = log
        self._store = store
        self._peers = tuple(peers)
        self._origin = origin
        self._keys = keys
        self._leads = leads
        self._every = every_seconds
        self._clock = clock
        self._figures = figures
        self._sizes: dict[str, int] = {}
        self._problems: dict[str, str] = {}

    def statistics(self) -> tuple[PeerStatus, ...]:
        """Return how it stands with each peer."""
        return tuple(
            PeerStatus(one.name, self._sizes.get(one.name, 0), self._problems.get(one.name))
            for one in self._peers
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look at the peers' heads until cancelled; a slow one holds up no other."""
        async with trio.open_nursery() as nursery:
            for peer in self._peers:
                nursery.start_soon(self._keep_looking, peer)
            task_status.started()

    async def _keep_looking(self, peer: PeerLink) -> None:
        while True:
            try:
                if self._leads():
                    await self._look(peer)
            except RtgfError as error:
                self._figures.gossiped(peer.name, "failed")
                if self._problems.get(peer.name) != error.detail:
                    log.warning("peer_log_failed", peer=peer.name, detail=error.detail)
                self._problems[peer.name] = error.detail
            else:
                self._figures.gossiped(peer.name, "ok")
                self._problems.pop(peer.name, None)
            await trio.sleep(self._every)

    async def _look(self, peer: PeerLink) -> None:
        own = hashlib.sha256(self._origin.encode()).hexdigest()
        # What it saw of our log first: nothing that it says of itself may keep us from that.
        seen = await peer.egress.ask(f"{peer.url}/witnessed/{own}/checkpoint")
        if seen.status == 200:
            head = checkpoint.open_note(seen.body, [*self._keys()])
            await self._compare_ours(peer, SignedHead(seen.body, head))
        elif seen.status != 404:
            raise _unanswered(seen)
        shown = await peer.egress.ask(f"{peer.url}/checkpoint")
        if shown.status != 200:
            raise _unanswered(shown)
        head = checkpoint.open_note(shown.body, [str(peer.key)])
        if head.origin == self._origin:
            await self._compare_ours(peer, SignedHead(shown.body, head))
        elif head.origin == peer.key.name:
            await self._compare_theirs(peer, SignedHead(shown.body, head))
        else:
            raise RtgfError(
                Code.RTGF_CONFLICT, f"its log is called {head.origin[:80]!r}, not {peer.key.name}"
            )
        self._sizes[peer.name] = head.size

    # --- our log --------------------------------------------------------------------------------

    async def _compare_ours(self, peer: PeerLink, seen: SignedHead) -> None:
        """Compare a head that our key signed with the tree that we hold."""
        store, size = self._store.log, seen.head.size
        held = store.latest_head()
        if held is None or seen.head.origin != self._origin:
            return
        note = tree_head.from_document(parse(held.document)).checkpoint.encode()
        ours = SignedHead(note, Checkpoint(self._origin, held.tree_size, held.root))
        if size > store.size:
            detail = (
                f"{peer.name} holds a head of {size} entries with our signature; this store has "
                f"{store.size}, so it is an old copy, or somebody else signs with our key"
            )
            await self._found(peer, seen, [ours, seen], detail, halts=True)
        elif store.root_at(size) != seen.head.root:
            detail = (
                f"{peer.name} holds a head of {size} entries with our signature and another root "
                "than this store has: our log has forked"
            )
            if size < held.tree_size:
                proof = store.consistency_proof(size, held.tree_size)
                other = store.root_at(size)
                await self._found(
                    peer, seen, [seen, ours], detail, halts=True, proof=proof, proved_root=other
                )
            await self._found(peer, seen, [ours, seen], detail, halts=True)

    # --- a peer's log ---------------------------------------------------------------------------

    async def _compare_theirs(self, peer: PeerLink, shown: SignedHead) -> None:
        """Compare a peer's head with the newest that we saw, and with what we cosigned."""
        origin = shown.head.origin
        seen = self._store.gossip.seen(origin)
        cosigned = self._store.witness.cosigned(origin)
        for row in (seen, cosigned):
            if row is not None:
                before = SignedHead(row.note, Checkpoint(origin, row.tree_size, row.root))
                pair = sorted((before, shown), key=lambda one: one.head.size)
                await self._compare(peer, *pair, fresh=shown)
        if seen is None or seen.tree_size < shown.head.size:
            head = shown.head
            command = SeeHead(origin, head.size, head.root, self._clock.now(), shown.note)
            await self._log.ask(Commit(command, covered=False))

    async def _compare(
        self, peer: PeerLink, small: SignedHead, large: SignedHead, *, fresh: SignedHead
    ) -> None:
        """Return if the larger head extends the smaller.

        Raises:
          RtgfError: the peer does not prove it, which is no proof of the contrary; or it did prove
            the contrary, which is recorded before.
        """
        old, new = small.head, large.head
        if old.size == new.size and old.root == new.root:
            return
        if old.size == new.size:
            detail = f"{old.origin} signed two roots for {old.size} entries"
            await self._found(peer, fresh, [small, large], detail, halts=peer.halt)
        if old.size == 0:
            return
        other, proof = await self._proof(peer, old.size, new.size)
        if _extends(old.size, old.root, new, proof):
            return
        if other != old.root and _extends(old.size, other, new, proof):
            detail = (
                f"{old.origin} signed {old.size} entries, and {new.size} that begin with others"
            )
            heads = [small, large]
            await self._found(
                peer, fresh, heads, detail, halts=peer.halt, proof=proof, proved_root=other
            )
        raise RtgfError(
            Code.RTGF_TXP_PROOF_INVALID,
            f"it does not prove that its {new.size} entries begin with the {old.size} seen before",
        )

    async def _proof(self, peer: PeerLink, old: int, new: int) -> Consistency:
        """Return what the peer says the older tree was, and how the newer one extends it."""
        answer = await peer.egress.ask(f"{peer.url}/proofs/consistency?from={old}&to={new}")
        if answer.status == 404:
            # Not a node like ours: any log that serves tiles proves it with them.
            return await self._proof_from_tiles(peer, old, new)
        if answer.status != 200:
            raise _unanswered(answer)
        try:
            served = msgspec.convert(parse(answer.body), ConsistencyProof)
        except msgspec.ValidationError as error:
            raise RtgfError(
                Code.RTGF_TXP_PROOF_INVALID, f"its consistency proof cannot be read: {error}"
            ) from None
        return Consistency(hash_of(served.old_root), [hash_of(node) for node in served.proof])

    async def _proof_from_tiles(self, peer: PeerLink, old: int, new: int) -> Consistency:
        held = {}
        for path in tile_proofs.needed(old, new):
            answer = await peer.egress.ask(f"{peer.url}/{path}")
            if answer.status == 404 and not path.is_full:
                # A log that has grown may keep the full tile alone (C2SP tlog-tiles).
                answer = await peer.egress.ask(f"{peer.url}/{path.full}")
            if answer.status != 200:
                raise _unanswered(answer)
            held[path] = answer.body[: path.width * HASH_BYTES]
        return tile_proofs.consistency(old, new, held)

    # --- forks ----------------------------------------------------------------------------------

    async def _found(
        self,
        peer: PeerLink,
        signed: SignedHead,
        heads: Sequence[SignedHead],
        detail: str,
        *,
        halts: bool,
        proof: Sequence[bytes] = (),
        proved_root: bytes | None = None,
    ) -> NoReturn:
        """Keep the evidence and log the incident, once for each head that contradicts another.

        Raises:
          RtgfError: RTGF_TXP_GOSSIP_INCONSISTENT, always.
        """
        found = signed.head
        if self._store.gossip.finding(found.origin, found.size, found.root) is None:
            self._figures.gossiped(peer.name, "forked")
            await fork_report.report(
                Fork(found, heads, peer.name, detail, halts, proof, proved_root),
                objects=self._store.objects,
                mailbox=self._log,
                reporter=self._origin,
                clock=self._clock,
            )
        raise RtgfError(Code.RTGF_TXP_GOSSIP_INCONSISTENT, detail)


def _extends(old_size: int, old_root: bytes, new: Checkpoint, proof: Sequence[bytes]) -> bool:
    try:
        merkle.verify_consistency(
            old_size=old_size,
            new_size=new.size,
            old_root=old_root,
            new_root=new.root,
            proof=proof,
        )
    except RtgfError:
        return False
    return True


def _unanswered(answer: Answered) -> RtgfError:
    return RtgfError(Code.RTGF_UNREACHABLE, f"it answered {answer.status}")
