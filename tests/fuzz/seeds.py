"""Real, valid documents of every kind that is read: where fuzzing starts from."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rtgf_node.core import (
    canonical_json,
    checkpoint,
    cosignature,
    decision,
    digests,
    event,
    jose,
    manifest,
    merkle,
    status_list,
    tiles,
    times,
    tlog_proof,
    tokens,
    waiver,
)
from rtgf_node.core.add_checkpoint import AddCheckpoint
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.note import COSIGNATURE, VerifierKey
from rtgf_node.core.policy import receipts
from rtgf_node.errors import RtgfError
from tests import contexts, evidence_world, policy_questions, worlds
from tests import expressions as expressions_
from tests.core.test_tokens import CORT_TERMS, PSRT_TERMS, RRMT_TERMS

ROOT = Path(__file__).resolve().parents[2]
LISTS = ROOT / "config" / "demo-lists"
TERMS: dict[str, dict[str, Any]] = {"CORT": CORT_TERMS, "PSRT": PSRT_TERMS, "RRMT": RRMT_TERMS}
PARTS = b"\x00\x00"
"""Between the files of a set, so that a set is one input."""

LOG = evidence_world.SIGNERS["log"]
LOG_KEY = checkpoint.verifier_key(evidence_world.ORIGIN, LOG.public)
WITNESS = VerifierKey("witness.example", COSIGNATURE, evidence_world.STRANGER.public)
PROVER = worlds.Identity("did:web:proofs.example", use="proof")
APPROVER = worlds.Identity("did:web:approver.example", use="approver")
PARTY = {"name": "Ada Ordinary", "country": "SE"}
_LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(7)]


def lines(documents: Iterable[Any]) -> bytes:
    """Return JSON lines."""
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in documents)


def json_texts() -> list[bytes]:
    return [
        canonical_bytes(contexts.payment_eu_sg()),
        '{"é":[1.5,-0,1e21,1E-7,"\\u20ac\\ud83d\\ude00"],"":{},"a/b":[[[]],null,true]}'.encode(),
        b"9007199254740991",
    ]


def snapshots() -> list[bytes]:
    written = [worlds.document(), worlds.screened_document()]
    written += [contexts.policy_document(name) for name in contexts.policy_names()]
    return [
        worlds.sealed({k: v for k, v in one.items() if k != "policy_snapshot_hash"})
        for one in written
    ]


def signed_tokens() -> list[bytes]:
    kinds = [("RMT", None), ("IMT", None), *TERMS.items()]
    made = [worlds.token(kind, terms=terms) for kind, terms in kinds]
    compiled = contexts.illustrative_rmt("EU")
    made.append(worlds.token(predicate_set=compiled["predicate_set"], duties=compiled["duties"]))
    return [tokens.sign(one, worlds.node().signers) for one in made]


def terms() -> list[bytes]:
    return [canonical_bytes({"type": kind, "terms": held}) for kind, held in TERMS.items()]


def decisions() -> list[bytes]:
    """Predicates and a context to decide on."""
    chance = random.Random("predicates")
    made: list[dict[str, Any]] = []
    for number in range(20):
        rules = [policy_questions.predicate(number, chance)]
        context = {name: policy_questions.good(kind, chance) for name, kind in _inputs().items()}
        made.append({"predicates": rules, "context": context})
    for place in ("EU", "SG"):
        rules = contexts.illustrative_rmt(place)["predicate_set"]
        made.append({"predicates": rules, "context": contexts.payment_eu_sg()})
    return [canonical_bytes(one) for one in made]


def _inputs() -> dict[str, str]:
    return {name: kind for name, kind in policy_questions.INPUTS.items() if "." not in name}


def expressions() -> list[bytes]:
    chance = random.Random("expressions")
    made = [policy_questions.predicate(number, chance) for number in range(40)]
    context = {name: policy_questions.good(kind, chance) for name, kind in _inputs().items()}
    return [
        canonical_bytes({"expression": one["logic"], "context": context})
        for one in made
        if _compiles(one["logic"])
    ]


def _compiles(tree: Any) -> bool:
    """Return whether the names in it are those that `tests.expressions` declares."""
    try:
        expressions_.compiled(tree)
    except RtgfError:
        return False
    return True


def receipt_payloads() -> list[bytes]:
    now = worlds.NOW
    payload = {
        "type": "solvency",
        "subject": digests.of_document(PARTY),
        "issued_at": times.to_text(now - 60),
        "expires_at": times.to_text(now + 60),
    }
    signed = receipts.sign(
        "solvency", PARTY, issued_at=now - 60, expires_at=now + 60, signer=PROVER.signer
    )
    return [signed.encode(), canonical_bytes(payload)]


def head() -> checkpoint.Checkpoint:
    return checkpoint.Checkpoint(evidence_world.ORIGIN, 7, merkle.root_hash(_LEAVES), ("extra",))


def notes() -> list[bytes]:
    signed = checkpoint.sign_note(head(), evidence_world.ORIGIN, LOG)
    line = cosignature.cosign(
        checkpoint.to_text(head()), WITNESS.name, evidence_world.STRANGER, worlds.NOW
    )
    return [signed, signed + line.encode()]


def verifier_keys() -> list[bytes]:
    return [LOG_KEY.encode(), str(WITNESS).encode()]


def proofs() -> list[bytes]:
    path, signed = merkle.inclusion_proof(_LEAVES, 3), notes()[0].decode()
    return [
        tlog_proof.to_text(3, path, signed).encode(),
        tlog_proof.to_text(3, path, signed, extra=b"more").encode(),
    ]


def proved_leaf() -> bytes:
    return _LEAVES[3]


def witness_requests() -> list[bytes]:
    proof = tuple(merkle.consistency_proof(_LEAVES, 4))
    return [AddCheckpoint(size, proof, notes()[0]).to_bytes() for size in (4, 0)]


def tile_paths() -> list[bytes]:
    paths = [
        tiles.TilePath(0, 0),
        tiles.TilePath(None, 1_234_067, 255),
        tiles.TilePath(63, 999, 1),
        tiles.TilePath(1, tiles.MAX_INDEX),
    ]
    return [str(path).encode() for path in paths]


def bundles() -> list[bytes]:
    return [bytes([2]) + tiles.encode_bundle([b"one", b"two" * 200]), bytes([1, 0, 0])]


def status_lists() -> list[bytes]:
    packed = status_list.empty()
    status_list.put(packed, 7, status_list.INVALID)
    made = [status_list.encode([0, 1, 2, 0] * 9, 2), status_list.compress(bytes(packed))]
    return [text.encode() for text in made]


def status_jwts() -> list[bytes]:
    signed = status_list.sign(
        bytes(status_list.empty()),
        evidence_world.SIGNERS["status"],
        uri=evidence_world.LIST_URI,
        at=evidence_world.START,
        rev_epoch=0,
        tree_size=5,
    )
    _, payload, _ = jose.split_compact(signed)
    return [signed.encode(), payload]


def evidence_files() -> list[bytes]:
    world = evidence_world.World()
    world.revoke(evidence_world.RMT_EU)
    return [
        evidence_world.data(world.file(name))
        for name in (evidence_world.RMT_EU, evidence_world.IMT)
    ]


def events() -> list[bytes]:
    return [event.to_bytes(one) for one in evidence_world.World().events]


def key_sets() -> list[bytes]:
    return [evidence_world.World().jwks, canonical_bytes(worlds.node(keys=3).keys.to_jwks())]


def manifests() -> list[bytes]:
    held = worlds.by_id(worlds.document("EU"), worlds.document("SG"))
    inputs = worlds.build_inputs(held, ["EU", "SG", "EU-SG"])
    return [manifest.of_digests(inputs, {"token_plan.json": digests.sha256(b"")})]


def waivers() -> list[bytes]:
    made = waiver.seal(
        worlds.digest_of("snapshot"),
        {"poem": "read by hand"},
        approver=APPROVER.did,
        at=worlds.NOW,
        signers=APPROVER.signers,
    )
    return [made]


def decision_entries() -> list[bytes]:
    draft = decision.Draft(
        at=worlds.NOW,
        request_id="r-1",
        client="urn:rtgf:partner:bank-a",
        route="/verify",
        request_digest=digests.sha256(b"1"),
        answer_digest=digests.sha256(b"2"),
        tokens=("RMT:EU:payments_aml:2026-10",),
        valid=True,
        rev_epoch=0,
    )
    return [decision.Chain().add(draft).body]


def heads() -> list[bytes]:
    return [
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /verify?a=%20b HTTP/1.1\r\nhost: a\r\nContent-Length: 12\r\n"
        b"Connection: close\r\n\r\n",
        b"POST /verify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        b"X-A: b\r\nx-a: c\r\n\r\n"
        b"5;x=y\r\nhello\r\n0\r\nTrailer: a\r\n\r\n",
        b"GET http://a/b HTTP/1.0\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    ]


def texts() -> list[bytes]:
    return [
        *(
            b"2026-11-22T10:00:00Z",
            b"4711",
            b"EU",
            b"gb",
            b"EU->SG",
            b"payments_aml",
            b"P5Y",
            b"PT24H",
        ),
        *(b"urn:rtgf:token:IMT:EU-SG:payments_aml:2026-10.1", b"1000.00", b"-0.45", b"2026-11-22"),
        worlds.node().signer.kid.encode(),
    ]


def names() -> list[bytes]:
    written = [
        "Isaveta QUORRIN",
        "Исавета Кворрин",
        "محمد طاهر أنوري",
        "B. O. TARNOWHISK",
        "毛泽东",
    ]
    return [name.encode() for name in written]


def calendars() -> list[bytes]:
    return [
        canonical_bytes(
            {
                "weekend": ["saturday", "sunday"],
                "holidays": ["2026-01-01", "2026-12-25"],
                "from": "2026-01-01",
                "to": "2027-12-31",
            }
        )
    ]


def as_object(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `data`, if that is what it is."""
    try:
        value = canonical_json.parse(data)
        return value if isinstance(value, dict) else None
    except RtgfError:
        return None
