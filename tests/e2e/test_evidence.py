"""Evidence files and status lists of a real node, judged with nothing but its root key."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from rtgf_node.core import (
    base64url,
    checkpoint,
    evidence_check,
    jose,
    merkle,
    status_list,
    tlog_proof,
)
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import Code, RtgfError
from tests.nodes import ORIGIN, TestNode

SG, EU = "RMT:SG:payments_aml:2026-10.1", "RMT:EU:payments_aml:2026-10.1"
EU_SG, EU_UK = "IMT:EU-SG:payments_aml:2026-10.1", "IMT:EU-UK:payments_aml:2026-10.1"
PERSON = (
    "<INDIVIDUAL><DATAID>1</DATAID><FIRST_NAME>Xylophia Brontide</FIRST_NAME>"
    "<REFERENCE_NUMBER>XXi.999</REFERENCE_NUMBER></INDIVIDUAL>"
)
LIFTABLE = "corridor_suspended"
CHECKER = Path(__file__).resolve().parents[2] / "docs/checker/check.mjs"
LIST = "/revocations/status-list/0"


def root_key(node: TestNode) -> str:
    """What an operator hands to an auditor, on paper if need be."""
    line = next(row for row in node.toml.read_text().splitlines() if row.startswith("root_public"))
    return line.partition('"')[2].rstrip('"')


def evidence_of(node: TestNode, token: str) -> bytes:
    reply = node.ask("GET", f"/evidence/{token}")
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/json"
    return reply.body


def judged(node: TestNode, body: bytes) -> evidence_check.Verdict:
    return evidence_check.check(body, root_public=base64url.decode(root_key(node)))


def statuses(node: TestNode) -> tuple[status_list.Claims, bytes]:
    """The list as a reader of Token Status Lists takes it."""
    reply = node.ask("GET", LIST, headers={"Accept": "application/statuslist+jwt"})
    assert (reply.status, reply.headers["content-type"]) == (200, "application/statuslist+jwt")
    claims, packed = status_list.verify(reply.body.decode(), node.keys(), at=int(time.time()))
    return claims, packed


def status_of(node: TestNode, token_id: str) -> int:
    """By the token's own reference, as the draft has it (§8.3)."""
    place = node.ask("GET", f"/tokens?uri={token_id}").json()["revocation"]["status_list"]
    claims, packed = statuses(node)
    assert claims.sub == place["uri"]
    return status_list.status_at(packed, place["idx"])


# --- evidence -------------------------------------------------------------------------------------


def test_each_token_has_evidence_that_holds(published):
    for entry in published.ask("GET", "/catalog?limit=1000").json()["tokens"][::5]:
        found = judged(published, evidence_of(published, entry["uri"]))
        assert found.uri == entry["uri"]
        assert found.canonical_hash == entry["hash"]
        assert found.leaf_index == entry["leafIndex"]
        assert found.reason is None


def test_the_file_holds_the_exact_token_and_names_what_it_was_made_from(published):
    body = evidence_of(published, EU_SG)
    token = published.ask("GET", f"/tokens?uri={EU_SG}").body
    assert canonical_bytes(json.loads(body)["token"]) == token
    assert body == canonical_bytes(json.loads(body))
    found = judged(published, body)
    assert found.snapshots == [
        "snapshot:eu:payments_aml:2026-10",
        "snapshot:sg:payments_aml:2026-10",
    ]
    assert len(found.datasets) == len(json.loads(token)["evidence"]["datasets"])
    assert found.origin == ORIGIN


@pytest.mark.parametrize("reference", [EU_SG, f"urn:rtgf:token:{EU_SG}", EU_SG[:-2]])
def test_a_token_is_named_by_its_id_or_uri_or_its_version(published, reference):
    assert judged(published, evidence_of(published, reference)).token_id == EU_SG


def test_an_unknown_token_has_none(published):
    reply = published.ask("GET", "/evidence/RMT:SG:payments_aml:2026-10.9")
    reply.problem(404, "RTGF_VERIFY_TOKEN_NOT_FOUND")
    published.ask("GET", "/evidence/nothing").problem(400, "RTGF_INPUT_INVALID")
    published.ask("GET", f"/evidence/{EU_SG}?at=now").problem(400, "RTGF_BAD_REQUEST")


