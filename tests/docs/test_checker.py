"""`rtgf check` and the checker in `docs/checker` agree, on good files and on forged ones."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from rtgf_node.core import base64url, evidence_check, times
from rtgf_node.core.witness_policy import WitnessPolicy
from rtgf_node.errors import RtgfError
from tests.docs import cosigned, forgeries
from tests.docs.cosigned import COSIGNED
from tests.evidence_world import (
    CORT,
    IMT,
    PSRT,
    RMT_EU,
    RMT_SG,
    ROOT,
    RRMT,
    STRANGER,
    World,
    data,
)

CHECKER = Path(__file__).resolve().parents[2] / "docs" / "checker" / "check.mjs"
NODE = shutil.which("node")
MAX_LINES = 200
TIMEOUT_SECONDS = 60
IN_FORCE, OUTSIDE_ITS_TIME, WITHDRAWN = 0, 11, 12


def ours(body: bytes, root: bytes = ROOT.public, witnesses: Sequence[str] = ()) -> int:
    """The exit code of `rtgf check`."""
    try:
        policy = WitnessPolicy.of(witnesses)
        code = evidence_check.check(body, root_public=root, witnesses=policy).code()
    except RtgfError as error:
        code = error.code
    return 0 if code is None else code.value.exit_code


@pytest.fixture
def theirs(tmp_path):
    """The exit code of the independent checker."""
    if NODE is None:
        pytest.skip("node is not installed here")

    def run(body: bytes, root: bytes = ROOT.public, witnesses: Sequence[str] = ()) -> int:
        file = tmp_path / "evidence.json"
        file.write_bytes(body)
        done = subprocess.run(
            [NODE, CHECKER, file, base64url.encode(root), *witnesses],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        # Of a file that is refused it says nothing on stdout.
        assert not done.stdout or done.returncode in {IN_FORCE, OUTSIDE_ITS_TIME, WITHDRAWN}
        return done.returncode

    return run


def suspended() -> bytes:
    world = World()
    world.revoke(RMT_SG, status="suspended", reason="corridor_suspended")
    return data(world.file(RMT_SG))


def of_grown_log() -> bytes:
    """The head may be older than the list, as long as both are of one tree."""
    world = forgeries.honest()
    file = world.file(IMT)
    file["status"]["list"] = world.list(at=forgeries.START + 700)
    return data(file)


GOOD = {
    "valid": (IN_FORCE, lambda: data(World().file())),
    "valid, of a corridor": (IN_FORCE, lambda: data(World().file(IMT))),
    "valid, of an operation": (IN_FORCE, lambda: data(World().with_terms().file(CORT))),
    "valid, of a payment route": (IN_FORCE, lambda: data(World().with_terms().file(PSRT))),
    "valid, of revenue rules": (IN_FORCE, lambda: data(World().with_terms().file(RRMT))),
    "valid, others withdrawn": (IN_FORCE, lambda: data(forgeries.honest().file(IMT))),
    "suspended and lifted": (IN_FORCE, lambda: data(forgeries.honest().file(RMT_SG))),
    "revoked": (WITHDRAWN, lambda: data(forgeries.honest().file(RMT_EU))),
    "suspended": (WITHDRAWN, suspended),
    "run out": (
        OUTSIDE_ITS_TIME,
        lambda: data(World(window=("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z")).file()),
    ),
    "not begun": (
        OUTSIDE_ITS_TIME,
        lambda: data(World(window=("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z")).file()),
    ),
    "signed again after a rotation": (IN_FORCE, lambda: data(forgeries.rotated())),
    "list signed some minutes after the head": (IN_FORCE, of_grown_log),
}


@pytest.mark.parametrize("name", GOOD)
def test_an_honest_file_says_what_the_token_was_worth(name, theirs):
    exit_code, make = GOOD[name]
    body = make()
    assert (ours(body), theirs(body)) == (exit_code, exit_code)


@pytest.mark.parametrize("name", forgeries.FORGERIES)
def test_a_forged_file_is_refused_by_both_and_for_the_same_reason(name, theirs):
    exit_code, make = forgeries.FORGERIES[name]
    body = make()
    assert (ours(body), theirs(body)) == (exit_code, exit_code)


@pytest.mark.parametrize("name", COSIGNED)
def test_of_cosignatures_those_are_checked_that_are_asked_for(name, theirs):
    exit_code, make, keys = COSIGNED[name]
    body = make()
    assert (ours(body, witnesses=keys), theirs(body, witnesses=keys)) == (exit_code, exit_code)


def test_fewer_cosignatures_can_be_enough():
    body, keys = COSIGNED["by one of two"][1](), [cosigned.W1.key, cosigned.W2.key]
    found = evidence_check.check(body, root_public=ROOT.public, witnesses=WitnessPolicy.of(keys, 1))
    seen = [evidence_check.Cosigner(cosigned.W1.name, times.to_text(cosigned.SEEN))]
    assert (found.cosigned, found.unchecked) == (seen, [])


def test_another_root_key_trusts_nothing(theirs):
    body = data(World().file())
    assert (ours(body, STRANGER.public), theirs(body, STRANGER.public)) == (10, 10)


def test_proofs_hold_in_trees_of_every_size(theirs):
    """Each size has its own shape: full, ragged, a power of two."""
    world = World()
    for size in range(len(world.events), 36):
        body = data(world.file(IMT))
        assert ours(body) == IN_FORCE, size
        if size in {13, 15, 16, 17, 31, 32, 33, 35}:
            assert theirs(body) == IN_FORCE, size
        world.log("dataset", f"un-sc:{size}", forgeries.digests.sha256(str(size).encode()))


def test_the_independent_checker_is_short_and_stands_alone():
    text = CHECKER.read_text()
    assert text.count("\n") <= MAX_LINES
    imports = [line for line in text.splitlines() if line.startswith("import ")]
    assert imports
    assert all(' from "node:' in line for line in imports)


def test_no_file_and_no_key_are_usage_errors(theirs, tmp_path):
    assert theirs(data(World().file()), b"short") != 0
    done = subprocess.run([NODE, CHECKER, tmp_path / "none.json"], capture_output=True, text=True)
    assert done.returncode != 0
    assert not done.stdout
