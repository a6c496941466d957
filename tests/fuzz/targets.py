"""Every reader of bytes that strangers send: what it is given, and how it may answer.

A target returns when the bytes were accepted, and raises one of its `refusals` when they were not.
Whatever else it raises is a bug. What is accepted is held to more: it can be written again.

Documents that are hashed or signed are read as they come, and once more with hash and signature
made good, so that what stands behind the door is reached too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from operator import attrgetter
from typing import Any, NamedTuple

from rtgf_node.api import framing
from rtgf_node.core import (
    add_checkpoint,
    as_of,
    canonical_json,
    checkpoint,
    cosignature,
    decision,
    event,
    evidence_check,
    identifiers,
    jose,
    manifest,
    note,
    snapshot,
    snapshot_check,
    status_list,
    tiles,
    times,
    tlog_proof,
    tokens,
    waiver,
)
from rtgf_node.core import terms as token_terms
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import KeySet
from rtgf_node.core.list_answers import ListAnswers
from rtgf_node.core.lists import record_file
from rtgf_node.core.lists.question import Party
from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.record import content_digest
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.policy import calendars, decide, duration, money, plan, predicates, receipts
from rtgf_node.core.policy.receipts import PinnedVerifiers, Verifier
from rtgf_node.core.policy.rule import compile_rule
from rtgf_node.core.policy.values import EvaluationError
from rtgf_node.errors import Code, RtgfError
from tests import contexts, evidence_world, expressions, worlds
from tests.fuzz import list_seeds, seeds

PINNED = PinnedVerifiers(
    [Verifier(seeds.PROVER.did, frozenset({"solvency"}), KeySet(seeds.PROVER.public_keys))]
)
LIBRARY = worlds.library()


class Target(NamedTuple):
    """One reader.

    Attributes:
      run: reads the bytes.
      seeds: gives valid ones.
      refusals: what it may raise.
    """

    run: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    refusals: tuple[type[Exception], ...] = (RtgfError,)


@contextmanager
def no_refusal() -> Iterator[None]:
    """What was accepted once is not refused when it is read or written again."""
    try:
        yield
    except RtgfError as error:
        raise AssertionError(str(error)) from error


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def json_text(data: bytes) -> None:
    value = canonical_json.parse(data)
    with no_refusal():
        written = canonical_bytes(value)
        again = canonical_json.parse_canonical(written, max_bytes=1 << 24)
        assert (again, canonical_bytes(again)) == (value, written)


def signed_snapshot(data: bytes) -> None:
    document = seeds.as_object(data)
    if document is not None:
        _snapshot(snapshot.seal(document, worlds.authority("EU").signers))
    _snapshot(data)


def _snapshot(data: bytes) -> None:
    _, held = snapshot.read(data)
    compiled = predicates.compile_snapshot(held, LIBRARY)
    with no_refusal():
        for one in compiled.predicates:
            compile_rule(one)


def draft(data: bytes) -> None:
    """What is shown to somebody who writes rules: it says what is wrong, and raises nothing."""
    report = snapshot_check.check(data, LIBRARY, answers=ListAnswers({}))
    assert report.findings or report.compiled == report.clauses


def token(data: bytes) -> None:
    node = worlds.node()
    document = seeds.as_object(data)
    if document is not None:
        try:
            signed = tokens.sign(document, node.signers)
            held = tokens.check(signed, keys=node.keys, at=worlds.NOW)
            with no_refusal():
                assert tokens.parse(signed) == held
            _decide(held.predicate_set, contexts.payment_eu_sg())
        except RtgfError:
            pass
    tokens.check(data, keys=node.keys, at=worlds.NOW)


def terms(data: bytes) -> None:
    document = canonical_json.parse_object(data)
    kind = str(document.get("type"))
    token_terms.read(kind, document.get("terms"), code=Code.RTGF_INPUT_INVALID)


def expression(data: bytes) -> None:
    document = canonical_json.parse_object(data)
    context = document.get("context")
    expressions.evaluate(
        document.get("expression"),
        context if isinstance(context, dict) else {},
        resolvers=contexts.RESOLVERS,
    )


def rules(data: bytes) -> None:
    """Deciding raises nothing at all, whatever the rules and the context are."""
    document = canonical_json.parse_object(data)
    found = _decide(document.get("predicates"), document.get("context"))
    held = document.get("predicates")
    for one in held if isinstance(held, list) else []:
        compile_rule(one)
    assert found.decision in {"DENY", "PERMIT", "PERMIT_WITH_CONTROLS"}


def _decide(predicate_set: Any, context: Any) -> decide.Decision:
    try:
        rules = [compile_rule(one) for one in predicate_set or []]
        described = plan.describe(plan.arrange(rules))
    except (RtgfError, TypeError):
        described = {}
    prepared = decide.prepare(predicate_set, described)
    found = decide.run(prepared, context, at=worlds.NOW, resolvers=contexts.RESOLVERS)
    with no_refusal():
        assert canonical_json.parse_canonical(found.trace_bytes, max_bytes=1 << 24) == found.trace
    return found


def receipt(data: bytes) -> None:
    """A receipt that cannot be read is one that does not hold: nothing is raised."""
    signed = jose.sign_compact(data, seeds.PROVER.signer, typ=receipts.SIGNATURE_TYPE)
    texts: list[Any] = [_text(data), data.decode(errors="surrogateescape"), signed]
    for text in texts:
        held = {"receipt": text}
        arguments = {"proof": "solvency", "receipt": held, "subject": seeds.PARTY}
        answer = PINNED.resolve(arguments, at=worlds.NOW)
        assert answer in ({"valid": True}, {"valid": False})


def signed_note(data: bytes) -> None:
    cosignature.verify(data, [seeds.WITNESS])
    held = checkpoint.open_note(data, [seeds.LOG_KEY])
    with no_refusal():
        assert checkpoint.from_text(checkpoint.to_text(held)) == held
    text, lines = note.split(data)
    assert data == f"{text}\n{''.join(map(str, lines))}".encode()


def verifier_key(data: bytes) -> None:
    text = _text(data)
    assert str(note.parse_key(text)) == text


def proof_file(data: bytes) -> None:
    held = tlog_proof.parse(data)
    written = tlog_proof.to_text(held.index, held.path, held.checkpoint, extra=held.extra)
    assert written.encode() == data
    tlog_proof.verify(data, leaf_hash=seeds.proved_leaf(), verifier_keys=[seeds.LOG_KEY])


def witness_request(data: bytes) -> None:
    assert add_checkpoint.parse(data).to_bytes() == data


def tile_path(data: bytes) -> None:
    text = _text(data)
    assert str(tiles.parse(text)) == text


def bundle(data: bytes) -> None:
    width = data[0] if data else 1
    entries = tiles.decode_bundle(data[1:], width)
    with no_refusal():
        assert not entries or tiles.encode_bundle(entries) == data[1:]


def packed_statuses(data: bytes) -> None:
    text = _text(data)
    statuses = status_list.decode(text, 2, status_list.ENTRIES)
    with no_refusal():
        assert status_list.decode(status_list.encode(statuses, 2), 2, len(statuses)) == statuses


def status_jwt(data: bytes) -> None:
    signer = evidence_world.SIGNERS["status"]
    keys = KeySet.from_jwks(canonical_json.parse(_world().jwks))
    signed = jose.sign_compact(data or b"0", signer, typ=status_list.JWT_TYP)
    for text in (signed, _text(data)):
        try:
            status_list.claims_of(text)
            status_list.verify(text, keys, at=evidence_world.START)
            return
        except RtgfError as error:
            refusal = error
    raise refusal


@cache
def _world() -> evidence_world.World:
    return evidence_world.World()


def evidence_file(data: bytes) -> None:
    document = seeds.as_object(data)
    if document is not None:
        data = canonical_bytes(document)  # as it has to be, so that what is in it is looked at
    evidence_check.check(data, root_public=evidence_world.ROOT.public)


def log_event(data: bytes) -> None:
    assert event.to_bytes(event.parse(data)) == data


def key_set(data: bytes) -> None:
    held = KeySet.from_jwks(canonical_json.parse(data))
    with no_refusal():
        again = KeySet.from_jwks(held.to_jwks())
    assert sorted(again, key=_kid) == sorted(held, key=_kid)


_kid = attrgetter("kid")


def build_manifest(data: bytes) -> None:
    document = seeds.as_object(data)
    if document is not None:
        manifest.read_inputs(document.get("inputs"))
    manifest.parse(data)


def signed_waiver(data: bytes) -> None:
    waiver.read(data)
    approvers = {seeds.APPROVER.did: seeds.APPROVER.keys}
    document = seeds.as_object(data)
    if document is not None:
        signed = jose.sign_document(document, seeds.APPROVER.signers, typ=waiver.SIGNATURE_TYPE)
        data = canonical_bytes(signed)
    waiver.accept(data, approvers=approvers, at=worlds.NOW)


def decision_entry(data: bytes) -> None:
    decision.entry_hash(decision.read_entry(data))


def request_head(data: bytes) -> None:
    end = data.find(framing.HEAD_END) + len(framing.HEAD_END)
    head = framing.read_head(data[:end])
    assert head.length is None or head.length >= 0
    if head.length is None:
        lines = data[:end].split(b"\r\n")
        plain = [line for line in lines if line.partition(b":")[0].lower() != b"upgrade"]
        body = framing.Chunks(b"\r\n".join(plain))
        for at in range(end, len(data), 97):
            body.feed(data[at : at + 97])


def short_text(data: bytes) -> None:
    """Times, places, ids and amounts, each by its own reader; one of them has to know it."""
    text = _text(data)
    known = 0
    for read in _TEXTS:
        try:
            read(text)
            known += 1
        except (RtgfError, ValueError):
            continue
    if not known:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "nobody knows it")


def _time(text: str) -> None:
    epoch = times.parse(text)
    with no_refusal():
        assert times.to_text(epoch) == text


_TEXTS: tuple[Callable[[str], object], ...] = (
    _time,
    as_of.parse,
    identifiers.jurisdiction,
    identifiers.corridor,
    identifiers.domain,
    identifiers.token_reference,
    identifiers.issuer_of_kid,
    duration.parse,
    money.parse_decimal,
    calendars.day_of,
)


def calendar(data: bytes) -> None:
    calendars.read(canonical_json.parse(data))


def screened_name(data: bytes) -> None:
    text = data.decode(errors="replace")
    for match in _index().screen(Party((text,)), threshold=0.8):
        assert 0.8 <= match.score <= 1.0


@cache
def _index() -> NameIndex:
    return NameIndex.build(READERS["au-jsonl"].read(list_seeds.of("au-jsonl")[0]).records)


def sanctions_list(reader: str, data: bytes) -> None:
    held = READERS[reader]
    parts = data.split(seeds.PARTS) if held.parts else [data]
    result = held.read(dict(zip(held.parts or ("list",), parts, strict=False)))
    assert result.records
    with no_refusal():
        content = content_digest(result.records, held.id, held.version)
        kept = record_file.write(result.records, reader=held.id, version=held.version)
        assert Counter(record_file.read(kept, content)) == Counter(result.records)
        NameIndex.build(result.records[:50])


TARGETS: dict[str, Target] = {
    "json": Target(json_text, seeds.json_texts),
    "snapshot": Target(signed_snapshot, seeds.snapshots),
    "draft": Target(draft, seeds.snapshots),
    "token": Target(token, seeds.signed_tokens),
    "terms": Target(terms, seeds.terms),
    "expression": Target(expression, seeds.expressions, (RtgfError, EvaluationError)),
    "rules": Target(rules, seeds.decisions),
    "receipt": Target(receipt, seeds.receipt_payloads),
    "calendar": Target(calendar, seeds.calendars, (RtgfError, ValueError)),
    "note": Target(signed_note, seeds.notes),
    "verifier-key": Target(verifier_key, seeds.verifier_keys),
    "tlog-proof": Target(proof_file, seeds.proofs),
    "add-checkpoint": Target(witness_request, seeds.witness_requests),
    "tile-path": Target(tile_path, seeds.tile_paths),
    "bundle": Target(bundle, seeds.bundles),
    "status-list": Target(packed_statuses, seeds.status_lists),
    "status-jwt": Target(status_jwt, seeds.status_jwts),
    "evidence": Target(evidence_file, seeds.evidence_files),
    "event": Target(log_event, seeds.events),
    "key-set": Target(key_set, seeds.key_sets),
    "manifest": Target(build_manifest, seeds.manifests),
    "waiver": Target(signed_waiver, seeds.waivers),
    "decision-entry": Target(decision_entry, seeds.decision_entries),
    "request-head": Target(request_head, seeds.heads),
    "text": Target(short_text, seeds.texts),
    "name": Target(screened_name, seeds.names),
    **{
        f"list:{reader}": Target(partial(sanctions_list, reader), partial(list_seeds.of, reader))
        for reader in sorted(READERS)
    },
}
