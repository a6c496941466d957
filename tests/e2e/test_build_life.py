"""A build's life: told while it runs, cancelled, killed, kept, and repeated somewhere else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rtgf_node.core import digests
from tests.authorities import pinned, push
from tests.bench import full_matrix
from tests.e2e.test_restart import Victim
from tests.nodes import PATIENCE_SECONDS, RATES, TestNode
from tests.observing import events, refusals, tree_size
from tests.small_builds import PLACES, body_of, codes_of, imt, rmt, served, small_node
from tests.worlds import authority, clause

ROOT = Path(__file__).resolve().parents[2]
BROKEN = {"clauses": [clause(template="no_such_template")]}
MANY_PLACES = full_matrix.PLACES[:26]


@pytest.fixture
def small(tmp_path):
    """A node that pins three authorities and holds no snapshot yet; it does not run."""
    return small_node(tmp_path)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A stopped node with the snapshots of 26 jurisdictions: a build of 676 tokens."""
    folder = tmp_path_factory.mktemp("crowded")
    pins = pinned(folder / "pinned", *(authority(place) for place in MANY_PLACES), own=True)
    node = TestNode(folder / "node", settings=RATES + pins)
    with node.running():
        for place in MANY_PLACES:
            push(node, body_of(place))
    return node, RATES + pins


# --- what cannot be built stops nothing else ----------------------------------------------------


def test_an_entry_that_cannot_be_built_fails_alone_with_its_code(small):
    """RTGF-CT-82: the others, and the corridors between them, are published."""
    node = small
    with node.running():
        push(node, body_of("EU"))
        push(node, body_of("SG", **BROKEN))
        push(node, body_of("UK"))
        build = node.compile()
        assert (build.state, build.code) == ("published", None), build.causes
        assert served(node) == {rmt("EU"), rmt("UK"), imt("EU-UK"), imt("UK-EU")}
        (failed,) = build.failed
        assert (failed["jurisdiction"], failed["domain"]) == ("SG", "payments_aml")
        assert [failed["code"], *codes_of(failed["causes"])[:2]] == [
            "RTGF_PIPELINE_SNAPSHOT_FAIL",
            "RTGF_BUILD_SNAPSHOT_INVALID",
            "RTGF_MAP_PREDICATE_TEMPLATE_MISSING",
        ]
        assert ("RTGF_PIPELINE_SNAPSHOT_FAIL", "SG:payments_aml") in [
            row[:2] for row in refusals(node)
        ]
        told = node.cli("compile")
        assert told.returncode == 65
        assert "RTGF_MAP_PREDICATE_TEMPLATE_MISSING" in told.stdout + told.stderr
        push(node, body_of("SG", version="2026-11"))
        mended = node.compile()
        assert (mended.state, mended.failed) == ("published", [])
        assert rmt("SG", "2026-11.1") in mended.issued


def test_an_entry_whose_next_snapshot_is_broken_keeps_the_corridors_of_its_last(small):
    """Its neighbour's new rules are not kept waiting."""
    node = small
    with node.running():
        for place in ("EU", "UK"):
            push(node, body_of(place))
        assert node.compile().state == "published"
        push(node, body_of("UK", version="2026-11", **BROKEN))
        push(node, body_of("EU", version="2026-11"))
        build = node.compile()
        assert [one["jurisdiction"] for one in build.failed] == ["UK"]
        assert sorted(build.issued) == sorted(
            [rmt("EU", "2026-11.1"), imt("EU-UK", "2026-11.1"), imt("UK-EU", "2026-11.1")]
        )
        token = node.ask("GET", "/imt/EU-UK/payments_aml").json()
        assert sorted(token["derived_from"]) == [rmt("EU", "2026-11.1"), rmt("UK")]
        assert node.compile().state == "failed"


# --- what is kept of a build --------------------------------------------------------------------