def test_both_checkers_follow_a_token_through_its_life(own, tmp_path):
    key = root_key(own)
    checker = shutil.which("node")

    def check(token: str) -> tuple[int, str]:
        file = tmp_path / "evidence.json"
        file.write_bytes(evidence_of(own, token))
        ours = own.cli("check", file, "--root-key", key)
        if checker is not None:
            theirs = subprocess.run([checker, CHECKER, file, key], capture_output=True, text=True)
            assert theirs.returncode == ours.returncode, (theirs.stderr, ours.stderr)
        return ours.returncode, ours.stdout

    code, said = check(EU_SG)
    assert code == 0
    assert EU_SG in said
    assert "IN FORCE" in said
    assert own.revoke(EU_SG, reason=LIFTABLE).status == 200
    code, said = check(EU_SG)
    assert code == 12
    assert "suspended" in said
    assert check(EU_UK)[0] == 0
    assert own.revoke(EU_SG, reason=LIFTABLE, act="reinstate").status == 200
    assert check(EU_SG)[0] == 0
    assert own.revoke(SG, reason="key_compromise").status == 200
    assert check(SG)[0] == 12
    code, said = check(EU_SG)
    assert code == 12
    assert "key_compromise" in said
    assert check(EU_UK)[0] == 0


def test_old_evidence_stays_good_for_its_time(make_node, tmp_path):
    """What was true when it was written is true for ever; what happened since is not in it."""
    node = make_node(published=True)
    before = evidence_of(node, EU_SG)
    node.revoke(EU_SG)
    after = evidence_of(node, EU_SG)
    assert judged(node, before).reason is None
    assert judged(node, after).reason == "RTGF_VERIFY_REVOKED"
    # Neither can the old list be put beside the new head, nor the new one beside the old head.
    old, new = json.loads(before), json.loads(after)
    file = tmp_path / "mixed.json"
    for mixed in (
        {**new, "status": old["status"], "revocations": []},
        {**new, "status": old["status"]},
        {**new, "revocations": []},
        {**old, "head": new["head"], "checkpoint": new["checkpoint"]},
        {**old, "status": new["status"]},
    ):
        file.write_bytes(canonical_bytes(mixed))
        assert node.cli("check", file).returncode == 13


def test_the_command_needs_a_root_key_and_a_file(published, tmp_path):
    file = tmp_path / "evidence.json"
    file.write_bytes(evidence_of(published, SG))
    assert published.cli("check", file).returncode == 0
    report = json.loads(published.cli("check", file, "--json").stdout)
    assert (report["token_id"], report["status"], report["reason"]) == (SG, "valid", None)
    assert published.cli("check", file, "--root-key", "A" * 43).returncode == 65
    assert published.cli("check", file, "--root-key", "short").returncode == 65
    assert published.cli("check", tmp_path / "none.json").returncode == 65
    file.write_bytes(b"{}")
    done = published.cli("check", file)
    assert done.returncode == 65
    assert not done.stdout


# --- status lists ---------------------------------------------------------------------------------


def test_the_list_is_one_that_existing_readers_take(published):
    claims, packed = statuses(published)
    assert not any(packed)
    header, payload, _ = jose.split_compact(published.ask("GET", LIST).body.decode())
    assert (header["typ"], header["alg"]) == ("statuslist+jwt", "EdDSA")
    assert json.loads(payload)["status_list"]["bits"] == 2
    assert claims.iat <= time.time() <= claims.exp
    assert 0 < claims.ttl <= 60
    assert status_list.decode(claims.status_list.lst, 2, 1 << 17)[:3] == [0, 0, 0]


def test_each_revocation_changes_the_list_and_nothing_else_does(make_node):
    node = make_node(published=True)
    first = node.ask("GET", LIST)
    assert node.ask("GET", LIST).body == first.body
    same = node.ask("GET", LIST, headers={"If-None-Match": first.headers["etag"]})
    assert same.status == 304
    assert (status_of(node, EU_SG), status_of(node, EU_UK)) == (0, 0)
    node.revoke(EU_SG, reason=LIFTABLE)
    assert (status_of(node, EU_SG), status_of(node, EU_UK)) == (2, 0)
    changed = node.ask("GET", LIST)
    assert changed.headers["etag"] != first.headers["etag"]
    node.revoke(EU_SG, reason=LIFTABLE, act="reinstate")
    assert status_of(node, EU_SG) == 0
    node.revoke(EU)
    assert (status_of(node, EU_SG), status_of(node, EU_UK), status_of(node, SG)) == (1, 1, 0)
    claims, packed = statuses(node)
    assert claims.revEpoch == node.ask("GET", "/revocations").json()["revEpoch"]
    # The newest revocation's leaf says which list it left.
    leaf = node.ask("GET", f"/transparency?since={claims.treeSize - 1}").json()["entries"][0]
    said = leaf["event"]["payload"]["status_list"]
    assert said["sha256"] == status_list.digest(packed)


