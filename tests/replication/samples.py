"""Commands as the actors would make them, small and deterministic."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rtgf_node.core import digests, event
from rtgf_node.errors import RtgfError
from rtgf_node.replication.commands import (
    AppendEvents,
    Applied,
    Command,
    KeyRow,
    Outcome,
    Proposal,
    PublishBuild,
    RecordDataset,
    RecordKeys,
    Revoke,
    RevokeEntry,
    TakeSnapshot,
    TokenRow,
)
from rtgf_node.replication.state_machine import StateMachine

AT = 1_790_000_000


def event_bytes(
    subject: str, *, kind: str = "incident", at: int = AT, payload: object = None
) -> bytes:
    made = event.make(
        type=kind,
        at=at,
        subject=subject,
        digest=digests.sha256(subject.encode()),
        refs={},
        actor="test",
        payload={} if payload is None else {"value": payload},
    )
    return event.to_bytes(made)


def altered(entry: bytes) -> bytes:
    """Other bytes under the same event id."""
    return entry.replace(b'"actor":"test"', b'"actor":"evil"')


def append(*subjects: str) -> AppendEvents:
    return AppendEvents(tuple(event_bytes(subject) for subject in subjects))


def token(
    token_id: str, *, number: int, parents: Sequence[str] = (), body: bytes | None = None
) -> TokenRow:
    kind, place, name, version = token_id.split(":")
    version, issue = version.rsplit(".", 1)
    return TokenRow(
        token_id=token_id,
        jti=hashlib.sha256(token_id.encode()).hexdigest()[:32],
        type=kind,
        place=place,
        name=name,
        version=version,
        issue=int(issue),
        canonical_hash=digests.sha512(token_id.encode()),
        nbf=AT,
        exp=AT + 86_400,
        body=body if body is not None else b'{"token_id":"' + token_id.encode() + b'"}',
        status_list=0,
        status_idx=number,
        parents=tuple(parents),
    )


def publish(build_id: str, *tokens: TokenRow) -> PublishBuild:
    return PublishBuild(
        build_id=build_id,
        manifest_digest=digests.sha256(build_id.encode()),
        at=AT,
        events=(
            event_bytes(build_id, kind="build"),
            *(event_bytes(row.token_id, kind="token_issue") for row in tokens),
        ),
        tokens=tokens,
    )


RMT_EU = "RMT:EU:payments_aml:2026-10.1"
RMT_SG = "RMT:SG:payments_aml:2026-10.1"
IMT = "IMT:EU-SG:payments_aml:2026-10.1"
CORT = "CORT:EU-SG:remit:2026-10.1"
PSRT = "PSRT:EU-SG:route:2026-10.1"


def corridor_build() -> PublishBuild:
    """Two mandates, the corridor that rests on both, and what rests on the corridor."""
    return publish(
        "build-1",
        token(RMT_EU, number=0),
        token(RMT_SG, number=1),
        token(IMT, number=2, parents=[RMT_EU, RMT_SG]),
        token(CORT, number=3, parents=[IMT]),
        token(PSRT, number=4, parents=[CORT]),
    )


def revoke(token_id: str, *, status: str = "invalid", reason: str | None = None) -> Revoke:
    reasons = {"invalid": "policy_withdrawn"}
    reason = reason or reasons.get(status, "corridor_suspended")
    return Revoke((RevokeEntry(token_id, status, reason),), at=AT, actor="operator")


def snapshot(version: str, *, text: str = "", jurisdiction: str = "EU") -> TakeSnapshot:
    snapshot_id = f"snapshot:{jurisdiction.lower()}:payments_aml:{version}"
    body = (snapshot_id + text).encode()
    return TakeSnapshot(
        snapshot_id=snapshot_id,
        digest=digests.sha256(body),
        jurisdiction=jurisdiction,
        domain="payments_aml",
        version=version,
        body=body,
        event=event_bytes(snapshot_id + text, kind="policy_snapshot"),
    )


def dataset(content: str, *, name: str = "un-sc", at: int = AT) -> RecordDataset:
    return RecordDataset(
        name=name,
        version=content,
        provider="un",
        reader="un-xml",
        raw_sha256=digests.sha256(content.encode()),
        content_sha256=digests.sha256(b"content " + content.encode()),
        record_count=3,
        published="2026-10-01",
        retrieved_at=at,
        uri="https://lists.example/un.xml",
        etag=None,
        last_modified=None,
        signature_state="tls_only",
        records_sha256=digests.sha256(b"records " + content.encode()),
        event=event_bytes(f"{name}:{content}", kind="dataset", at=at),
    )


def keys(*rows: KeyRow) -> RecordKeys:
    events = tuple(event_bytes(row.kid, kind="key_event", payload=row.revoked_at) for row in rows)
    return RecordKeys(
        manifest=b"{}",
        jwks=b'{"keys":[]}',
        jwks_jws="a..b",
        keys=rows,
        events=(*events, event_bytes("jwks", kind="jwks_publish", payload=[r.kid for r in rows])),
    )


class Client:
    """Proposes commands one batch at a time, with numbers of its own."""

    def __init__(self, machine: StateMachine, name: str = "client") -> None:
        self.machine = machine
        self.name = name
        self.seq = 0

    def proposals(self, *commands: Command) -> list[Proposal]:
        made = []
        for command in commands:
            self.seq += 1
            made.append(Proposal(self.name, self.seq, command))
        return made

    def apply(self, *commands: Command) -> list[Applied]:
        return self.machine.apply_batch(self.proposals(*commands))

    def accepted(self, command: Command) -> Outcome:
        [applied] = self.apply(command)
        assert isinstance(applied.outcome, Outcome), applied.outcome
        return applied.outcome

    def refused(self, command: Command) -> RtgfError:
        [applied] = self.apply(command)
        assert isinstance(applied.outcome, RtgfError), applied.outcome
        return applied.outcome
