"""The worked example of docs/policy.md, done as it is written there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from rtgf_node.cli import commands as verbs
from rtgf_node.core import canonical_json, snapshot
from rtgf_node.core.keys import KeySet

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text()
FILLED: dict[str, Any] = {
    "the instrument as one cites it": "Example Act 2020",
    "its title": "An act for tests",
    "the day since when": "2020-01-01",
    "low, substantial or high": "substantial",
    "a duration": "P5Y",
    "a word": "transfers",
    "one of originator": "both",
    "where in the law": "Article 5",
    "what is tested": "records are kept for five years",
    "one of PERMIT": "PERMIT",
}


def commands() -> list[list[str]]:
    found = []
    for body in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        lines = body.replace("\\\n", " ").splitlines()
        found += [shlex.split(line)[1:] for line in lines]
    return found


def fill(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: fill(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner) for inner in value]
    if isinstance(value, str) and value.startswith("FILL IN: "):
        [chosen] = [v for k, v in FILLED.items() if value.startswith(f"FILL IN: {k}")]
        return chosen
    return value


@pytest.fixture
def do(tmp_path, monkeypatch, capsys):
    """Do one command of the page, and return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pass.txt").write_text("correct horse battery staple\n")

    def run(*beginning: str) -> tuple[int, str]:
        [words] = [one for one in commands() if one[: len(beginning)] == [*beginning]]
        capsys.readouterr()
        return verbs.run(words), capsys.readouterr().out

    return run


def test_the_example_works_as_it_is_written(do, tmp_path):
    assert do("policy", "new", "eu.json")[0] == 0
    file = tmp_path / "eu.json"
    assert do("policy", "check")[0] == 65
    document = fill(json.loads(file.read_text()))
    file.write_text(json.dumps(document, indent=2))
    assert do("policy", "check")[0] == 0

    text = file.read_text()
    file.write_text(text.replace('"record_retention",', '"record_retentoin",'))
    code, said = do("policy", "check")
    blocks = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert (code, said.rpartition("snapshot:")[0]) == (65, blocks[0])
    file.write_text(text)

    assert do("policy", "key", "--keys")[0] == 0
    assert do("policy", "sign")[0] == 0
    keys = KeySet.from_jwks(canonical_json.parse((tmp_path / "authority/jwks.json").read_bytes()))
    taken = snapshot.accept(
        (tmp_path / "eu.signed.json").read_bytes(),
        keys=keys,
        issuers=[document["issuer"]],
        at=next(iter(keys)).created_at,
    )
    assert taken.id == document["id"]

    document["clauses"][0]["params"]["minimum_period"] = "P7Y"
    document |= {"version": "2027-07", "id": "snapshot:eu:payments_aml:2027-07"}
    (tmp_path / "eu-next.json").write_text(json.dumps(document))
    assert do("diff") == (1, blocks[1])
    assert do("policy", "coverage")[0] == 0
    assert (tmp_path / "coverage.html").exists()


def test_a_waiver_is_made_as_it_is_written(do, tmp_path):
    assert do("policy", "new", "eu.json")[0] == 0
    document = fill(json.loads((tmp_path / "eu.json").read_text()))
    clause = {**document["clauses"][0], "clause_id": "eu.preamble", "template": "unmapped"}
    document["clauses"].append({**clause, "params": {}})
    assert do("policy", "key", "--keys")[0] == 0
    assert do("policy", "key", "--use")[0] == 0
    (tmp_path / "eu.signed.json").write_bytes(snapshot.seal(document, []))
    code, said = do("waiver", "sign")
    assert code == 0
    assert "eu.preamble of snapshot:eu:payments_aml:2027-01 may pass" in said
