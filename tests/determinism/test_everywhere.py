"""RTGF-CT-20, RTGF-CT-30, RTGF-REQ-005: the same inputs give the same bytes, wherever it is asked.

That any number of processes builds the same bytes is told in `tests/building/test_worker.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.determinism import pythons

ROOT = pythons.ROOT
PLAIN = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
OTHER = {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "America/St_Johns"}


def results(*arguments: str, python: Path | str = sys.executable, **environ: str) -> dict[str, str]:
    """Return the digest of each result, as a fresh process works it out."""
    found = subprocess.run(
        [python, "-W", "error", "-m", "tests.determinism.world", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **PLAIN, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-4_000:]
    return dict(json.loads(found.stdout))


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    return results()


def assert_same(plain: dict[str, str], found: dict[str, str]) -> None:
    different = [name for name in plain.keys() | found.keys() if plain.get(name) != found.get(name)]
    assert not different, f"{len(different)} results differ, such as {sorted(different)[:10]}"


def test_there_is_much_to_compare(plain):
    kinds = {name.partition(" ")[0] for name in plain}
    assert kinds >= {"canonical", "snapshot", "token", "event", "head", "predicates", "plan"}
    assert kinds >= {"manifest", "artefact", "signed", "decision", "generated", "list", "screened"}
    assert len(plain) > 1_000
    assert len(set(plain.values())) > 500


@pytest.mark.parametrize("seed", ["1", "77", "4294967295"])
def test_hash_seeds(plain, seed):
    assert_same(plain, results(PYTHONHASHSEED=seed))


def test_the_locale_of_computers(plain):
    assert_same(plain, results(LC_ALL="C", LANG="C"))


@pytest.mark.parametrize("name", ["tr_TR.UTF-8", "ar_SA.UTF-8", "de_DE.ISO-8859-1"])
def test_locales(plain, tmp_path, name):
    """Locales with their own case of letters, their own digits, and their own encoding."""
    language, _, encoding = name.partition(".")
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", language, "-f", encoding, tmp_path / name],
        capture_output=True,
        check=False,
    )
    if not made or not (tmp_path / name).exists():
        pytest.skip(f"the locale {name} cannot be made here")
    assert_same(plain, results(LC_ALL=name, LANG=name, LOCPATH=str(tmp_path)))


@pytest.mark.parametrize("zone", ["America/St_Johns", "Pacific/Kiritimati", "XYZ+14"])
def test_time_zones(plain, zone):
    assert_same(plain, results(TZ=zone))


def test_order_of_what_has_none(plain):
    assert_same(plain, results("--reversed"))


def test_all_at_once(plain):
    assert_same(plain, results("--reversed", **OTHER))


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_versions_of_python(plain, version):
    assert_same(plain, results(python=pythons.python(version)))


def test_real_lists(shared):
    """Content digests of every published list, and what is found in all of them together."""
    folder = str(shared / "datasets")
    first = results("--lists", folder)
    assert len(first) > 300
    assert_same(first, results("--reversed", "--lists", folder, **OTHER))


@pytest.mark.skipif(not os.environ.get(pythons.FLAG), reason=f"long; {pythons.FLAG}=1 runs it")
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_real_lists_in_versions_of_python(shared, version):
    folder = str(shared / "datasets")
    other = results("--lists", folder, python=pythons.python(version), **OTHER)
    assert_same(results("--lists", folder), other)
