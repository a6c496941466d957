"""The audit finds nothing in an honest node's material, and each planted fraud."""

from __future__ import annotations

import msgspec
import pytest

from rtgf_node import wire
from rtgf_node.audit import judgement as audit
from rtgf_node.audit.material import Remembered
from rtgf_node.core import canonical_json, digests, identifiers, jose, merkle, snapshot, times
from rtgf_node.core.keys import SeedSigner
from tests.cli.audit_world import CONTENT, NOW, ORIGIN, ROOT, SIGNERS, TERMS, World, token

RMT = "RMT:EU:payments_aml:2026-10.1"
IMT = "IMT:EU-SG:payments_aml:2026-10.1"
STRANGER = SeedSigner("rtgf.eu.example:ed25519:2026-11:900", bytes([77] * 32))


@pytest.fixture
def world() -> World:
    return World()


def findings(material, root_public=ROOT.public):
    report = audit.check(material, root_public=root_public)
    return {(finding.check, finding.subject) for finding in report.findings}


def remembered(world, size=None, **changes):
    leaves = world.leaves()[:size]
    honest = {
        "origin": ORIGIN,
        "tree_size": len(leaves),
        "root_hash": f"sha256:{merkle.root_hash(leaves).hex()}",
        "at": times.to_text(NOW),
    }
    return Remembered(**{**honest, **changes})


def consistency(world, old):
    leaves = world.leaves()
    return wire.ConsistencyProof(
        old_size=old,
        new_size=len(leaves),
        old_root=merkle.root_hash(leaves[:old]).hex(),
        new_root=merkle.root_hash(leaves).hex(),
        proof=[item.hex() for item in merkle.consistency_proof(leaves, old)],
    )


def test_an_honest_node_has_no_findings(world):
    """RTGF-CT-50, RTGF-CT-60: keys match their logged digest, every proof verifies."""
    report = audit.check(world.material(), root_public=ROOT.public)
    assert report.findings == []
    assert (report.tokens, report.proofs, report.snapshots, report.terms) == (2, 2, 1, 1)
    assert (report.tree_size, report.revEpoch, report.origin) == (len(world.events), 1, ORIGIN)


def test_an_honest_node_that_grew_extends_what_was_remembered(world):
    """RTGF-CT-63"""
    material = world.material(remembered=remembered(world, 3), consistency=consistency(world, 3))
    report = audit.check(material, root_public=ROOT.public)
    assert (report.findings, report.extends) == ([], 3)
    assert report.remember().tree_size == len(world.events)


def test_another_pinned_root_trusts_nothing(world):
    found = findings(world.material(), root_public=STRANGER.public)
    assert {("keys", "jwks.jws"), ("keys", "key-manifest.json"), ("head", "roots/latest")} <= found


def test_a_key_set_the_root_did_not_sign_is_found(world):
    """RTGF-CT-54"""
    forged = jose.sign_compact(world.jwks, STRANGER, typ="rtgf-jwks+jws")
    assert ("keys", "jwks.jws") in findings(world.material(signed_jwks=forged))


def test_a_served_key_set_that_differs_from_the_signed_one_is_found(world):
    other = world.jwks.replace(b'"revoked":false', b'"revoked":true', 1)
    assert ("keys", "jwks.json") in findings(world.material(jwks=other))


def test_a_key_set_that_was_never_logged_is_found(world):
    world.log("jwks_publish", "did:web:rtgf.eu.example", digests.sha256(b"another"))
    assert findings(world.material()) == {("keys", "jwks.json")}


def test_a_manifest_that_hides_a_key_is_found(world):
    world.manifest["keys"].pop()
    assert findings(world.material()) == {("keys", SIGNERS["receipt"].kid)}


def test_an_altered_event_is_found(world):
    """RTGF-CT-61"""
    material = world.material()
    changed = {**material.entries[3].event, "actor": "somebody else"}
    material.entries[3] = wire.LogEntry(index=3, event=changed)
    assert {("log", "leaf 3"), ("head", "root_hash")} <= findings(material)


def test_an_event_whose_id_was_made_to_fit_changes_the_root(world):
    material = world.material()
    world.events[2] = world.log("dataset", "un-sc:2", CONTENT)
    material.entries[2] = wire.LogEntry(index=2, event=msgspec.to_builtins(world.events[2]))
    assert ("head", "root_hash") in findings(material)


def test_a_log_that_stops_short_of_its_head_is_found(world):
    material = world.material()
    material.entries.pop()
    assert ("log", "transparency") in findings(material)


def test_a_head_signed_with_a_token_key_is_found(world):
    material = world.material(head=world.head(signer=SIGNERS["token"]))
    assert ("head", "roots/latest") in findings(material)


def test_a_checkpoint_of_another_tree_inside_the_head_is_found(world):
    head = canonical_json.parse(world.head())
    other = canonical_json.parse(world.head(root=bytes(32)))
    unsigned = {**head, "checkpoint": other["checkpoint"]}
    forged = jose.sign_document(unsigned, [SIGNERS["log"]], typ="rtgf-head+jws")
    material = world.material(head=canonical_json.canonical_bytes(forged))
    assert ("head", "roots/latest") in findings(material)


def test_a_rewritten_past_is_found(world):
    past = remembered(world, 3, root_hash=f"sha256:{bytes(32).hex()}")
    assert findings(world.material(remembered=past)) == {("consistency", "remembered head")}


def test_a_log_that_shrank_is_found(world):
    past = remembered(world, tree_size=len(world.events) + 1)
    assert findings(world.material(remembered=past)) == {("consistency", "remembered head")}


