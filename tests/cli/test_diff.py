"""`rtgf diff` and `rtgf explain`, with files: what changed, and why it was decided so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtgf_node.cli import policy_files
from rtgf_node.core import tokens
from rtgf_node.core.policy import plan, predicates
from tests import contexts, worlds

DEMO_LISTS = contexts.POLICIES.parent / "demo-lists"
REVIEW = worlds.clause(
    "review",
    kind="control",
    template="amount_threshold_review",
    params={
        "threshold": {"value": "1000.00", "currency": "EUR"},
        "comparison": "gt",
        "control": "ENHANCED_REVIEW",
    },
    applies_when={"instrument": "cash"},
)
SHORT = {
    "name": "a short retention",
    "context": {"record_retention": "P5Y", "instrument": "credit_transfer"},
    "expect": {"decision": "PERMIT"},
}


def write(path: Path, document: dict) -> Path:
    path.write_text(json.dumps(document))
    return path


def rmt(clauses: list[dict], **changes: object) -> bytes:
    """A signed RMT of these clauses."""
    document = worlds.document(clauses=clauses, evidence_sources=[worlds.source()])
    policy = predicates.compile_snapshot(contexts.as_snapshot(document), worlds.library())
    stated = {
        "predicate_set": [*policy.predicates],
        "eval_plan": plan.make(policy.predicates),
        "duties": policy.duties,
        "prohibitions": policy.prohibitions,
        "controls": policy.controls,
        **changes,
    }
    made = worlds.token(**stated)
    return tokens.sign(tokens.seal(made), [worlds.node().signer])


def test_snapshots_that_say_the_same_are_the_same(rtgf_here, tmp_path):
    write(tmp_path / "a.json", worlds.document(scenarios=[SHORT]))
    (tmp_path / "b.json").write_bytes(worlds.sealed(worlds.document(scenarios=[SHORT])))
    done = rtgf_here("diff", "a.json", "b.json")
    name = "snapshot:eu:payments_aml:2026-10"
    assert done.stdout == (
        f"{name} -> {name}: the same rules\nscenarios: 0 of 1 are decided otherwise\n"
    )
    assert done.returncode == 0


def test_a_change_is_told_with_the_decisions_that_it_changes(rtgf_here, tmp_path):
    old = worlds.document(clauses=[worlds.clause(), worlds.clause("gone")], scenarios=[SHORT])
    longer = worlds.clause(params={"minimum_period": "P7Y"})
    new = worlds.document(clauses=[longer, REVIEW], scenarios=[SHORT], version="2027-01")
    write(tmp_path / "a.json", old)
    write(tmp_path / "b.json", new)
    done = rtgf_here("diff", "a.json", "b.json")
    assert done.stdout.splitlines() == [
        "snapshot:eu:payments_aml:2026-10 -> snapshot:eu:payments_aml:2027-01: different",
        "+ EU review: control, amount_threshold_review, Example Act 2020, 5",
        "- EU gone: obligation, record_retention, Example Act 2020, 5",
        "~ EU retain (Example Act 2020, 5)",
        "    params.minimum_period: P5Y -> P7Y",
        "~ id: snapshot:eu:payments_aml:2026-10 -> snapshot:eu:payments_aml:2027-01",
        "~ version: 2026-10 -> 2027-01",
        "scenarios: 1 of 1 are decided otherwise",
        "  a short retention: PERMIT -> DENY (RETENTION_TOO_SHORT)",
        "thresholds: 3 of 6 questions around them are answered otherwise by the changed clause",
        "  EU retain: record_retention P60M: PERMIT -> DENY (RETENTION_TOO_SHORT)",
        "  EU retain: record_retention P61M: PERMIT -> DENY (RETENTION_TOO_SHORT)",
        "  EU retain: record_retention P83M: PERMIT -> DENY (RETENTION_TOO_SHORT)",
    ]
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"comparison": "gte"}, {"1000.00"}),
        ({"threshold": {"value": "900", "currency": "EUR"}}, {"999.99", "1000.00", "901"}),
    ],
)
def test_an_amount_is_asked_about_below_at_and_above(rtgf_here, tmp_path, changes, asked):
    changed = {**REVIEW, "params": {**REVIEW["params"], **changes}}
    write(tmp_path / "a.json", worlds.document(clauses=[REVIEW]))
    write(tmp_path / "b.json", worlds.document(clauses=[changed]))
    told = json.loads(rtgf_here("diff", "a.json", "b.json", "--json").stdout)
    differing = {
        one["value"]["value"]
        for one in told["boundaries"]
        if one["path"] == "amount" and one["old"] != one["new"]
    }
    assert differing == asked
    assert {one["path"] for one in told["boundaries"]} == {"amount"}


def test_another_occasion_is_asked_about_too(rtgf_here, tmp_path):
    write(tmp_path / "a.json", worlds.document(clauses=[REVIEW]))
    changed = {**REVIEW, "applies_when": {"instrument": "crypto"}}
    write(tmp_path / "b.json", worlds.document(clauses=[changed]))
    told = json.loads(rtgf_here("diff", "a.json", "b.json", "--json").stdout)
    assert {
        one["value"] for one in told["boundaries"] if one["old"] != one["new"]
    } == {"cash", "crypto"}  # fmt: skip


def test_tokens_are_compared_by_their_clauses(rtgf_here, tmp_path):
    (tmp_path / "a.json").write_bytes(rmt([worlds.clause()]))
    (tmp_path / "b.json").write_bytes(rmt([worlds.clause()], jti="1" * 32))
    (tmp_path / "c.json").write_bytes(rmt([worlds.clause(params={"minimum_period": "P6Y"})]))
    assert rtgf_here("diff", "a.json", "b.json").returncode == 0
    done = rtgf_here("diff", "a.json", "c.json")
    assert done.returncode == 1
    assert "    params.minimum_period: P5Y -> P6Y" in done.stdout
    assert "record_retention P60M: PERMIT -> DENY" in done.stdout


def test_a_token_is_held_against_the_snapshot_it_should_follow_from(rtgf_here, tmp_path):
    clauses = [worlds.clause(valid_from="2026-10-01"), REVIEW]
    write(tmp_path / "eu.json", worlds.document(clauses=clauses))
    (tmp_path / "rmt.json").write_bytes(rmt(clauses))
    done = rtgf_here("diff", "eu.json", "rmt.json")
    assert done.returncode == 0, done.stdout


def test_a_rule_that_decides_otherwise_is_a_difference_though_its_clause_says_the_same(
    rtgf_here, tmp_path
):
    """As after a change of the predicate library, which no clause states."""
    (tmp_path / "a.json").write_bytes(rmt([worlds.clause()]))
    [rule] = json.loads((tmp_path / "a.json").read_bytes())["predicate_set"]
    rules = [{**rule, "logic": True}]
    (tmp_path / "b.json").write_bytes(
        rmt([worlds.clause()], predicate_set=rules, eval_plan=plan.make(rules))
    )
    done = rtgf_here("diff", "a.json", "b.json")
    assert done.returncode == 1
    assert "~ EU retain (Example Act 2020, 5)" in done.stdout
    assert "    rule: sha256:" in done.stdout


def test_a_snapshot_with_a_clause_that_no_template_serves_is_compared(rtgf_here, tmp_path):
    poem = worlds.clause("poem", template="unmapped", params={})
    write(tmp_path / "a.json", worlds.document())
    write(tmp_path / "b.json", worlds.document(clauses=[worlds.clause(), poem]))
    done = rtgf_here("diff", "a.json", "b.json")
    assert (done.returncode, done.stderr) == (1, "")
    assert "+ EU poem: obligation, unmapped" in done.stdout


def test_lists_are_compared_by_record_and_name_nobody_unasked(rtgf_here, tmp_path):
    old = (DEMO_LISTS / "un" / "consolidated.xml").read_text()
    first = old.index("<INDIVIDUAL>")
    end = old.index("</INDIVIDUAL>") + len("</INDIVIDUAL>")
    (tmp_path / "a.xml").write_text(old)
    (tmp_path / "b.xml").write_text(old[:first] + old[end:])
    assert rtgf_here("diff", "a.xml", "a.xml", "--reader", "un-xml").returncode == 0
    done = rtgf_here("diff", "a.xml", "b.xml", "--reader", "un-xml", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    [gone] = told["difference"]["removed"]
    assert (told["difference"]["added"], told["difference"]["changed"]) == ([], {})
    named = rtgf_here("diff", "a.xml", "b.xml", "--reader", "un-xml", "--names", "--json")
    [name, *_] = json.loads(named.stdout)["names"][gone]
    assert name not in done.stdout
    line = rtgf_here("diff", "a.xml", "b.xml", "--reader", "un-xml").stdout.splitlines()[-1]
    assert line == f"- {gone}"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("no.json", "no.json"), 65),
        (("a.json", "bad.json"), 65),
        (("a.json", "uncited.json"), 65),
        (("a.json", "altered.json"), 65),
        (("a.json", "a.json", "--names"), 2),
    ],
)
def test_what_cannot_be_compared_is_an_error_and_not_a_difference(
    rtgf_here, tmp_path, arguments, code
):
    write(tmp_path / "a.json", worlds.document())
    (tmp_path / "bad.json").write_text("{}")
    uncited = worlds.clause(citation={"ref": "law-2", "article": "5"})
    write(tmp_path / "uncited.json", worlds.document(clauses=[uncited]))
    altered = json.loads(rmt([worlds.clause()]))
    del altered["duties"][0]["clause_id"]
    write(tmp_path / "altered.json", altered)
    done = rtgf_here("diff", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_a_decision_is_explained_to_whoever_asks(rtgf_here, tmp_path):
    (tmp_path / "rmt.json").write_bytes(rmt([worlds.clause()]))
    write(tmp_path / "payment.json", {"record_retention": "P1Y"})
    done = rtgf_here("explain", "rmt.json", "payment.json")
    assert (done.returncode, done.stderr) == (14, "")
    verdict, answer, why, trace = done.stdout.splitlines()
    assert verdict == "DENY  by RMT:EU:payments_aml:2026-10.1"
    assert answer == "It is refused. Rules that apply: 1; not fulfilled: 1."
    assert why.startswith(
        "Clause retain (EU obligation) requires that the record retention is at least 5 years;"
        " that is not so (RETENTION_TOO_SHORT, predicate pred.eu.payments_aml."
    )
    assert why.endswith("Law: Example Act 2020, Article 5.")
    assert trace.startswith("trace  sha256:")
    write(tmp_path / "payment.json", {"record_retention": "P5Y"})
    assert rtgf_here("explain", "rmt.json", "payment.json").returncode == 0


def test_an_explanation_screens_with_the_lists_that_are_named(rtgf_here, tmp_path):
    file = DEMO_LISTS / "un" / "consolidated.xml"
    read = policy_files.read_list("un-sc", "un-xml", file)
    pinned = {"provider": "un", "dataset": "un-sc", "version": "1"}
    evidence = {
        "policy_snapshot": worlds.digest_of("snapshot"),
        "datasets": [{**pinned, "content_sha256": read.content_sha256}],
        "inputs": [],
    }
    rules = [worlds.screening_clause()]
    (tmp_path / "rmt.json").write_bytes(rmt(rules, evidence=evidence))
    (tmp_path / "other.json").write_bytes(rmt(rules))
    party = {"name": "Isaveta Quorrin", "kind": "natural", "country": "SG", "account": "1"}
    other = {**party, "name": "Somebody Else"}
    write(tmp_path / "payment.json", {"originator": other, "beneficiary": party})
    without = rtgf_here("explain", "rmt.json", "payment.json")
    assert without.returncode == 14
    assert "un-sc is not held here" in without.stderr
    assert "check could not be made" in without.stdout
    lists = f"un-sc=un-xml:{file}"
    done = rtgf_here("explain", "rmt.json", "payment.json", "--list", lists)
    assert (done.returncode, done.stderr) == (14, "")
    assert "SANCTIONS_LISTED" in done.stdout
    assert "Quorrin" not in done.stdout
    write(tmp_path / "payment.json", {"originator": other, "beneficiary": other})
    assert rtgf_here("explain", "rmt.json", "payment.json", "--list", lists).returncode == 0
    another = rtgf_here("explain", "other.json", "payment.json", "--list", lists)
    assert another.returncode == 14
    assert "un-sc is of another version than the token was made with" in another.stderr
