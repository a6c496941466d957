"""Authorities whose keys a test holds, for nodes that pin them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rtgf_node.core import canonical_json, snapshot
from rtgf_node.core.keys import KeySet
from tests.nodes import TestNode
from tests.worlds import Identity


def pinned(folder: Path, *authorities: Identity, own: bool = False) -> str:
    """Write the authorities' keys into `folder` and return the settings that pin them.

    With `own`, each for the place that its name says; else for those that nobody is pinned for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    for one in authorities:
        file = folder / f"{one.did.removeprefix('did:web:')}.json"
        file.write_bytes(canonical_json.canonical_bytes(one.keys.to_jwks()))
        place = one.did.split(".")[1].upper()
        places = f'jurisdictions = ["{place}"]\n' if own else ""
        tables.append(f'\n[[authority]]\ndid = "{one.did}"\njwks_file = "{file}"\n{places}')
    return "".join(tables)


def source(name: str, uri: str, *authorities: Identity) -> str:
    """Return the settings of a place that snapshots of these authorities are fetched from."""
    dids = json.dumps([one.did for one in authorities])
    return f'\n[[source]]\nname = "{name}"\nuri = "{uri}"\nauthorities = {dids}\n'


class Demo:
    """One of the demonstration's authorities in a node that does not run yet, with one more key.

    The key is pinned beside those that the demonstration made and threw away.
    """

    def __init__(self, node: TestNode, place: str) -> None:
        did = f"did:web:{place.lower()}.authority.example"
        # The demonstration gives its keys the first numbers.
        identity = Identity(did, use="authority", keys=9)
        self._signer = identity.signers[-1]
        self._home = node.folder / "authorities" / did.removeprefix("did:web:")
        file = self._home / "jwks.json"
        keys = [*KeySet.from_jwks(json.loads(file.read_text())), identity.public_keys[-1]]
        file.write_bytes(canonical_json.canonical_bytes(KeySet(keys).to_jwks()))
        self._place = place

    def document(self, domain: str = "payments_aml", **changes: Any) -> dict[str, Any]:
        """Return its snapshot, unsigned, with some members changed; the id follows the version."""
        path = self._home / f"snapshot-{self._place.lower()}-{domain}-2026-10.json"
        made = {**json.loads(path.read_text()), **changes}
        del made["policy_snapshot_hash"], made["signatures"]
        made["id"] = f"snapshot:{self._place.lower()}:{domain}:{made['version']}"
        return made

    def sealed(self, document: dict[str, Any]) -> bytes:
        """Return the document, hashed and signed."""
        return snapshot.seal(document, [self._signer])


def push(node: TestNode, body: bytes) -> str:
    """Push a snapshot that must be accepted, and return its id."""
    reply = node.ask("POST", "/admin/snapshots", body, role="regulator")
    assert reply.status == 201, reply.body
    return str(reply.json()["subject"])