def test_manifest_log_and_artefacts_are_served_also_after_a_restart(small):
    node = small
    with node.running():
        for place in PLACES:
            push(node, body_of(place))
        build = node.compile()
        seen = node.ask("GET", f"/admin/builds/{build.build_id}", role="auditor").json()
    with node.running():
        path = f"/admin/builds/{build.build_id}"
        again = node.ask("GET", path, role="auditor").json()
        assert again["stages"] == seen["stages"][:-1]  # the last one is after the commit
        assert {**again, "stages": []} == {**seen, "stages": []}
        (listed,) = node.ask("GET", "/admin/builds", role="auditor").json()
        assert (listed["build_id"], listed["state"]) == (build.build_id, "published")
        manifest = node.ask("GET", f"{path}/manifest", role="auditor").body
        assert digests.sha256(manifest) == build.manifest_digest
        (logged,) = events(node, "build")
        assert logged["digest"] == build.manifest_digest
        artefacts = json.loads(manifest)["artefacts"]
        assert len(artefacts) == 9 + 3 + 3
        for one in artefacts:
            body = node.ask("GET", f"{path}/artefacts/{one['name']}", role="auditor").body
            assert digests.sha256(body) == one["sha256"]
        missing = node.ask("GET", f"{path}/artefacts/other.json", role="auditor")
        missing.problem(404, "RTGF_NOT_FOUND")


def test_a_build_is_replayed_on_another_machine(published, tmp_path):
    """RTGF-CT-20: another folder, hash seed, time zone and locale; the node is not asked."""
    (build,) = published.ask("GET", "/admin/builds", role="operator").json()
    file, inputs = tmp_path / "build_manifest.json", tmp_path / "inputs"
    shown = published.cli("builds", "show", build["build_id"], "--manifest", file)
    assert shown.returncode == 0, shown.stderr
    first = published.cli("replay", file, "--save", inputs, "--json")
    assert first.returncode == 0, first.stderr
    away = replayed(sys.executable, tmp_path, file, inputs)
    assert away.returncode == 0, away.stderr
    assert json.loads(away.stdout) == json.loads(first.stdout)
    assert json.loads(away.stdout)["different"] == []


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_a_build_is_replayed_by_another_python(published, tmp_path, version):
    """RTGF-CT-20."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} here")
    probe = [str(found[-1]), "-c", "import msgspec, nacl, orjson, re2, rapidfuzz, cyclopts"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"Python {version} is here without the program's dependencies")
    (build,) = published.ask("GET", "/admin/builds", role="operator").json()
    file, inputs = tmp_path / "build_manifest.json", tmp_path / "inputs"
    published.cli("builds", "show", build["build_id"], "--manifest", file)
    assert published.cli("replay", file, "--save", inputs).returncode == 0
    away = replayed(str(found[-1]), tmp_path, file, inputs)
    assert away.returncode == 0, away.stderr


def test_a_replay_names_what_is_different(published, tmp_path):
    """RTGF-CT-81: the artefact, its digest then and now, and the code of a divergence."""
    (build,) = published.ask("GET", "/admin/builds", role="operator").json()
    file, inputs = tmp_path / "build_manifest.json", tmp_path / "inputs"
    published.cli("builds", "show", build["build_id"], "--manifest", file)
    assert published.cli("replay", file, "--save", inputs).returncode == 0
    document = json.loads(file.read_bytes())
    name = document["artefacts"][5]["name"]
    document["artefacts"][5]["sha256"] = digests.sha256(b"other")
    file.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")))
    away = replayed(sys.executable, tmp_path, file, inputs)
    assert away.returncode == 74
    (different,) = json.loads(away.stdout)["different"]
    assert (different["name"], different["stated"]) == (name, digests.sha256(b"other"))
    assert "RTGF_PIPELINE_DETERMINISM_FAIL" in away.stderr
    victim = min(inputs.iterdir())
    victim.write_bytes(victim.read_bytes()[:-2])
    assert replayed(sys.executable, tmp_path, file, inputs).returncode not in {0, 70}


def replayed(python: str, folder: Path, manifest: Path, inputs: Path):
    """Replay from a folder with no settings, and nothing of this environment."""
    away = folder / "elsewhere"
    away.mkdir(exist_ok=True)
    environ = {
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "77",
        "TZ": "America/St_Johns",
        "LC_ALL": "C",
        "HOME": str(away),
    }
    arguments = ["replay", str(manifest), "--inputs", str(inputs), "--json"]
    return subprocess.run(
        [python, "-m", "rtgf_node", *arguments],
        cwd=away,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


# --- progress, cancelling, crashing -------------------------------------------------------------


def begun(node: TestNode) -> str:
    """Start a build and wait until some of it is done; return its id."""
    build = node.ask("POST", "/admin/compile", {}, role="operator").json()
    path = f"/admin/builds/{build['build_id']}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        progress = node.ask("GET", path, role="operator").json()["progress"]
        if progress and progress["done"] > 1:
            assert progress["stage"] == "compile"
            assert progress["total"] == len(MANY_PLACES) ** 2
            return str(build["build_id"])
    raise AssertionError("the build made no progress")


def test_a_cancelled_build_publishes_nothing_and_the_next_one_runs(crowded, tmp_path):
    node = crowded[0].copy(tmp_path / "node", settings=crowded[1])
    with node.running():
        size = tree_size(node)
        build_id = begun(node)
        path = f"/admin/builds/{build_id}"
        # Not by the command: a small build may be over before it has started.
        assert node.ask("POST", f"{path}/cancel", role="operator").status < 300
        while node.ask("GET", path, role="operator").json()["state"] == "running":
            pass
        assert node.ask("GET", path, role="operator").json()["state"] == "cancelled"
        assert (served(node), tree_size(node)) == (set(), size)
        assert not (node.folder / "data/building").exists()
        node.ask("POST", f"{path}/cancel", role="operator").problem(409, "RTGF_CONFLICT")
        late = node.cli("builds", "cancel", build_id)
        assert (late.returncode, "is not running" in late.stderr) == (73, True)
        build = node.compile(jurisdictions=["EU"])
        assert build.issued == [rmt("EU")]


def killed(node: TestNode) -> tuple[str, int]:
    """Kill a node in the middle of a build; return the build's id, and the size of the log."""
    with Victim(node.toml, node.folder / "node.log") as victim, node.client() as client:
        victim.wait_ready(client)
        size = tree_size(node)
        build_id = begun(node)
        victim.kill()
    assert (node.folder / "data/building").exists()
    return build_id, size


