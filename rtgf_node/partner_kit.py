"""A folder of test tokens: one for each thing that can be the matter, and what must be said of it.

A throw-away authority makes them, with keys that are made for this folder and kept nowhere. Nothing
of a node is in it, and no node believes any of it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from rtgf_node import __version__
from rtgf_node.client import kit
from rtgf_node.client.kit import Expected
from rtgf_node.core import (
    base64url,
    canonical_json,
    digests,
    event,
    identifiers,
    jose,
    merkle,
    status_list,
    times,
    tokens,
)
from rtgf_node.core import tree_head as heads
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.event import Event
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.core.policy import plan
from rtgf_node.errors import Code, RtgfError
from rtgf_node.partner_kit_pages import README, RUN

ISSUER: Final = "did:web:partner-kit.test.invalid"
ORIGIN: Final = "partner-kit.test.invalid/log"
STATUS_LIST: Final = "https://partner-kit.test.invalid/revocations/status-list/0"
DOMAIN: Final = "payments_aml"
DAY: Final = 86_400
LIFE_DAYS: Final = 365
"""So long a kit is of use: its keys and its good tokens end then."""

USES: Final = ("root", "token", "log", "status")

Document = dict[str, Any]


class Case(NamedTuple):
    """A question of the kit, the token in it, and what must be answered."""

    name: str
    asked: Document
    valid: bool | None
    reason: str | None
    why: str


class Kit:
    """The throw-away authority, its log and what it has issued."""

    def __init__(self, *, at: int, seed: Callable[[], bytes]) -> None:
        self._at = at
        self._year = times.to_text(at)[:7]
        self.signers = {use: self._signer(number, seed()) for number, use in enumerate(USES, 1)}
        self.thief = self._signer(99, seed())
        self.entries: list[Event] = []
        self.issued: dict[str, Document] = {}
        self.changes: list[Document] = []
        self._statuses = status_list.empty()

    def _signer(self, number: int, seed: bytes) -> SeedSigner:
        return SeedSigner(identifiers.key_id(ISSUER, self._year, number), seed)

    def keys(self) -> KeySet:
        """Return the public keys, good for as long as the kit is."""
        return KeySet(
            PublicKey(one.kid, one.public, use, self._at - LIFE_DAYS * DAY, self._until())
            for use, one in self.signers.items()
            if use != "root"
        )

    def _until(self) -> int:
        return self._at + LIFE_DAYS * DAY

    def token(self, token_id: str, *, begins: int = -30, days: int = 30 + LIFE_DAYS) -> Document:
        """Return an unsigned token whose window begins so many days from now, and lasts so long."""
        kind, place, domain, version = token_id.split(":")
        nbf = self._at + begins * DAY
        window = {"nbf": times.to_text(nbf), "exp": times.to_text(nbf + days * DAY)}
        some = digests.sha256(b"partner kit")
        place_of = {"jurisdiction" if kind == "RMT" else "corridor": place}
        rests_on = [f"RMT:{end}:{domain}:{version}" for end in place.split("-")]
        return {
            "type": kind,
            "token_id": token_id,
            f"{kind.lower()}_id": token_id,
            "jti": identifiers.jti("build:partner-kit", token_id),
            "version": version,
            "schema_version": tokens.SCHEMA_VERSION,
            "issuer": ISSUER,
            "domain": domain,
            **place_of,
            "effective": window,
            "effective_date": window["nbf"],
            "expires_at": window["exp"],
            "ttl_sec": 3600,
            "policy_max_ttl": DAY,
            "policy_snapshot_hash": some,
            "scope_hash": some,
            "derived_from": rests_on if kind == "IMT" else [],
            "controls": [],
            "prohibitions": [],
            "duties": [],
            "assurance_level": "low",
            "required_assurance_level": "low",
            "effective_conflicts": [],
            "unmapped_clauses": [],
            "evidence": {"policy_snapshot": some, "datasets": [], "inputs": []},
            "evidence_requirements": [],
            "revocation": {
                "revEpoch": 0,
                "status_list": {"uri": STATUS_LIST, "idx": len(self.issued)},
                "transparency_log": f"https://{ORIGIN}",
                "anchor": {"tree_size": 0, "root_hash": some},
            },
            "build_manifest_id": some,
            "compiler_version": f"rtgf-node/{__version__} partner-kit",
            "predicate_set": [],
            "eval_plan": plan.make([]),
            "kid": self.signers["token"].kid,
        }

    def signed(self, token: Document, signer: SeedSigner | None = None) -> Document:
        """Return the token, sealed and signed."""
        by = signer or self.signers["token"]
        unsigned = {name: value for name, value in token.items() if name != "signatures"}
        return dict(json.loads(tokens.sign({**unsigned, "kid": by.kid}, [by])))

    def issue(self, token_id: str, *, days_ago: int = 3, **window: int) -> Document:
        """Issue a token: sign it, and log it."""
        token = self.signed(self.token(token_id, **window))
        self.issued[token_id] = token
        self._log("token_issue", token_id, token["canonical_hash"], {}, days_ago)
        return token

    def withdraw(self, token_id: str, *, status: str, reason: str) -> None:
        """Revoke or suspend a token."""
        token = self.issued[token_id]
        index = token["revocation"]["status_list"]["idx"]
        status_list.put(self._statuses, index, 1 if status == "invalid" else 2)
        said: Document = {"status": status, "reason": reason, "revEpoch": len(self.changes) + 1}
        self._log("revocation", token_id, token["canonical_hash"], said, 0)
        at = times.to_text(self._at)
        self.changes.append({"token_id": token_id, "jti": token["jti"], "at": at, **said})

    def _log(self, kind: str, subject: str, digest: str, said: Document, days_ago: int) -> None:
        made = event.make(
            type=kind,
            at=self._at - days_ago * DAY,
            subject=subject,
            digest=digest,
            refs={},
            actor=ISSUER,
            payload=said,
        )
        self.entries.append(made)

    def files(self) -> dict[str, bytes]:
        """Return what a verifier learns from, by file name."""
        lines = [event.to_bytes(entry) for entry in self.entries]
        root = merkle.root_hash([merkle.leaf_hash(line) for line in lines])
        head = heads.sign(ORIGIN, len(lines), root, self._at, self.signers["log"])
        jwks = canonical_json.canonical_bytes(self.keys().to_jwks())
        changed: dict[str, JsonValue] = {
            "revEpoch": len(self.changes),
            "treeSize": len(lines),
            "since": 0,
            "entries": list(self.changes),
        }
        signed = jose.sign_document(changed, [self.signers["status"]], typ="rtgf-revocations+jws")
        statuses = status_list.sign(
            bytes(self._statuses),
            self.signers["status"],
            uri=STATUS_LIST,
            at=self._at,
            rev_epoch=len(self.changes),
            tree_size=len(lines),
        )
        found = {
            kit.ROOT_KEY: base64url.encode(self.signers["root"].public).encode(),
            "jwks.json": jwks,
            kit.KEY_SET: jose.sign_compact(
                jwks, self.signers["root"], typ="rtgf-jwks+jws"
            ).encode(),
            kit.HEAD: canonical_json.canonical_bytes(heads.to_document(head)),
            kit.ENTRIES: b"\n".join(lines),
            kit.REVOCATIONS: canonical_json.canonical_bytes(signed),
            "status-list.jwt": statuses.encode(),
        }
        for token_id, token in self.issued.items():
            found[f"{kit.TOKENS}/{kit.file_of(token_id)}"] = canonical_json.canonical_bytes(token)
        return found


def cases(made: Kit) -> list[Case]:
    """Issue the tokens, and return what can be asked of them."""
    good, other, foreign = (f"RMT:{place}:{DOMAIN}:2026-10.1" for place in ("EU", "SG", "JP"))
    pair = f"IMT:EU-SG:{DOMAIN}:2026-10.1"
    token, neighbour, imt = made.issue(good), made.issue(other), made.issue(pair)
    made.issue(foreign)
    expired, early = f"RMT:UK:{DOMAIN}:2026-10.1", f"RMT:CA:{DOMAIN}:2026-10.1"
    made.issue(expired, begins=-300, days=200, days_ago=300)
    made.issue(early, begins=400, days=100)
    revoked, suspended = f"RMT:AU:{DOMAIN}:2026-10.1", f"RMT:CH:{DOMAIN}:2026-10.1"
    made.issue(revoked)
    made.issue(suspended)
    made.withdraw(revoked, status="invalid", reason="policy_withdrawn")
    made.withdraw(suspended, status="suspended", reason="corridor_suspended")
    before, after = f"RMT:US:{DOMAIN}:2026-10.1", f"RMT:US:{DOMAIN}:2026-10.2"
    made.issue(before, days_ago=3)
    made.issue(after, days_ago=2)
    altered = {**token, "assurance_level": "high"}
    unlogged = f"RMT:BR:{DOMAIN}:2026-10.1"

    def one(name: str, rmt: Any, valid: bool | None, reason: str | None, why: str) -> Case:  # noqa: ANN401
        return Case(name, {"tokens": {"rmt": rmt}}, valid, reason, why)

    def forged(name: str, rmt: Document, reason: str, why: str) -> Case:
        return one(f"forged-{name}", rmt, None, reason, why)

    both = {"rmt": good, "imt": pair}
    stranger = SeedSigner(made.signers["token"].kid, base64url.decode("A" * 43))
    return [
        one("good", good, True, None, "an RMT by its id"),
        one("good-whole", token, True, None, "the same, handed in whole"),
        Case("good-pair", {"tokens": both, "corridor": "EU-SG"}, True, None, "an IMT on its RMT"),
        one("expired", expired, False, "RTGF_VERIFY_EXPIRED", "its window has ended"),
        one("not-yet-valid", early, False, "RTGF_VERIFY_NOT_YET_VALID", "it has not begun"),
        one("revoked", revoked, False, "RTGF_VERIFY_REVOKED", "withdrawn for good"),
        one("suspended", suspended, False, "RTGF_VERIFY_REVOKED", "withdrawn for a time"),
        one(
            "superseded", before, False, "RTGF_VERIFY_EXPIRED", "overtaken for longer than its ttl"
        ),
        one("successor", after, True, None, "the issue that overtook it"),
        one(
            "unlogged",
            made.signed(made.token(unlogged)),
            False,
            "RTGF_TXP_PROOF_NOT_FOUND",
            "rightly signed, and not in the log",
        ),
        Case(
            "wrong-corridor",
            {"tokens": both, "corridor": "EU-JP"},
            False,
            "RTGF_VERIFY_CORRIDOR_MISMATCH",
            "asked about another corridor",
        ),
        Case(
            "wrong-chain",
            {"tokens": {"rmt": foreign, "imt": pair}},
            False,
            "RTGF_VERIFY_CHAIN_MISMATCH",
            "the IMT does not rest on this RMT",
        ),
        one("wrong-type", imt, None, "RTGF_TOKEN_TYPE_UNSUPPORTED", "an IMT where an RMT is due"),
        one(
            "unknown",
            f"RMT:EU:{DOMAIN}:1999-01.1",
            None,
            "RTGF_VERIFY_TOKEN_NOT_FOUND",
            "no such token",
        ),
        forged("content", altered, "RTGF_TOKEN_CANONICAL_MISMATCH", "a member was altered"),
        forged(
            "hash",
            {**altered, "canonical_hash": tokens.canonical_hash(altered)},
            "RTGF_VERIFY_SIGNATURE_INVALID",
            "altered, and its hash made anew",
        ),
        forged(
            "signature",
            {**token, "signatures": neighbour["signatures"]},
            "RTGF_VERIFY_SIGNATURE_INVALID",
            "signed as another token",
        ),
        forged(
            "unsigned",
            {**token, "signatures": []},
            "RTGF_VERIFY_SIGNATURE_INVALID",
            "without a signature",
        ),
        forged(
            "key",
            made.signed(token, made.thief),
            "RTGF_KID_UNKNOWN",
            "signed with a key that is not in the set",
        ),
        forged(
            "kid",
            made.signed(token, stranger),
            "RTGF_VERIFY_SIGNATURE_INVALID",
            "signed with another key under the name of the right one",
        ),
        forged(
            "purpose",
            made.signed(token, made.signers["log"]),
            "RTGF_VERIFY_SIGNATURE_INVALID",
            "signed with the log's key",
        ),
    ]


def make(
    folder: Path, *, at: int, seed: Callable[[], bytes] = lambda: secrets.token_bytes(32)
) -> list[Expected]:
    """Write a kit into a new or empty folder, and return what it must give.

    Raises:
      RtgfError: RTGF_EXISTS if something is in the folder, RTGF_INPUT_INVALID if it is no folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RtgfError(Code.RTGF_EXISTS, f"{folder} is not empty; name another folder")
    except OSError as error:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{folder}: {error.strerror}") from error
    made = Kit(at=at, seed=seed)
    asked = cases(made)
    files = made.files()
    expected = [Expected(f"{one.name}.json", one.valid, one.reason, one.why) for one in asked]
    for one in asked:
        files[f"{kit.QUESTIONS}/{one.name}.json"] = json.dumps(one.asked, indent=1).encode()
    said = [{name: getattr(one, name) for name in one.__struct_fields__} for one in expected]
    files[kit.EXPECTED] = json.dumps(said, indent=1).encode()
    files["README.md"] = _readme(expected, at).encode()
    files["run.py"] = RUN.encode()
    for name, body in files.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(body + b"\n")
    return expected


def _readme(expected: list[Expected], at: int) -> str:
    rows = "".join(
        f"| `{one.question}` | {_verdict(one)} | {f'`{one.reason}`' if one.reason else ''}"
        f" | {one.why} |\n"
        for one in expected
    )
    until = times.to_text(at + LIFE_DAYS * DAY)
    return README.format(issuer=ISSUER, at=times.to_text(at), until=until, rows=rows)


def _verdict(one: Expected) -> str:
    return {True: "valid", False: "not valid", None: "refused"}[one.valid]
