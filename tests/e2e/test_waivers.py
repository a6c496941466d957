"""A clause that no template serves halts its build until a pinned approver lets it pass."""

from __future__ import annotations

import json

import pytest

from rtgf_node.core import canonical_json, waiver
from tests.authorities import pinned, push
from tests.nodes import RATES, TestNode
from tests.small_builds import body_of
from tests.worlds import Identity, authority, clause

APPROVER = Identity("did:web:approver.example", use="approver")
POEM = clause("poem", template="unmapped")


@pytest.fixture
def node(tmp_path):
    """A running node that pins one authority and one approver."""
    keys = tmp_path / "approver.json"
    keys.write_bytes(canonical_json.canonical_bytes(APPROVER.keys.to_jwks()))
    approver = f'\n[[approver]]\ndid = "{APPROVER.did}"\njwks_file = "{keys}"\n'
    settings = RATES + pinned(tmp_path / "pinned", authority("EU"), own=True) + approver
    made = TestNode(tmp_path / "node", settings=settings)
    with made.running():
        yield made


def test_a_waiver_lets_a_halted_build_go_on_and_the_token_says_so(node, tmp_path):
    """RTGF-CT-21: nothing is left out in silence."""
    body = body_of("EU", clauses=[clause(), POEM])
    push(node, body)
    halted = node.compile()
    assert halted.state == "failed"
    assert "RTGF_MAP_UNSUPPORTED_CLAUSE" in json.dumps(halted.causes)
    [review] = json.loads((node.folder / "data" / "manual_review.json").read_bytes())
    assert (review["clause_id"], review["citation"]["article"]) == ("poem", "5")
    assert review["reason"]
    assert review["build_id"] == halted.build_id
    assert review["halted_at"].endswith("Z")

    signed = waiver.seal(
        json.loads(body)["policy_snapshot_hash"],
        {"poem": "read by hand"},
        approver=APPROVER.did,
        at=APPROVER.public_keys[0].created_at,
        signers=APPROVER.signers,
    )
    file = tmp_path / "waiver.json"
    file.write_bytes(signed)
    assert node.cli("waiver", "push", file).stdout.startswith("accepted")
    assert node.ask("POST", "/admin/waivers", signed, role="approver").status == 200
    listed = node.ask("GET", "/admin/waivers", role="operator").json()
    assert [one["waiver"]["approver"] for one in listed["waivers"]] == [APPROVER.did]
    assert [one["clause_id"] for one in listed["manual_review"]] == ["poem"]
    with node.client() as client:
        [entry] = client.log_page(listed["waivers"][0]["leafIndex"], limit=1).entries
    assert entry.event["type"] == "approval"
    assert entry.event["payload"]["waiver"] == canonical_json.parse(signed)

    build = node.compile()
    assert build.state == "published", build
    token = node.ask("GET", "/rmt/EU/payments_aml").json()
    assert [one["clause_id"] for one in token["unmapped_clauses"]] == ["poem"]
    assert [one["clause_id"] for one in token["predicate_set"]] == ["retain"]
    covered = node.cli("policy", "coverage", "--node")
    assert covered.returncode == 0, covered.stderr
    assert "1 mapped, 1 waived, 0 unmapped" in covered.stdout

    # By id at the node, the commands for readers say the same as with files.
    (tmp_path / "payment.json").write_text('{"record_retention": "P1Y"}')
    why = node.cli("explain", token["token_id"], tmp_path / "payment.json")
    assert why.returncode == 14, why.stderr
    assert "Law: Example Act 2020, Article 5." in why.stdout
    (tmp_path / "rmt.json").write_text(json.dumps(token))
    same = node.cli("diff", token["token_id"], tmp_path / "rmt.json")
    assert (same.returncode, same.stderr) == (0, ""), same.stdout


def test_a_waiver_for_nothing_that_is_held_is_refused(node):
    signed = waiver.seal(
        "sha256:" + "0" * 64,
        {"poem": "read by hand"},
        approver=APPROVER.did,
        at=APPROVER.public_keys[0].created_at,
        signers=APPROVER.signers,
    )
    reply = node.ask("POST", "/admin/waivers", signed, role="approver")
    reply.problem(404, "RTGF_NOT_FOUND")
    assert node.ask("GET", "/admin/waivers", role="auditor").json()["waivers"] == []


@pytest.mark.parametrize(
    ("method", "roles"), [("POST", {"approver"}), ("GET", {"operator", "approver", "auditor"})]
)
def test_who_may_waive_and_who_may_read(node, method, roles):
    body = b"{}" if method == "POST" else None
    node.ask(method, "/admin/waivers", body).problem(401, "RTGF_UNAUTHENTICATED")
    for role in ("operator", "approver", "regulator", "auditor"):
        reply = node.ask(method, "/admin/waivers", body, role=role)
        assert (reply.status == 403) is (role not in roles), (role, reply)
