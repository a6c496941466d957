"""Decisions as a chain, and what proves one of them: core only, no node."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import checkpoint, decision, digests, event, merkle, times, tree_head
from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.core.decision import Chain, Draft
from rtgf_node.core.keys import SeedSigner
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import ProofBundle
from rtgf_node.wire.decisions import DecisionProof

AT = 1_790_000_000
ORIGIN = "log.example"
SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))
KEYS = [checkpoint.verifier_key(ORIGIN, SIGNER.public)]
DIGEST = digests.sha256(b"")


def draft(number: int, **changes) -> Draft:
    made = Draft(
        at=AT + number,
        request_id=f"r-{number}",
        client="urn:rtgf:partner:bank-a",
        route="/verify",
        request_digest=digests.sha256(str(number).encode()),
        answer_digest=DIGEST,
        tokens=("RMT:EU:payments_aml:2026-10",),
        valid=True,
        rev_epoch=0,
    )
    return made._replace(**changes)


def entries_of(count: int, chain: Chain | None = None):
    chain = chain or Chain()
    return [decision.read_entry(chain.add(draft(number)).body) for number in range(count)]


def proof_of(entries, index: int, *, others: int = 5) -> DecisionProof:
    """Make the proof as a node does, in a log of `others` events and the root's."""
    chain = Chain()
    for number in range(len(entries)):
        chain.add(draft(number))
    interval = chain.seal()
    assert interval is not None
    logged = decision.root_event(interval, chain="did:web:a.example", at=AT, actor=ORIGIN)
    data = event.to_bytes(logged)
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(others)]
    leaves.append(merkle.leaf_hash(data))
    head = tree_head.sign(ORIGIN, len(leaves), merkle.root_hash(leaves), AT, SIGNER)
    bundle = ProofBundle(
        eventId=logged.event_id,
        leafIndex=others,
        treeSize=len(leaves),
        merkleRoot=head.root_hash,
        leafHash=f"sha256:{leaves[-1].hex()}",
        eventDigest=digests.sha256(data),
        path=[node.hex() for node in merkle.inclusion_proof(leaves, others)],
        consistency=[],
        issuedAt=head.issued_at,
        checkpoint=head.checkpoint,
        signatures=[],
    )
    document = parse(data)
    assert isinstance(document, dict)
    path = decision.path_of([decision.entry_hash(entry) for entry in entries], index)
    return DecisionProof(entry=entries[index], path=path, event=document, bundle=bundle)


def test_an_entry_is_canonical_and_holds_the_hash_of_the_one_before_it():
    chain = Chain()
    first, second = chain.add(draft(1)), chain.add(draft(2))
    assert canonical_bytes(parse(first.body)) == first.body
    assert parse(first.body)["prev"] == decision.GENESIS
    assert parse(second.body)["prev"] == f"sha256:{hashlib.sha256(first.body).hexdigest()}"
    assert chain.head == f"sha256:{hashlib.sha256(second.body).hexdigest()}"
    assert decision.entry_hash(decision.read_entry(second.body)) == second.hash


@given(
    text=st.text(max_size=30).filter(lambda text: text.isprintable()),
    asked=st.none() | st.just(DIGEST),
    reason=st.none() | st.just("RTGF_VERIFY_REVOKED"),
    valid=st.none() | st.booleans(),
)
def test_whatever_a_client_is_called_the_hash_is_that_of_the_canonical_form(
    text, asked, reason, valid
):
    said = {"client": text, "request_digest": asked, "reason": reason, "valid": valid}
    made = Chain().add(draft(1, **said))
    entry = decision.read_entry(made.body)
    assert entry.client == text
    assert canonical_bytes(msgspec.to_builtins(entry)) == made.body


def test_an_interval_has_the_rfc_6962_root_over_the_hashes_of_its_entries():
    chain = Chain()
    hashes = [chain.add(draft(number)).hash for number in range(7)]
    assert chain.seal() == decision.Interval(
        first_seq=1,
        last_seq=7,
        count=7,
        root=f"sha256:{merkle.root_hash(merkle.leaf_hash(one) for one in hashes).hex()}",
        head=f"sha256:{hashes[-1].hex()}",
    )
    assert chain.seal() is None
    chain.add(draft(7))
    assert (sealed := chain.seal()) is not None
    assert (sealed.first_seq, sealed.last_seq) == (8, 8)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13])
def test_every_entry_of_an_interval_is_proved(count):
    entries = entries_of(count)
    for index in range(count):
        signed = decision.verify_proof(proof_of(entries, index), verifier_keys=KEYS)
        assert signed.size == 6


