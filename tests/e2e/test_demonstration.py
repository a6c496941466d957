"""`rtgf demo` goes as told, and is what the README says of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = re.sub(r"\s+", " ", (ROOT / "README.md").read_text())
PATIENCE_SECONDS = 300
IN_WORDS = {5: "five", 7: "seven", 10: "ten"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder in which it was called, what it told, and its outcome."""
    folder = tmp_path_factory.mktemp("demo")
    environ = {name: value for name, value in os.environ.items() if name[:5] != "RTGF_"}
    done = subprocess.run(
        [sys.executable, "-m", "rtgf_node", "demo", "--json"],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stderr, json.loads(done.stdout)


def test_it_goes_the_whole_way(shown):
    folder, told, outcome = shown
    assert outcome["folder"] == str(folder / "demo-node/1")
    assert outcome["decisions"] == {
        "lawful": "PERMIT",
        "above-threshold": "PERMIT_WITH_CONTROLS",
        "listed-name": "DENY",
    }
    assert outcome["revEpoch"] == len(outcome["revoked"]) > 1
    assert outcome["audit_findings"] == 0
    assert [int(number) for number in re.findall(r"(?m)^([0-9]+)\. ", told)] == [*range(1, 10)]


def test_the_readme_counts_right(shown):
    folder, _, outcome = shown
    node = folder / "demo-node/1"
    authorities = [*(node / "authorities").iterdir()]
    snapshots = [*(node / "authorities").glob("*/snapshot-*.json")]
    lists = [one for one in (node / "lists").iterdir() if one.is_dir()]
    counted = f"{IN_WORDS[len(authorities)]} invented authorities with {IN_WORDS[len(snapshots)]}"
    assert f"{counted} snapshots" in README
    assert f"{IN_WORDS[len(lists)]} small invented lists, {len(outcome['issued'])} tokens" in README
    assert len(outcome["next"]) == 3
    assert "prints three commands to go on with" in README
