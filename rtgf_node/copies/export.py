"""A node's public files, copied to where a web server or a CDN hands them out.

The log as tiles and entry bundles, its checkpoint, the tokens, the key set and the revocation list,
under the paths they have on the node. Everything is read over HTTP and checked before it is
written: the tiles give the root of the signed checkpoint, the bundles give the tiles, each token
has the digest that the catalogue states.

The checkpoint is written last, and only when all that it covers is there. So what is exported
always fits together, an export that was killed is completed by the next one, and a full tile is
written once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from rtgf_node.client import Node
from rtgf_node.copies.destinations import Destination
from rtgf_node.core import canonical_json, checkpoint, identifiers, merkle, tiles, tokens
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.merkle import EMPTY_ROOT, HASH_BYTES
from rtgf_node.core.proof_bundle import hash_of
from rtgf_node.core.tiles import WIDTH, TilePath
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import CatalogEntry

CHECKPOINT: Final = "checkpoint"
REVOCATIONS: Final = "revocations.json"
"""On the node it is at `/revocations`, which in a folder would be in the way of what is below."""

TOKENS: Final = "tokens/"

IMMUTABLE: Final = "public, max-age=31536000, immutable"
PARTIAL: Final = "public, max-age=60"
TOKEN: Final = "public, max-age=300"  # noqa: S105 - a cache rule
KEYS: Final = "public, max-age=300"
NEWS: Final = "public, max-age=5"
"""Of the checkpoint and the revocation list, far below the 60 s in which one must be known."""

MAX_LIST_BYTES: Final = 32 << 20
"""Of a revocation list: what the client reads of one answer."""

OCTETS: Final = "application/octet-stream"

PROGRESS_EVERY: Final = 64
"""Tiles between two lines to the person who watches: 16,384 entries."""

Progress = Callable[[str], None]


class Exported(msgspec.Struct, frozen=True):
    """What an export did.

    Attributes:
      destination: where to.
      origin: the log's name.
      tree_size: leaves that the exported checkpoint covers.
      root_hash: of that tree.
      since: leaves that the checkpoint found there covered; 0 without one.
      tokens: that are there now.
      written: objects written by this export.
      bytes: in them.
    """

    destination: str
    origin: str
    tree_size: int
    root_hash: str
    since: int
    tokens: int
    written: int
    bytes: int


def export(node: Node, to: Destination, *, name: str, progress: Progress) -> Exported:
    """Bring `to`, which people know as `name`, up to the node's newest checkpoint.

    Raises:
      RtgfError: RTGF_UNREACHABLE or any answer of the node's; RTGF_UNAVAILABLE if the destination
        fails; RTGF_CONFLICT if it holds another log or a later state; RTGF_TXP_PROOF_INVALID,
        RTGF_TXP_GOSSIP_INCONSISTENT, RTGF_TXP_ROOT_SIGNATURE_INVALID or
        RTGF_TOKEN_CANONICAL_MISMATCH if the node serves what does not fit together. The checkpoint
        of the destination is then the one that was there before.
    """
    return _Export(node, to, progress).run(name)


class _Export:
    def __init__(self, node: Node, to: Destination, progress: Progress) -> None:
        self._node = node
        self._to = to
        self._progress = progress
        self._written = 0
        self._bytes = 0
        # Checked tiles that others hang from, by level and number: those above level 0, and the
        # right edge. That is 32 bytes for each 256 leaves exported.
        self._tiles: dict[tuple[int, int], bytes] = {}

    def run(self, name: str) -> Exported:
        # First of all, so that whatever is read later is at least as new.
        note = self._node.checkpoint()
        head, before = self._heads(note)
        self._check_growth(before, head)
        self._write_log(before.size, head)
        held = self._write_tokens(head.size)
        self._write_lists()
        self._to.settle()
        self._refresh(CHECKPOINT, note, "text/plain; charset=utf-8", NEWS)
        self._to.settle()
        self._remove_outgrown(before.size, head.size)
        return Exported(
            destination=name,
            origin=head.origin,
            tree_size=head.size,
            root_hash=f"sha256:{head.root.hex()}",
            since=before.size,
            tokens=held,
            written=self._written,
            bytes=self._bytes,
        )

    def _heads(self, note: bytes) -> tuple[Checkpoint, Checkpoint]:
        """Return the node's checkpoint, and the one at the destination: an empty tree without."""
        log = self._node.about().get("log")
        stated = log.get("keys") if isinstance(log, dict) else None
        keys = [str(key) for key in stated] if isinstance(stated, list) else []
        head = checkpoint.open_note(note, keys)
        held = self._to.read(CHECKPOINT)
        if held is None:
            return head, Checkpoint(head.origin, 0, EMPTY_ROOT)
        return head, checkpoint.open_note(held, keys)

    def _check_growth(self, before: Checkpoint, head: Checkpoint) -> None:
        """The log at the destination is the beginning of the node's: history is not replaced."""
        if before.origin != head.origin:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"the destination holds the log {before.origin!r}, the node has {head.origin!r}; "
                "give each log a place of its own",
            )
        if before.size > head.size:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"the destination holds {before.size} leaves, the node has signed {head.size}; "
                "export from a node that is not behind",
            )
        try:
            if before.size:
                merkle.verify_consistency(
                    old_size=before.size,
                    new_size=head.size,
                    old_root=before.root,
                    new_root=head.root,
                    proof=[
                        hash_of(text)
                        for text in self._node.consistency(before.size, head.size).proof
                    ],
                )
        except RtgfError as error:
            if error.code is not Code.RTGF_TXP_PROOF_INVALID:
                raise
            raise RtgfError(
                Code.RTGF_TXP_GOSSIP_INCONSISTENT,
                f"the node's log does not extend the {before.size} leaves at the destination: one "
                "of the two was rewritten; keep both and find out which",
                causes=(error,),
            ) from error

    # --- the log --------------------------------------------------------------------------------

    def _write_log(self, since: int, head: Checkpoint) -> None:
        if tiles.tree_root(head.size, self._edge) != head.root:
            raise RtgfError(
                Code.RTGF_TXP_PROOF_INVALID,
                f"the node's tiles do not give the root of its checkpoint of {head.size} leaves",
            )
        full = head.size // WIDTH
        # The highest level first: each tile is held against its parent.
        for path in tiles.covering(head.size, since=since):
            if path.level == 0:
                self._write_leaves(path)
                if path.number % PROGRESS_EVERY == 0 and full >= PROGRESS_EVERY:
                    self._progress(f"{path.number} of {full} full tiles of leaves")
            elif path.level is not None:
                hashes = self._tiles[path.level, path.number] = self._checked(path)
                self._write_piece(path, hashes)

    def _write_leaves(self, path: TilePath) -> None:
        """Write a tile of level 0 and the bundle below it, unless both are there."""
        bundle = path._replace(level=None)
        has_tile, has_bundle = self._to.has(str(path)), self._to.has(str(bundle))
        if has_tile and has_bundle:
            return
        hashes = self._checked(path)
        if not has_bundle:
            data = self._node.entry_bundle(bundle.number, width=bundle.width)
            entries = tiles.decode_bundle(data, bundle.width)
            if b"".join(map(merkle.leaf_hash, entries)) != hashes:
                raise RtgfError(
                    Code.RTGF_TXP_PROOF_INVALID, f"the node's {bundle} is not below its {path}"
                )
            self._put(str(bundle), data, OCTETS, _cache(bundle))
        if not has_tile:
            self._put(str(path), hashes, OCTETS, _cache(path))

    def _write_piece(self, path: TilePath, data: bytes) -> None:
        if not self._to.has(str(path)):
            self._put(str(path), data, OCTETS, _cache(path))

    def _edge(self, path: TilePath) -> bytes:
        """Read a partial tile; all of them together are checked by the root."""
        assert path.level is not None
        data = self._node.tile(path.level, path.number, width=path.width)
        self._tiles[path.level, path.number] = data
        return data

    def _checked(self, path: TilePath) -> bytes:
        """Return a tile that hangs from a checked one, or is one."""
        assert path.level is not None
        held = self._tiles.get((path.level, path.number))
        if held is not None:
            return held
        data = self._node.tile(path.level, path.number)
        above, place = divmod(path.number, WIDTH)
        # A tile that is new has a parent that is new, or at the edge: it was read before.
        parent = self._tiles[path.level + 1, above]
        expected = parent[place * HASH_BYTES : (place + 1) * HASH_BYTES]
        if merkle.root_hash(tiles.split(path, data)) != expected:
            raise RtgfError(
                Code.RTGF_TXP_PROOF_INVALID, f"the node's {path} is not below the tile above it"
            )
        return data

    def _remove_outgrown(self, since: int, size: int) -> None:
        """Take partial pieces away that have become full; C2SP lets readers ask for those then."""
        for path in tiles.covering(since):
            if not path.is_full and path.full.is_covered(size):
                for name in list(self._to.names(f"{path.full}.p/")):
                    self._to.remove(name)

    # --- what the log is about ------------------------------------------------------------------

    def _write_tokens(self, size: int) -> int:
        """Write the tokens that the first `size` leaves issued; return how many there are."""
        held = set(self._to.names(TOKENS))
        covered = [entry for entry in self._node.catalog_entries() if entry.leafIndex < size]
        for entry in covered:
            # The name is made from a checked id: what a node says must not lead out of the folder.
            token_id = identifiers.token_reference(entry.uri)
            kind = token_id.partition(":")[0]
            name = f"{TOKENS}{kind}/{identifiers.slug(token_id)}"
            if name not in held:
                self._put(name, self._token(entry), "application/imt-rmt+json", TOKEN)
        return len(covered)

    def _token(self, entry: CatalogEntry) -> bytes:
        data = self._node.token(entry.uri)
        document = canonical_json.parse_object(data)
        stated = (document.get("token_id"), document.get("canonical_hash"))
        expected = (identifiers.token_reference(entry.uri), entry.hash)
        if stated != expected or tokens.canonical_hash(document) != entry.hash:
            raise RtgfError(
                Code.RTGF_TOKEN_CANONICAL_MISMATCH,
                f"the node serves another token as {entry.uri} than its catalogue lists",
            )
        return data

    def _write_lists(self) -> None:
        jwks, signed = self._node.jwks(), self._node.signed_jwks().encode()
        for folder in ("", ".well-known/"):
            self._refresh(f"{folder}jwks.json", jwks, "application/jwk-set+json", KEYS)
            self._refresh(f"{folder}jwks.jws", signed, "application/jose", KEYS)
        revoked = self._node.revocations()
        held = self._to.read(REVOCATIONS)
        if held is not None and _epoch(held) > _epoch(revoked):
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"the destination has revocations to epoch {_epoch(held)}, the node to "
                f"{_epoch(revoked)}; export from a node that is not behind",
            )
        self._refresh(REVOCATIONS, revoked, "application/json", NEWS)

    # --- writing --------------------------------------------------------------------------------

    def _refresh(self, name: str, data: bytes, media_type: str, cache: str) -> None:
        if self._to.read(name) != data:
            self._put(name, data, media_type, cache)

    def _put(self, name: str, data: bytes, media_type: str, cache: str) -> None:
        self._to.put(name, data, media_type=media_type, cache=cache)
        self._written += 1
        self._bytes += len(data)


def _cache(path: TilePath) -> str:
    return IMMUTABLE if path.is_full else PARTIAL


def _epoch(data: bytes) -> int:
    """Return the epoch that a revocation list states."""
    epoch = canonical_json.parse_object(data, max_bytes=MAX_LIST_BYTES).get("revEpoch")
    if not isinstance(epoch, int):
        raise RtgfError(Code.RTGF_INPUT_INVALID, "a revocation list without its revEpoch")
    return epoch
