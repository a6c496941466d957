"""A log in a store, and a node around it that answers what a client may ask of a public log."""

from __future__ import annotations

import json
from collections.abc import Callable

from rtgf_node import wire
from rtgf_node.api import tiles
from rtgf_node.core import checkpoint, event, tokens, tree_head
from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.tiles import WIDTH, TilePath
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import Store
from rtgf_node.store.log_writer import LogWriter

ORIGIN = "log.example"
SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))
KEY = checkpoint.verifier_key(ORIGIN, SIGNER.public)
AT = 1_795_341_600
BATCH = 20_000


def entry(number: int) -> bytes:
    """An event as small as the store takes it."""
    return b'{"at":"","event_id":"evt:%d","subject":""}' % number


def real_event(number: int) -> bytes:
    """A whole event, of the length that most have."""
    return event.to_bytes(
        event.make(
            type="dataset",
            at=AT + number,
            subject=f"list-{number}",
            digest=f"sha256:{number:064x}",
            refs={"source": f"https://lists.example/{number}"},
            actor="did:web:fma.example",
            payload={"records": number, "content_sha256": f"sha256:{number:064x}"},
        )
    )


def grow(store: Store, size: int, *, make: Callable[[int], bytes] = entry) -> None:
    """Append entries until the log has `size`, without waiting for the disk."""
    writer = LogWriter(store.conn, store.log)
    store.conn.execute("PRAGMA synchronous = OFF")
    while writer.size < size:
        writer.begin()
        store.conn.execute("BEGIN IMMEDIATE")
        for number in range(writer.size, min(size, writer.size + BATCH)):
            writer.append(make(number))
        writer.accept()
        writer.flush()
        store.conn.execute("COMMIT")
        writer.commit()


def sign_head(store, size=None):
    """Sign the tree as it stands, or as it stood at `size`; return the head."""
    size = store.log.size if size is None else size
    root = store.log.root_at(size)
    head = tree_head.sign(ORIGIN, size, root, AT, SIGNER)
    writer = LogWriter(store.conn, store.log)
    writer.record_head(canonical_bytes(tree_head.to_document(head)), size, root)
    return head


class PublicLog:
    """Answers as a client of a node does, from a store and a few made-up tokens.

    Attributes:
      asked: the paths that were asked for.
      altered: answers to give instead of the true ones, by path.
      issued: bytes of tokens, by id; the first is leaf 0, and so on.
    """

    def __init__(self, store):
        self.store = store
        self.asked = []
        self.altered = {}
        self.issued = {}
        self.epoch = 0

    def issue(self, count):
        for number in range(len(self.issued), len(self.issued) + count):
            token_id = f"RMT:SG:payments_aml:2026-10.{number + 1}"
            self.issued[token_id] = canonical_bytes(tokens.seal({"token_id": token_id}))

    def about(self):
        return {"log": {"origin": ORIGIN, "keys": [KEY]}}

    def checkpoint(self):
        head = tree_head.from_document(parse(self.store.log.latest_head().document))
        return self._answer("checkpoint", head.checkpoint.encode())

    def tile(self, level, index, *, width=WIDTH):
        return self._piece(TilePath(level, index, width))

    def entry_bundle(self, index, *, width=WIDTH):
        return self._piece(TilePath(None, index, width))

    def consistency(self, old, new):
        proof = [node.hex() for node in self.store.log.consistency_proof(old, new)]
        return wire.ConsistencyProof(
            old_size=old, new_size=new, old_root="", new_root="", proof=proof
        )

    def catalog_entries(self):
        for number, (token_id, body) in enumerate(self.issued.items()):
            yield wire.CatalogEntry(
                uri=f"urn:rtgf:token:{token_id}",
                type="RMT",
                slug="../../not-used",
                hash=json.loads(body)["canonical_hash"],
                version="2026-10.1",
                issued_at="",
                nbf="",
                exp="",
                revoked=False,
                leafIndex=number,
            )

    def token(self, uri):
        return self._answer(uri, self.issued[uri.removeprefix("urn:rtgf:token:")])

    def jwks(self):
        return self._answer("jwks.json", b'{"keys":[]}')

    def signed_jwks(self):
        return "e30.e30.AA"

    def revocations(self):
        return self._answer("revocations", canonical_bytes({"revEpoch": self.epoch}))

    def _piece(self, path):
        return self._answer(str(path), tiles.piece(self.store.log, path))

    def _answer(self, path, data):
        self.asked.append(path)
        if path in self.altered:
            if self.altered[path] is None:
                raise RtgfError(Code.RTGF_UNREACHABLE, "the node is gone")
            return self.altered[path]
        return data