def altered(proof: DecisionProof) -> dict[str, DecisionProof]:
    replace = msgspec.structs.replace
    inner = {**proof.event, "payload": {**proof.event["payload"], "count": 14}}
    other = event.make(
        type="incident", at=AT, subject="x", digest=DIGEST, refs={}, actor="x", payload={}
    )
    return {
        "another verdict": replace(proof, entry=replace(proof.entry, valid=False)),
        "another place": replace(proof, entry=replace(proof.entry, seq=proof.entry.seq + 1)),
        "a place before the interval": replace(proof, entry=replace(proof.entry, seq=0)),
        "a hash of the path": replace(proof, path=["00" * 32, *proof.path[1:]]),
        "a shorter path": replace(proof, path=proof.path[1:]),
        "no hash at all": replace(proof, path=["xyz", *proof.path[1:]]),
        "an edited event": replace(proof, event=inner),
        "an event of another type": replace(proof, event=parse(event.to_bytes(other))),
        "a checkpoint of somebody else": replace(
            proof, bundle=replace(proof.bundle, checkpoint="log.example\n1\nAA==\n\n")
        ),
    }


@pytest.mark.parametrize("what", list(altered(proof_of(entries_of(13), 4))))
def test_a_proof_that_was_altered_is_refused(what):
    forged = altered(proof_of(entries_of(13), 4))[what]
    with pytest.raises(RtgfError) as refused:
        decision.verify_proof(forged, verifier_keys=KEYS)
    assert refused.value.code in {
        Code.RTGF_TXP_PROOF_INVALID,
        Code.RTGF_TXP_EVENT_INVALID,
        Code.RTGF_TXP_ROOT_SIGNATURE_INVALID,
    }


def test_a_proof_under_another_key_is_refused():
    other = SeedSigner(SIGNER.kid, bytes(32))
    keys = [checkpoint.verifier_key(ORIGIN, other.public)]
    with pytest.raises(RtgfError):
        decision.verify_proof(proof_of(entries_of(2), 0), verifier_keys=keys)


def test_a_root_event_must_count_what_it_names():
    chain = Chain()
    chain.add(draft(1))
    interval = chain.seal()
    assert interval is not None
    wrong = msgspec.structs.replace(interval, count=2)
    logged = decision.root_event(wrong, chain="x", at=AT, actor="x")
    with pytest.raises(RtgfError) as refused:
        decision.read_root(logged)
    assert refused.value.code is Code.RTGF_TXP_PROOF_INVALID


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_a_hidden_or_edited_entry_breaks_the_chain(hidden):
    entries = entries_of(5)
    decision.check_links(entries)
    with pytest.raises(RtgfError, match=f"decision {hidden + 2}"):
        decision.check_links([*entries[:hidden], *entries[hidden + 1 :]])
    edited = msgspec.structs.replace(entries[hidden], decision="PERMIT")
    with pytest.raises(RtgfError, match=f"decision {hidden + 2}"):
        decision.check_links([*entries[:hidden], edited, *entries[hidden + 1 :]])


def test_a_chain_takes_up_only_what_follows():
    source = Chain()
    first, second, third = (source.add(draft(number)) for number in range(3))
    chain = Chain()
    chain.take(first.seq, first.body, first.hash)
    for seq, body, hashed in (
        (third.seq, third.body, third.hash),
        (2, third.body, third.hash),
        (2, second.body, third.hash),
        (2, b"{}", hashlib.sha256(b"{}").digest()),
    ):
        with pytest.raises(RtgfError) as refused:
            chain.copy().take(seq, body, hashed)
        assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED
    chain.take(second.seq, second.body, second.hash)
    assert (chain.seq, chain.open_count) == (2, 2)


TEXT = st.text(max_size=20)


@given(
    client=st.none() | TEXT,
    route=TEXT,
    request_id=TEXT,
    tokens=st.lists(TEXT, max_size=3).map(tuple),
    said=st.tuples(st.none() | TEXT, st.none() | st.booleans(), st.none() | TEXT),
    rev_epoch=st.none() | st.integers(0, 2**53 - 1),
    at=st.integers(0, 4_000_000_000),
)
def test_an_entry_is_the_canonical_text_of_its_members(
    client, route, request_id, tokens, said, rev_epoch, at
):
    outcome, valid, reason = said
    chain = Chain(41, DIGEST)
    for _ in range(2):
        before, seq = chain.head, chain.seq
        made = chain.add(
            Draft(
                at=at,
                request_id=request_id,
                client=client,
                route=route,
                request_digest=None,
                answer_digest=DIGEST,
                tokens=tokens,
                decision=outcome,
                valid=valid,
                reason=reason,
                rev_epoch=rev_epoch,
                trace_digest=DIGEST,
            )
        )
        assert made.body == canonical_bytes(
            {
                "seq": seq + 1,
                "at": times.to_text(at),
                "request_id": request_id,
                "client": client,
                "route": route,
                "request_digest": None,
                "answer_digest": DIGEST,
                "tokens": list(tokens),
                "decision": outcome,
                "valid": valid,
                "reason": reason,
                "revEpoch": rev_epoch,
                "trace_digest": DIGEST,
                "prev": before,
            }
        )