def test_a_renamed_log_is_found(world):
    past = remembered(world, 3, origin="elsewhere.example")
    assert findings(world.material(remembered=past)) == {("consistency", "remembered head")}


def test_a_consistency_proof_that_does_not_hold_is_found(world):
    bad = msgspec.structs.replace(consistency(world, 3), proof=["00" * 32])
    material = world.material(remembered=remembered(world, 3), consistency=bad)
    assert findings(material) == {("consistency", "remembered head")}


def test_a_token_that_was_altered_after_signing_is_found(world):
    material = world.material()
    uri = identifiers.token_uri(RMT)
    material.tokens[uri] = material.tokens[uri].replace(b'"ttl_sec":3600', b'"ttl_sec":9999')
    assert findings(material) == {("token", RMT)}


def test_another_token_under_a_logged_id_is_found(world):
    material = world.material()
    policy = snapshot.digest({"id": "another"})
    material.tokens[identifiers.token_uri(RMT)] = token(RMT, rules=[policy])
    assert ("token", RMT) in findings(material)


def test_a_token_signed_with_a_key_for_something_else_is_found(world):
    policy = world.events[1].digest
    world.issue(token("RMT:SG:payments_aml:2026-10.1", rules=[policy], signer=SIGNERS["receipt"]))
    assert findings(world.material()) == {("token", "RMT:SG:payments_aml:2026-10.1")}


def test_a_served_token_that_was_never_logged_is_found(world):
    material = world.material()
    world.issue(token("RMT:SG:payments_aml:2026-10.1", rules=[world.events[1].digest]))
    secret = world.material()
    material.catalog.append(secret.catalog[-1])
    material.tokens.update(secret.tokens)
    assert ("token", "RMT:SG:payments_aml:2026-10.1") in findings(material)


def test_a_logged_token_that_the_catalogue_hides_is_found(world):
    material = world.material()
    del material.catalog[0]
    assert findings(material) == {("token", RMT)}


def test_a_catalogue_that_states_another_hash_is_found(world):
    material = world.material()
    material.catalog[0] = msgspec.structs.replace(material.catalog[0], hash="sha512:" + "0" * 128)
    assert findings(material) == {("token", RMT)}


def test_a_token_on_a_snapshot_that_was_never_logged_is_found(world):
    world.issue(token("RMT:SG:payments_aml:2026-10.1", rules=[digests.sha256(b"secret law")]))
    assert findings(world.material()) == {("token", "RMT:SG:payments_aml:2026-10.1")}


def test_a_proof_that_does_not_hold_is_found(world):
    material = world.material()
    event_id = next(iter(material.proofs))
    bundle = material.proofs[event_id]
    material.proofs[event_id] = msgspec.structs.replace(bundle, path=["00" * 32, *bundle.path[1:]])
    assert findings(material) == {("proof", RMT)}


@pytest.mark.parametrize("grown", [False, True])
def test_a_proof_of_another_tree_is_found_even_when_it_holds_there(world, grown):
    material = world.material()
    fork = World()
    fork.events[0] = fork.log("incident", "fork", CONTENT)
    if not grown:
        fork.events.pop()
    index = next(i for i, entry in enumerate(fork.events) if entry.subject == RMT)
    material.proofs[fork.events[index].event_id] = fork.proof(index)
    assert findings(material) == {("proof", RMT)}


def test_a_proof_of_a_tree_that_grew_honestly_is_no_finding(world):
    material = world.material()
    size = len(world.events)
    world.log("dataset", "un-sc:2", CONTENT)
    served = consistency(world, size).proof
    for event_id, bundle in material.proofs.items():
        newer = world.proof(bundle.leafIndex)
        material.proofs[event_id] = msgspec.structs.replace(newer, consistency=served)
    assert findings(material) == set()


def test_a_revocation_that_the_list_hides_is_found(world):
    world.entries.clear()
    assert findings(world.material()) >= {("revocations", "revEpoch"), ("revocations", IMT)}


def test_a_revocation_with_another_reason_than_logged_is_found(world):
    world.entries[0] = {**world.entries[0], "reason": "key_compromise"}
    assert findings(world.material()) == {("revocations", IMT)}


def test_a_revocation_list_signed_with_another_key_is_found(world):
    document = canonical_json.parse(world.material().revocations)
    forged = jose.sign_document(document, [SIGNERS["token"]], typ="rtgf-revocations+jws")
    material = world.material(revocations=canonical_json.canonical_bytes(forged))
    assert findings(material) == {("revocations", "revocations")}


def test_a_withdrawal_without_an_event_is_found(world):
    material = world.material()
    material.catalog[0] = msgspec.structs.replace(material.catalog[0], revoked=True)
    assert findings(material) == {("revocations", RMT)}


def test_a_snapshot_other_than_the_logged_one_is_found(world):
    name = next(iter(world.snapshots))
    world.snapshots[name] = b'{"clauses":["laxer"],"id":"snapshot:eu:payments_aml:2026-10"}'
    assert findings(world.material()) == {("snapshot", name)}


def test_terms_other_than_the_logged_ones_are_found(world):
    world.terms[TERMS] = world.terms[TERMS].replace(b'"terms":{}', b'"terms":{"splits":[]}')
    assert findings(world.material()) == {("terms", TERMS)}


def test_what_came_after_the_first_head_is_no_finding(world):
    """A revocation that was committed while the auditor was reading is not a contradiction."""
    before = world.material()
    world.withdraw(RMT)
    after = world.material(
        settled_size=len(before.entries), catalog=before.catalog, revocations=before.revocations
    )
    assert findings(after) == set()
