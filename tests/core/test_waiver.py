"""What a waiver excuses, and who may sign one."""

from __future__ import annotations

import pytest

from rtgf_node.core import canonical_json, snapshot, waiver
from rtgf_node.errors import Code, RtgfError
from tests import worlds

APPROVER = worlds.Identity("did:web:approver.example", use="approver")
POEM = worlds.clause("poem", template="unmapped", citation={"ref": "law-1", "article": "Preamble"})
HELD = snapshot.parse(worlds.sealed(worlds.document(clauses=[worlds.clause(), POEM])))
PINNED = {APPROVER.did: APPROVER.keys}


def made(*, clauses=None, by=APPROVER, approver=APPROVER.did, at=worlds.NOW):
    return waiver.seal(
        HELD.policy_snapshot_hash,
        clauses or {"poem": "read by hand"},
        approver=approver,
        at=at,
        signers=by.signers,
    )


def take(data, approvers=PINNED):
    taken = waiver.accept(data, approvers=approvers, at=worlds.NOW)
    waiver.check_against(taken, HELD, worlds.library())
    return taken


def refused(data, code, *, approvers=PINNED):
    with pytest.raises(RtgfError) as caught:
        take(data, approvers)
    assert caught.value.code is code
    return caught.value


def test_a_pinned_approver_lets_a_clause_pass():
    taken = take(made())
    assert [clause.clause_id for clause in taken.clauses] == ["poem"]


def test_nobody_else_does():
    signature = Code.RTGF_VERIFY_SIGNATURE_INVALID
    stranger = worlds.Identity("did:web:stranger.example", use="approver")
    refused(made(approver=stranger.did, by=stranger), signature)
    refused(made(by=stranger), signature)
    authority = worlds.Identity(APPROVER.did, use="authority")
    refused(made(), signature, approvers={APPROVER.did: authority.keys})
    document = canonical_json.parse(made())
    document["clauses"][0]["clause_id"] = "retain"
    refused(canonical_json.canonical_bytes(document), signature)
    refused(canonical_json.canonical_bytes({**document, "signatures": []}), signature)


@pytest.mark.parametrize("clause", ["retain", "absent"])
def test_only_what_no_template_serves_can_pass(clause):
    """A waiver is no way around a rule that can be decided."""
    error = refused(made(clauses={clause: "no"}), Code.RTGF_INPUT_INVALID)
    assert error.pointer == "/clauses/0/clause_id"


def test_a_waiver_of_tomorrow_is_none():
    refused(made(at=worlds.NOW + 3600), Code.RTGF_INPUT_INVALID)


def test_a_reason_that_would_be_shown_otherwise_is_refused():
    error = refused(made(clauses={"poem": "read \x1b[2J"}), Code.RTGF_INPUT_INVALID)
    assert error.pointer == "/clauses/0/reason"


def test_one_signed_again_is_the_same_waiver():
    other = worlds.Identity(APPROVER.did, use="approver", keys=2)
    assert waiver.digest(made()) == waiver.digest(made(by=other))
    assert waiver.digest(made()) != waiver.digest(made(clauses={"poem": "another reason"}))


def test_the_manual_review_names_clause_reason_and_law():
    [entry] = waiver.manual_review(HELD, worlds.library())
    assert entry["clause_id"] == "poem"
    assert entry["code"] == "RTGF_MAP_UNSUPPORTED_CLAUSE"
    assert "no template" in entry["reason"]
    assert entry["citation"] == {
        "ref": "law-1",
        "instrument": "Example Act 2020",
        "article": "Preamble",
    }
    assert waiver.manual_review(HELD, worlds.library(), waived={"poem"}) == []
