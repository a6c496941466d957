"""`rtgf partner-kit`: the folder gives what its README says, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtgf_node.cli.commands import run
from rtgf_node.client.kit import KitVerifier
from rtgf_node.core import canonical_json, status_list
from rtgf_node.core.keys import KeySet
from rtgf_node.errors import Code, RtgfError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kit(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("partner") / "kit"
    assert run(["partner-kit", str(folder)]) == 0
    return folder


def came(verifier: KitVerifier, body: bytes) -> tuple[str, str]:
    try:
        answer = json.loads(verifier.answer(body))
    except RtgfError as error:
        return "refused", error.code.name
    return ("valid" if answer["valid"] else "not valid"), answer["reason"] or ""


def test_every_question_is_answered_as_the_readme_says(kit):
    verifier = KitVerifier(kit)
    rows = re.findall(
        r"^\| `([\w-]+\.json)` \| ([\w ]+) \| `?(\w*)`? \|",
        (kit / "README.md").read_text(),
        re.MULTILINE,
    )
    assert {name for name, _, _ in rows} == {one.name for one in (kit / "questions").iterdir()}
    assert len(rows) > 20
    for name, *said in rows:
        assert list(came(verifier, (kit / "questions" / name).read_bytes())) == said, name


def test_the_example_runs(kit):
    done = subprocess.run(
        [sys.executable, "run.py"], cwd=kit, env={"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_nothing_in_it_is_secret(kit):
    text = "".join(file.read_text() for file in kit.rglob("*") if file.is_file())
    assert '"d"' not in text
    assert "does not exist" in (kit / "README.md").read_text()


def test_the_status_list_says_the_same_as_the_list_of_revocations(kit):
    keys = KeySet.from_jwks(canonical_json.parse((kit / "jwks.json").read_bytes()))
    at = status_list.claims_of((kit / "status-list.jwt").read_text().strip()).iat
    held = status_list.verify((kit / "status-list.jwt").read_text().strip(), keys, at=at)
    assert held is not None


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("jwks.jws", Code.RTGF_JWKS_SIGNATURE_INVALID),
        ("log.jsonl", Code.RTGF_TXP_PROOF_INVALID),
        ("revocations.json", Code.RTGF_VERIFY_SIGNATURE_INVALID),
        ("head.json", Code.RTGF_TXP_ROOT_SIGNATURE_INVALID),
    ],
)
def test_a_folder_that_was_altered_is_not_believed(tmp_path, file, code):
    assert run(["partner-kit", str(tmp_path / "kit")]) == 0
    path = tmp_path / "kit" / file
    text = path.read_text()
    changed = {
        "jwks.jws": lambda: text[:-6] + ("AAAA" if text[-6:-2] != "AAAA" else "BBBB") + text[-2:],
        "log.jsonl": lambda: "\n".join(text.splitlines()[:-1]),
        "revocations.json": lambda: text.replace("policy_withdrawn", "policy_kept"),
        "head.json": lambda: text.replace('"tree_size":', '"tree_size":1'),
    }[file]()
    assert changed != text
    path.write_text(changed)
    with pytest.raises(RtgfError) as caught:
        KitVerifier(tmp_path / "kit")
    assert caught.value.code is code


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").write_text("x")
    assert run(["partner-kit", str(tmp_path)]) == Code.RTGF_EXISTS.value.exit_code
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