def test_a_node_that_moved_begins_a_new_list_and_keeps_the_old_one(make_node):
    """A list calls itself what its tokens call it, wherever the node is reached now."""
    node = make_node(published=True)  # a copy, at another address than its tokens name
    assert not statuses(node)[0].sub.startswith(node.url)
    file = node.folder / "lists/un/consolidated.xml"
    file.write_text(file.read_text().replace("<INDIVIDUAL>", PERSON + "<INDIVIDUAL>", 1))
    node.fetch("un-sc")
    assert node.compile(accept=False).state == "published"
    newer = EU_SG[:-1] + "2"
    place = node.ask("GET", f"/tokens?uri={newer}").json()["revocation"]["status_list"]
    assert place["uri"] == f"{node.url}/revocations/status-list/1"
    node.revoke(newer)
    found = {}
    for number in (0, 1):
        jwt = node.ask("GET", f"/revocations/status-list/{number}").body.decode()
        found[number] = status_list.verify(jwt, node.keys(), at=int(time.time()))
    assert found[1].claims.sub == place["uri"]
    assert status_list.status_at(found[1].packed, place["idx"]) == status_list.INVALID
    assert not any(found[0].packed)
    assert judged(node, evidence_of(node, newer)).reason == "RTGF_VERIFY_REVOKED"
    assert judged(node, evidence_of(node, EU_SG)).reason is None
    assert node.cli("audit").returncode == 0


def test_a_list_that_was_edited_in_the_store_is_found_out(make_node):
    """By the audit, and by whoever holds an evidence file against the log."""
    node = make_node(published=True, running=False)
    with node.running():
        node.revoke(EU_SG)
    with closing(sqlite3.connect(node.database)) as conn, conn:
        conn.execute("UPDATE status_lists SET packed = zeroblob(length(packed))")
    with node.running():
        report = json.loads(node.cli("audit", "--json").stdout)
        assert status_of(node, EU_SG) == status_list.VALID
        with pytest.raises(RtgfError) as refused:
            judged(node, evidence_of(node, EU_SG))
    assert {(one["check"], one["subject"]) for one in report["findings"]} == {
        ("revocations", "status list 0")
    }
    assert refused.value.code is Code.RTGF_TXP_PROOF_INVALID


def test_lists_that_are_not_there_are_refused(published):
    published.ask("GET", "/revocations/status-list/1").problem(404, "RTGF_NOT_FOUND")
    published.ask("GET", "/revocations/status-list/-1").problem(404, "RTGF_NOT_FOUND")
    published.ask("GET", "/revocations/status-list/x").problem(404, "RTGF_NOT_FOUND")
    published.ask("GET", f"{LIST}?time=1686925000").problem(404, "RTGF_NOT_FOUND")


# --- tlog-proof -----------------------------------------------------------------------------------


def test_a_proof_as_a_tlog_proof_file(published):
    """RTGF-CT-60"""
    entry = published.ask("GET", "/transparency?since=7&limit=1").json()["entries"][0]
    path = f"/proofs/{entry['event']['event_id']}"
    reply = published.ask("GET", f"{path}?format=tlog-proof")
    assert (reply.status, reply.headers["content-type"]) == (200, tlog_proof.MEDIA_TYPE)
    keys = published.ask("GET", "/.well-known/rtgf").json()["log"]["keys"]
    leaf = merkle.leaf_hash(canonical_bytes(entry["event"]))
    signed = tlog_proof.verify(reply.body, leaf_hash=leaf, verifier_keys=keys)
    bundle = published.ask("GET", f"{path}?format=json").json()
    assert (signed.size, signed.origin) == (bundle["treeSize"], ORIGIN)
    assert tlog_proof.parse(reply.body).checkpoint == bundle["checkpoint"]
    assert checkpoint.open_note(bundle["checkpoint"].encode(), keys) == signed
    published.ask("GET", f"{path}?format=xml").problem(400, "RTGF_BAD_REQUEST")
