"""Writing terms: new, check, sign and diff, through the command line with files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtgf_node.core import snapshot, terms_document
from rtgf_node.core.snapshot_faults import TO_FILL
from tests import worlds
from tests.terms import CORRIDOR, PRICES, ROUTE, signed, stated
from tests.worlds import authority

KINDS = {"Corridor": CORRIDOR, "PaymentRoute": ROUTE, "RevenueRules": PRICES}
COMMON = (
    *("--domain", "payments_aml", "--issuer", authority("EU").did),
    *("--effective", "2026-10-01T00:00:00Z", "--expires", "2027-10-01T00:00:00Z"),
)


def write(path: Path, document: dict) -> None:
    path.write_text(json.dumps(document, indent=2))


@pytest.mark.parametrize("kind", KINDS)
def test_good_terms_are_summed_up(rtgf_here, tmp_path, kind):
    made = stated(KINDS[kind])
    write(tmp_path / "terms.json", made)
    done = rtgf_here("policy", "check", "terms.json")
    assert done.stdout == f"{made['id']}: nothing is wrong\nsigned     unsigned\n"
    assert done.returncode == 0


def test_everything_that_is_wrong_is_said_at_once_with_its_place(rtgf_here, tmp_path):
    made = stated(
        CORRIDOR,
        expires_at="2025-01-01T00:00:00Z",
        terms={"operators": [{"id": "x", "rol": "y"}], "splits": [{"party": "a", "pct": "0.9"}]},
    )
    write(tmp_path / "terms.json", made)
    done = rtgf_here("policy", "check", "terms.json", "--json")
    assert done.returncode == 65
    found = json.loads(done.stdout)["findings"]
    assert {one["pointer"] for one in found} >= {"/expires_at", "/terms/operators/0/rol"}
    [slip] = [one for one in found if one["pointer"] == "/terms/operators/0/rol"]
    assert slip["nearest"] == "role"
    assert slip["line"] > 1
    made["terms"]["operators"] = CORRIDOR["terms"]["operators"]
    write(tmp_path / "terms.json", made)
    found = json.loads(rtgf_here("policy", "check", "terms.json", "--json").stdout)["findings"]
    assert {one["pointer"] for one in found} == {"/expires_at", "/terms/splits"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_lacks_only_what_is_to_be_filled(rtgf_here, tmp_path, kind):
    where = (
        ("--jurisdiction", "EU")
        if kind == "RevenueRules"
        else ("--corridor", "EU-SG", "--name", "instant")
    )
    made = rtgf_here("policy", "new", "terms.json", "--terms", kind, *where, *COMMON)
    assert made.returncode == 0, made.stderr
    drafted = json.loads((tmp_path / "terms.json").read_text())
    done = rtgf_here("policy", "check", "terms.json", "--json")
    findings = json.loads(done.stdout)["findings"]
    assert findings
    assert {one["expected"].partition(":")[0] for one in findings} == {"still to be filled in"}
    assert len(findings) == json.dumps(drafted).count(TO_FILL)
    good = stated(KINDS[kind])
    # What the author fills in is all that the good one has besides.
    filled = {**drafted, **{name: good[name] for name in ("assurance_level", "terms")}}
    if kind == "PaymentRoute":
        filled["rests_on"] = "instant"
    write(tmp_path / "terms.json", filled)
    assert rtgf_here("policy", "check", "terms.json").returncode == 0


def test_a_draft_of_terms_says_what_it_lacks(rtgf_here):
    done = rtgf_here("policy", "new", "terms.json", "--terms", "Corridor", *COMMON)
    assert done.returncode == 2
    assert "--corridor and --name" in done.stderr


def test_terms_are_signed_and_taken_as_a_node_takes_them(rtgf_here, tmp_path):
    (tmp_path / "pass.txt").write_text("a passphrase of some length")
    store = ("--keys", "keys", "--passphrase-file", "pass.txt")
    issuer = authority("EU").did
    assert rtgf_here("policy", "key", *store, "--issuer", issuer).returncode == 0
    write(tmp_path / "terms.json", stated(ROUTE))
    done = rtgf_here("policy", "sign", "terms.json", *store, "--out", "signed.json")
    assert done.returncode == 0, done.stderr
    body = (tmp_path / "signed.json").read_bytes()
    document, held = terms_document.read(body, max_ttl_sec=snapshot.MAX_TTL_SECONDS)
    assert held.policy_snapshot_hash == snapshot.digest(document)
    assert held.signatures
    again = rtgf_here("policy", "check", "signed.json")
    assert "signed     1 signatures (not checked here)" in again.stdout


def test_a_difference_names_the_terms_that_changed(rtgf_here, tmp_path):
    limits = {**ROUTE["terms"]["limits"], "per_txn": "600.00"}
    (tmp_path / "a.json").write_bytes(signed(stated(ROUTE)))
    (tmp_path / "b.json").write_bytes(
        signed(stated(ROUTE, version="2026-11", terms={"limits": limits}))
    )
    done = rtgf_here("diff", "a.json", "b.json")
    assert done.returncode == 1, done.stderr
    assert "~ terms.limits.per_txn: 500.00 -> 600.00" in done.stdout.splitlines()
    assert "terms.limits.per_day" not in done.stdout
    same = rtgf_here("diff", "a.json", "a.json")
    assert same.returncode == 0, same.stderr


def test_terms_are_not_compared_with_a_snapshot(rtgf_here, tmp_path):
    write(tmp_path / "a.json", stated(ROUTE))
    write(tmp_path / "b.json", worlds.document())
    done = rtgf_here("diff", "a.json", "b.json")
    assert done.returncode == 65
    assert "a terms document with a snapshot one" in done.stderr
