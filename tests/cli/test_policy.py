"""Writing rules: check, new, key, sign and coverage, through the command line with files."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rtgf_node.core import canonical_json, snapshot, tokens
from rtgf_node.core.keys import KeySet
from rtgf_node.core.snapshot_faults import TO_FILL
from tests import contexts, worlds

ISSUER = worlds.authority("EU").did
DRAFT = (
    *("--jurisdiction", "EU", "--domain", "payments_aml", "--issuer", ISSUER),
    *("--effective", "2026-10-01T00:00:00Z", "--expires", "2027-10-01T00:00:00Z"),
)
FILLED = {
    "/assurance_level": "substantial",
    "/normative_references/0/instrument": "Example Act 2020",
    "/normative_references/0/title": "An act for tests",
    "/normative_references/0/in_force/from": "2020-01-01",
    "/clauses/0/params/minimum_period": "P5Y",
    "/clauses/0/params/records": "transfers",
    "/clauses/0/applies_to": "both",
    "/clauses/0/citation/article": "Article 5",
    "/scenarios/0/name": "records are kept long enough",
    "/scenarios/0/expect/decision": "PERMIT",
}


def write(path: Path, document: dict) -> Path:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False))
    return path


def put(document: object, place: str, value: object) -> None:
    *way, last = place.split("/")[1:]
    for step in way:
        document = document[int(step)] if isinstance(document, list) else document[step]
    document[int(last) if isinstance(document, list) else last] = value


def test_a_good_snapshot_is_summed_up(rtgf_here, tmp_path):
    made = worlds.document(
        scenarios=[
            {
                "name": "kept long enough",
                "context": {"record_retention": "P6Y"},
                "expect": {"decision": "PERMIT"},
            }
        ]
    )
    write(tmp_path / "eu.json", made)
    done = rtgf_here("policy", "check", "eu.json")
    assert done.stderr == ""
    assert done.stdout == (
        "snapshot:eu:payments_aml:2026-10: nothing is wrong\n"
        "clauses    1, all compiled\n"
        "scenarios  1 decided as they say\n"
        "signed     unsigned\n"
    )
    assert done.returncode == 0


def test_everything_that_is_wrong_is_said_at_once_with_its_place(rtgf_here, tmp_path):
    made = worlds.document(
        jurisdictoin="EU",
        expires_at="2025-01-01T00:00:00Z",
        normative_references=[
            worlds.reference(in_force={"from": "2000-01-01", "to": "2020-01-01"})
        ],
        clauses=[
            worlds.clause("a", template="record_retentoin"),
            worlds.clause("b", params={"minimum_perod": "P5Y"}),
            worlds.clause("c", kind="obligaton"),
            worlds.clause("d", citation={"ref": "law-2", "article": "1"}),
            worlds.clause("e", applies_when={"crosborder": True}),
            worlds.clause("f", params={"minimum_period": 5}),
        ],
    )
    file = write(tmp_path / "eu.json", made)
    done = rtgf_here("policy", "check", "eu.json", "--json")
    assert (done.returncode, done.stderr) == (65, "")
    found = {one["pointer"]: one for one in json.loads(done.stdout)["findings"]}
    assert {place: one["nearest"] for place, one in found.items()} == {
        "/jurisdictoin": None,
        "/expires_at": None,
        "/clauses/0/template": "record_retention",
        "/clauses/1/params/minimum_perod": "minimum_period",
        "/clauses/1/params/minimum_period": None,
        "/clauses/2/kind": "obligation",
        "/clauses/3/citation/ref": "law-1",
        "/clauses/4/applies_when/crosborder": "crossborder",
        "/clauses/5/params/minimum_period": None,
        **{f"/clauses/{number}/citation/ref": None for number in (0, 1, 4, 5)},
    }
    lines = file.read_text().splitlines()
    for place, one in found.items():
        if one["found"] is not None:
            name = place.rpartition("/")[2]
            there = lines[one["line"] - 1][one["column"] - 1 :]
            assert there == f'"{name}": {one["found"]},' or there == f'"{name}": {one["found"]}'
    assert found["/clauses/0/template"]["code"] == "RTGF_MAP_PREDICATE_TEMPLATE_MISSING"
    assert "not in force" in found["/clauses/0/citation/ref"]["expected"]


def test_a_finding_reads_as_editors_expect(rtgf_here, tmp_path):
    write(tmp_path / "eu.json", worlds.document(status="offical"))
    done = rtgf_here("policy", "check", "eu.json")
    line = 1 + (tmp_path / "eu.json").read_text().splitlines().index('  "status": "offical"')
    assert done.stdout == (
        f"eu.json:{line}:3: expected one of official, illustrative\n"
        '  found "offical"\n'
        "  did you mean official?\n"
        "  RTGF_POL_MATRIX_SCHEMA_INVALID /status\n"
        "snapshot:eu:payments_aml:2026-10: 1 error\n"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [('{"id": 1,\n  "a": }', (2, 8)), ('{"id": 1,\n "id": 2}', (2, 2)), ("[]", (1, 1))],
)
def test_what_is_no_document_is_said_where_it_stops_to_be_one(rtgf_here, tmp_path, text, place):
    (tmp_path / "eu.json").write_text(text)
    done = rtgf_here("policy", "check", "eu.json", "--json")
    assert done.returncode == 65
    [found] = json.loads(done.stdout)["findings"]
    assert (found["line"], found["column"]) == place


def test_a_scenario_that_is_decided_otherwise_is_an_error(rtgf_here, tmp_path):
    scenario = {
        "name": "too short",
        "context": {"record_retention": "P1Y"},
        "expect": {"decision": "PERMIT"},
    }
    write(tmp_path / "eu.json", worlds.document(scenarios=[scenario]))
    done = rtgf_here("policy", "check", "eu.json")
    assert done.returncode == 65
    assert "RTGF_PIPELINE_QA_FAIL /scenarios/0" in done.stdout
    assert "the rules decide DENY (RETENTION_TOO_SHORT)" in done.stdout


def test_scenarios_that_screen_names_need_the_lists(rtgf_here):
    lists = contexts.POLICIES.parent / "demo-lists"
    given = (
        *("--list", f"un-sc=un-xml:{lists / 'un' / 'consolidated.xml'}"),
        *("--list", f"eu-fsf=eu-csv:{lists / 'eu' / 'fsf.csv'}"),
        *("--list", f"us-ofac-sdn=ofac-csv:{lists / 'us-ofac'}"),
    )
    file = contexts.POLICIES / "eu-payments_aml.json"
    without = rtgf_here("policy", "check", file, "--json")
    told = json.loads(without.stdout)
    assert without.returncode == 0
    assert told["scenarios_passed"] == 0
    assert all("eu-fsf" in why for why in told["scenarios_open"].values())
    told = json.loads(rtgf_here("policy", "check", file, *given, "--json").stdout)
    assert (told["scenarios_passed"], told["scenarios_open"]) == (4, {})


def test_a_list_that_cannot_be_meant_is_answered_with_the_nearest_reader(rtgf_here):
    file = contexts.POLICIES / "eu-payments_aml.json"
    done = rtgf_here("policy", "check", file, "--list", "un-sc=un-xlm:un.xml")
    assert done.returncode == 65
    assert "un-xml" in done.stderr
    assert rtgf_here("policy", "check", file, "--list", "un-sc").returncode == 65


def test_what_was_changed_after_signing_is_found_by_its_hash(rtgf_here, tmp_path):
    signed = json.loads(worlds.sealed(worlds.document()))
    assert rtgf_here("policy", "check", write(tmp_path / "eu.json", signed)).returncode == 0
    done = rtgf_here("policy", "check", write(tmp_path / "eu.json", {**signed, "ttl_sec": 60}))
    assert done.returncode == 65
    assert "/policy_snapshot_hash" in done.stdout


def test_a_draft_says_what_to_fill_in_and_passes_when_it_is(rtgf_here, tmp_path):
    made = rtgf_here("policy", "new", "eu.json", *DRAFT, "--template", "record_retention")
    assert made.returncode == 0, made.stderr
    found = json.loads(rtgf_here("policy", "check", "eu.json", "--json").stdout)["findings"]
    assert {one["pointer"] for one in found} == FILLED.keys()
    document = json.loads((tmp_path / "eu.json").read_text())
    for place, value in FILLED.items():
        put(document, place, value)
    write(tmp_path / "eu.json", document)
    done = rtgf_here("policy", "check", "eu.json")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert rtgf_here("policy", "new", "eu.json", *DRAFT, "--template", "x").returncode == 73


def test_a_draft_of_every_template_names_every_parameter(rtgf_here, tmp_path):
    """A template may grow a parameter of a new type; its author must be told the form of it."""
    library = worlds.library()
    given = [part for name in library.templates for part in ("--template", name)]
    assert rtgf_here("policy", "new", "all.json", *DRAFT, *given).returncode == 0
    document = json.loads((tmp_path / "all.json").read_text())
    for clause in document["clauses"]:
        params = library.templates[clause["template"]].params
        assert clause["params"].keys() == params.keys()
        for name, text in clause["params"].items():
            assert text.startswith(TO_FILL)
            assert params[name].description in text
            assert not re.match(rf"{TO_FILL}one of\.", text)
    assert rtgf_here("policy", "check", "all.json").returncode == 65


def test_a_misspelt_template_is_answered_with_the_right_one(rtgf_here):
    done = rtgf_here("policy", "new", "eu.json", *DRAFT, "--template", "record_retentoin")
    assert done.returncode == 65
    assert "record_retention?" in done.stderr


@pytest.fixture
def keys(rtgf_here, tmp_path):
    (tmp_path / "pass.txt").write_text("correct horse battery staple\n")
    store = ("--keys", "authority", "--passphrase-file", "pass.txt")
    done = rtgf_here("policy", "key", *store, "--issuer", ISSUER)
    assert done.returncode == 0, done.stderr
    return store


def test_a_signed_snapshot_is_accepted_at_the_door(rtgf_here, tmp_path, keys):
    write(tmp_path / "eu.json", worlds.document())
    done = rtgf_here("policy", "sign", "eu.json", *keys, "--out", "signed.json", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    jwks = KeySet.from_jwks(canonical_json.parse((tmp_path / "authority/jwks.json").read_bytes()))
    at = max(key.created_at for key in jwks)
    taken = snapshot.accept(
        (tmp_path / "signed.json").read_bytes(), keys=jwks, issuers=[ISSUER], at=at
    )
    assert taken.policy_snapshot_hash == told["policy_snapshot_hash"]
    assert rtgf_here("policy", "check", "signed.json").returncode == 0


def test_two_signers_reach_a_threshold_of_two(rtgf_here, tmp_path, keys):
    """RTGF-REQ-004."""
    write(tmp_path / "eu.json", worlds.document(signature_threshold=2))
    first = rtgf_here("policy", "sign", "eu.json", *keys, "--out", "one.json")
    assert first.returncode == 3
    assert "1 of 2 signatures" in first.stdout
    kid = json.loads((tmp_path / "one.json").read_bytes())["signatures"][0]["kid"]
    assert rtgf_here("policy", "key", *keys, "--issuer", ISSUER).returncode == 0
    second = f"{kid[:-3]}002"
    done = rtgf_here("policy", "sign", "one.json", *keys, "--out", "two.json", "--kid", second)
    assert done.returncode == 0, done.stderr
    jwks = KeySet.from_jwks(canonical_json.parse((tmp_path / "authority/jwks.json").read_bytes()))
    at = max(key.created_at for key in jwks)
    snapshot.accept((tmp_path / "two.json").read_bytes(), keys=jwks, issuers=[ISSUER], at=at)


def test_signers_with_keys_apart_need_a_number_each(rtgf_here, tmp_path, keys):
    """Two keys of one id could never be pinned together, nor reach a threshold of two."""
    write(tmp_path / "eu.json", worlds.document(signature_threshold=2))
    assert rtgf_here("policy", "sign", "eu.json", *keys, "--out", "one.json").returncode == 3
    apart = ("--keys", "apart", *keys[2:])
    assert rtgf_here("policy", "key", *apart, "--issuer", ISSUER).returncode == 0
    done = rtgf_here("policy", "sign", "one.json", *apart, "--out", "two.json")
    assert done.returncode == 10
    assert "--number" in done.stderr
    made = rtgf_here("policy", "key", *apart, "--issuer", ISSUER, "--number", "7", "--json")
    kid = json.loads(made.stdout)["kid"]
    assert kid.endswith(":007")
    done = rtgf_here("policy", "sign", "one.json", *apart, "--out", "two.json", "--kid", kid)
    assert done.returncode == 0, done.stderr
    again = rtgf_here("policy", "key", *apart, "--issuer", ISSUER, "--number", "7")
    assert "RTGF_EXISTS" in again.stderr


def test_what_the_check_refuses_is_not_signed(rtgf_here, tmp_path, keys):
    write(tmp_path / "eu.json", worlds.document(expires_at="2020-01-01T00:00:00Z"))
    done = rtgf_here("policy", "sign", "eu.json", *keys, "--out", "signed.json")
    assert done.returncode == 65
    assert "expires_at must be after effective_date" in done.stdout
    assert not (tmp_path / "signed.json").exists()


def test_a_clause_that_waits_for_a_waiver_is_told_and_signed(rtgf_here, tmp_path, keys):
    """A waiver names the signed snapshot, so that it must be possible to sign one."""
    poem = worlds.clause("poem", template="unmapped", params={})
    scenario = worlds.scenario("kept", "PERMIT", context={"record_retention": "P5Y"})
    made = worlds.document(clauses=[worlds.clause(), poem], scenarios=[scenario])
    write(tmp_path / "eu.json", made)
    done = rtgf_here("policy", "check", "eu.json", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, len(told["findings"])) == (65, 1)
    assert (told["clauses"], told["compiled"], told["scenarios_passed"]) == (2, 1, 1)
    done = rtgf_here("policy", "sign", "eu.json", *keys, "--out", "signed.json")
    assert done.returncode == 0
    assert "needs an approver's waiver: /clauses/1/template" in done.stderr
    made["scenarios"][0]["expect"]["decision"] = "DENY"
    write(tmp_path / "eu.json", made)
    done = rtgf_here("policy", "sign", "eu.json", *keys, "--out", "other.json")
    assert (done.returncode, (tmp_path / "other.json").exists()) == (65, False)


def test_a_key_of_another_authority_signs_nothing(rtgf_here, tmp_path, keys):
    write(tmp_path / "sg.json", worlds.document("SG"))
    done = rtgf_here("policy", "sign", "sg.json", *keys, "--out", "signed.json")
    assert done.returncode == 10
    assert "RTGF_KID_UNKNOWN" in done.stderr


class Page(HTMLParser):
    """What a page is made of: tags with their attributes, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def test_coverage_goes_from_law_to_predicate_to_token(rtgf_here, tmp_path):
    made = worlds.document(
        clauses=[
            worlds.clause("a.keep"),
            worlds.clause("b.poem", template="unmapped"),
        ]
    )
    held = contexts.as_snapshot({**made, "clauses": made["clauses"][:1]})
    token = worlds.token(
        predicate_set=[{"id": "pred.eu.x", "clause_id": "a.keep", "jurisdiction": "EU",
                        "domain": "payments_aml"}],
        policy_snapshot_hash=held.policy_snapshot_hash,
        unmapped_clauses=[{"clause_id": "b.poem", "code": "X", "reason": "no template"}],
    )  # fmt: skip
    (tmp_path / "rmt.json").write_bytes(tokens.sign(tokens.seal(token), [worlds.node().signer]))
    write(tmp_path / "eu.json", made)
    plain = rtgf_here("policy", "coverage", "eu.json", "--token", "rmt.json")
    assert plain.returncode == 0, plain.stderr
    lines = plain.stdout.splitlines()
    assert lines[0] == (
        "snapshot:eu:payments_aml:2026-10 (illustrative): 1 mapped, 1 waived, 0 unmapped"
    )
    assert re.fullmatch(
        r"mapped    a\.keep  Example Act 2020, 5  ->  pred\.eu\.payments_aml\.[0-9a-f]{12}",
        lines[1],
    )
    assert lines[2].strip() == "in RMT:EU:payments_aml:2026-10.1"
    assert lines[3].startswith("waived    b.poem")
    unwaived = rtgf_here("policy", "coverage", "eu.json", "--json")
    assert unwaived.returncode == 65
    assert json.loads(unwaived.stdout)["snapshots"][0]["unmapped"] == 1


def test_the_page_needs_nothing_else_and_can_be_read_by_all(rtgf_here, tmp_path):
    evil = '<script>alert("1")</script>&'
    made = worlds.document(normative_references=[worlds.reference(instrument=evil)])
    write(tmp_path / "eu.json", made)
    assert rtgf_here("policy", "coverage", "eu.json", "--html", "page.html").returncode == 0
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    names = [name for name, _ in page.tags]
    assert text.startswith("<!doctype html>")
    assert ("html", {"lang": "en"}) in page.tags
    assert {"title", "h1", "main", "caption"} <= set(names)
    assert not {"script", "link", "img", "iframe"} & set(names)
    assert not re.search(r"https?:|url\(|@import", text)
    assert all(at.get("scope") in {"col", "row"} for name, at in page.tags if name == "th")
    assert any(evil in words for words in page.words)


@pytest.mark.parametrize("arguments", [(), ("eu.json", "--node")])
def test_coverage_is_of_a_file_or_of_a_node(rtgf_here, arguments):
    assert rtgf_here("policy", "coverage", *arguments).returncode == 2