def ended(node: TestNode, build_id: str) -> dict[str, Any]:
    """Wait for the end of a build."""
    while True:
        build = node.ask("GET", f"/admin/builds/{build_id}", role="operator").json()
        if build["state"] != "running":
            return build
        time.sleep(0.05)


def test_a_build_that_a_kill_ended_goes_on_where_it_was(crowded, tmp_path):
    """RTGF-CT-80: nothing of it is half published; what was finished is not made again."""
    node = crowded[0].copy(tmp_path / "node", settings=crowded[1])
    build_id, size = killed(node)
    with node.running():
        build = ended(node, build_id)
        assert (build["state"], build["code"]) == ("published", None)
        (resumed,) = [one["detail"] for one in build["stages"] if one["stage"] == "resume"]
        done, _, total = resumed.split()[:3]
        assert 1 < int(done) < int(total) == len(MANY_PLACES) ** 2
        listed = node.ask("GET", "/admin/builds", role="operator").json()
        assert [one["build_id"] for one in listed] == [build_id]
        assert len(served(node)) == len(MANY_PLACES) ** 2
        assert tree_size(node) == size + 1 + len(MANY_PLACES) ** 2
        assert os.listdir(node.folder / "data").count("building") == 0


def test_a_build_whose_files_a_crash_took_is_on_record_and_made_again(crowded, tmp_path):
    """The next start asks for the same once more, from what is in force then."""
    node = crowded[0].copy(tmp_path / "node", settings=crowded[1])
    build_id, _ = killed(node)
    shutil.rmtree(node.folder / "data/building")
    time.sleep(1.1)  # another second is another build
    with node.running():
        first = node.ask("GET", f"/admin/builds/{build_id}", role="operator").json()
        assert (first["state"], first["code"]) == ("failed", "RTGF_ACTOR_CRASHED")
        (again,) = [
            one["build_id"]
            for one in node.ask("GET", "/admin/builds", role="operator").json()
            if one["build_id"] != build_id
        ]
        assert ended(node, again)["state"] == "published"
        assert len(served(node)) == len(MANY_PLACES) ** 2
