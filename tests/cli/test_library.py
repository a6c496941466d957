"""`rtgf library`: whoever answers for a library signs it, and anybody can check it."""

from __future__ import annotations

import json
import re
import shutil

from rtgf_node import policy_library
from tests import worlds


def test_the_programs_own_library_checks(rtgf):
    done = rtgf("library", "check", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["key"]) == (0, policy_library.SHIPPED_KEY)
    assert told["digest"] == worlds.library().digest
    assert "cut_off_window" in told["templates"]


def test_a_library_of_ones_own(rtgf, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(worlds.LIBRARY, folder)
    key = rtgf("library", "key", "library.key").stdout.strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", key)
    assert (tmp_path / "library.key").stat().st_mode & 0o077 == 0
    assert rtgf("library", "key", "library.key").returncode == 73  # never overwritten

    assert rtgf("library", "check", folder, "--key", key).returncode == 10
    (folder / "extra.json").write_text("{}")
    broken = rtgf("library", "sign", folder, "--key", "library.key")
    assert (broken.returncode, "RTGF_MAP_EXPRESSION_INVALID" in broken.stderr) == (65, True)
    (folder / "extra.json").unlink()
    signed = rtgf("library", "sign", folder, "--key", "library.key", "--version", "2027-01")
    assert (signed.returncode, signed.stderr) == (0, "")
    checked = rtgf("library", "check", folder, "--key", key, "--json")
    assert json.loads(checked.stdout)["version"] == "2027-01"

    (folder / "legal_basis.json").write_text("{}")
    assert rtgf("library", "check", folder, "--key", key).returncode == 65
