"""Two fresh processes build the same; what differs, crashes or is refused publishes nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from rtgf_node.building import processes
from rtgf_node.building import twice as build_twice
from rtgf_node.building import worker as build_worker
from rtgf_node.core import digests
from rtgf_node.core.build import BuildOutput, finish
from rtgf_node.errors import Code, RtgfError
from tests import worlds
from tests.bench import full_matrix

RECORDS, CONTENT = worlds.record_list(worlds.LISTED)
EU = worlds.screened_document()
SG = worlds.document("SG", clauses=[worlds.clause(params={"minimum_period": "P6Y"})])
TOKEN = "tokens/imt/eu-sg-payments_aml-2026-10.1.json"

# A worker that answers rightly, but for one artefact that tells what it saw of its environment.
UNSTEADY = f"""
import sys, time
from rtgf_node.building import worker as build_worker
from rtgf_node.core.build import Build
real = Build.make
def unsteady(self, numbers):
    part = real(self, numbers)
    if "{TOKEN}" in part.artefacts:
        part.artefacts["{TOKEN}"] += repr(EXPRESSION).encode()
    return part
Build.make = unsteady
sys.exit(build_worker.main())
"""


def request(folder: Path, records: bytes = RECORDS, **changes: Any) -> bytes:
    path = folder / "records"
    path.write_bytes(records)
    snapshots = worlds.by_id(EU, SG)
    return build_worker.encode_request(
        worlds.build_inputs(
            snapshots,
            ["EU", "SG", "EU-SG"],
            **{"datasets": [worlds.dataset_input(CONTENT)], **changes},
        ),
        snapshots=snapshots,
        parents={},
        library=worlds.library_files(),
        datasets={CONTENT: str(path)},
    )


def twice(data: bytes, keep_in: Path, **options: Any) -> BuildOutput:
    folder = keep_in.parent / "building"

    async def run() -> BuildOutput:
        output = await build_twice.build_twice(data, folder=folder, keep_in=keep_in, **options)
        return BuildOutput(output.manifest, dict(output.artefacts))

    return trio.run(run)


def refusal(data: bytes, keep_in: Path, **options: Any) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        twice(data, keep_in, **options)
    return caught.value


def python(code: str) -> list[str]:
    return [sys.executable, "-P", "-s", "-c", code]


def test_two_processes_with_other_hash_seeds_and_time_zones_agree(tmp_path: Path) -> None:
    """RTGF-CT-20."""
    kept = tmp_path / "kept"
    output = twice(request(tmp_path), kept)
    assert TOKEN in output.artefacts
    assert not kept.exists()
    # A third build, in this process, whose environment is another again.
    assert in_one_go(request(tmp_path)) == output


def in_one_go(data: bytes) -> BuildOutput:
    """Build all of a request in this process, in one piece."""
    build = build_worker.begin(data)
    document, inputs = build_worker.decode_inputs(data)
    part = build.make(range(len(inputs.targets)))
    listed = {name: digests.sha256(content) for name, content in part.artefacts.items()}
    manifest, notes = finish(document, listed, part.notes)
    return BuildOutput(manifest, {**part.artefacts, **notes})


@pytest.mark.parametrize("processes", [2, 4, 7])
def test_any_number_of_processes_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """RTGF-CT-20, RTGF-CT-73: pieces are taken as processes become free."""
    monkeypatch.setattr(build_twice, "TARGETS_PER_PROCESS", 3)
    folder = tmp_path / "records"
    folder.mkdir()
    data, count = full_matrix.request(folder, full_matrix.PLACES[:3])
    steps: list[tuple[int, int]] = []
    output = twice(
        data,
        tmp_path / "kept",
        processes=processes,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert output == in_one_go(data)
    assert len(json.loads(output.artefacts["conflicts.json"])) > 1
    assert steps == sorted(steps)
    assert steps[-1] == (count, count)


def test_nothing_of_an_earlier_build_in_the_folder_is_taken_for_this_one(tmp_path: Path) -> None:
    """RTGF-CT-82: without what cannot be built it is tried again, with other status indexes."""
    kept = tmp_path / "kept"
    late = python(
        "import sys, time; time.sleep(1); "
        "from rtgf_node.building import worker as build_worker; sys.exit(build_worker.main())"
    )
    prompt = processes.worker_command()
    # The first run writes; then, of other inputs, only the second.
    twice(request(tmp_path), kept, commands=[prompt, late])
    other = request(tmp_path, issued_at="2026-11-22T13:00:00Z")
    assert twice(other, kept, commands=[late, prompt]) == in_one_go(other)


def test_an_artefact_that_changed_on_disk_is_not_passed_on(tmp_path: Path) -> None:
    async def run() -> BuildOutput:
        return await build_twice.build_twice(
            request(tmp_path), folder=tmp_path / "building", keep_in=tmp_path / "kept"
        )

    output = trio.run(run)
    (written,) = tmp_path.glob(f"building/*/{TOKEN}")
    written.write_bytes(written.read_bytes() + b" ")
    with pytest.raises(RtgfError) as caught:
        output.artefacts[TOKEN]
    assert caught.value.code is Code.RTGF_BUILD_HASH_MISMATCH


@pytest.mark.parametrize(
    "expression",
    ["hash('EU')", "time.localtime(0).tm_hour", "__import__('os').environ['LC_ALL']"],
)
def test_what_leaks_from_the_environment_is_found_and_named(
    tmp_path: Path, expression: str
) -> None:
    """RTGF-CT-81: a determinism mismatch halts, naming the artefact, and both are kept."""
    unsteady = python(UNSTEADY.replace("EXPRESSION", expression))
    error = refusal(request(tmp_path), tmp_path / "kept", commands=[unsteady, unsteady])
    assert error.code is Code.RTGF_PIPELINE_DETERMINISM_FAIL
    (cause,) = error.causes
    assert cause.code is Code.RTGF_BUILD_PLAN_DIVERGENCE
    assert cause.detail.endswith(TOKEN)
    (folder,) = (tmp_path / "kept").iterdir()
    first, second = (folder / name / TOKEN for name in ("first", "second"))
    assert first.read_bytes() != second.read_bytes()
    assert (folder / "first" / "conflicts.json").read_bytes() == (
        folder / "second" / "conflicts.json"
    ).read_bytes()
    assert (folder / "request.msgpack").read_bytes() == request(tmp_path)


def test_a_refusal_beside_a_build_is_a_divergence_too(tmp_path: Path) -> None:
    refusing = python(
        "import sys\n"
        "from rtgf_node.building import worker as build_worker\n"
        "from rtgf_node.errors import Code, RtgfError\n"
        "def begin(data): raise RtgfError(Code.RTGF_INPUT_INVALID, 'no')\n"
        "build_worker.begin = begin\n"
        "sys.exit(build_worker.main())"
    )
    commands = [processes.worker_command(), refusing]
    error = refusal(request(tmp_path), tmp_path / "kept", commands=commands)
    assert error.code is Code.RTGF_PIPELINE_DETERMINISM_FAIL
    assert "RTGF_INPUT_INVALID" in error.causes[0].detail


def test_a_refusal_comes_through_with_its_causes(tmp_path: Path) -> None:
    """RTGF-CT-21: through the processes, code, place and causes are those of the build."""
    broken = {**EU, "clauses": [worlds.clause(template="no_such_template")]}
    snapshots = worlds.by_id({**broken, "evidence_sources": [], "scenarios": []})
    data = build_worker.encode_request(
        worlds.build_inputs(snapshots, ["EU"]),
        snapshots=snapshots,
        parents={},
        library=worlds.library_files(),
        datasets={},
    )
    error = refusal(data, tmp_path)
    assert error.code is Code.RTGF_BUILD_SNAPSHOT_INVALID
    assert error.pointer == "/clauses/0/template"
    assert error.causes[0].code is Code.RTGF_MAP_PREDICATE_TEMPLATE_MISSING


def test_a_damaged_list_halts_the_build(tmp_path: Path) -> None:
    """RTGF-CT-11, RTGF-CT-22: it is found before anything is signed or logged."""
    other, _ = worlds.record_list(worlds.LISTED, "Someone Added")
    error = refusal(request(tmp_path, records=other), tmp_path)
    assert error.code is Code.RTGF_SANCTIONS_HASH_MISMATCH


def test_a_list_that_is_gone_halts_the_build(tmp_path: Path) -> None:
    data = request(tmp_path)
    (tmp_path / "records").unlink()
    assert refusal(data, tmp_path).code is Code.RTGF_BUILD_HASH_MISMATCH


def test_records_are_not_read_when_no_scenario_screens(tmp_path: Path) -> None:
    snapshots = worlds.by_id({**EU, "scenarios": []})
    inputs = worlds.build_inputs(snapshots, ["EU"], datasets=[worlds.dataset_input(CONTENT)])
    data = build_worker.encode_request(
        inputs,
        snapshots=snapshots,
        parents={},
        library=worlds.library_files(),
        datasets={CONTENT: str(tmp_path / "nowhere")},
    )
    assert json.loads(in_one_go(data).manifest)["inputs"] == inputs


def test_an_altered_library_is_refused(tmp_path: Path) -> None:
    library = worlds.library_files()
    library["record_retention.json"] += b" "
    snapshots = worlds.by_id(SG)
    data = build_worker.encode_request(
        worlds.build_inputs(snapshots, ["SG"]),
        snapshots=snapshots,
        parents={},
        library=library,
        datasets={},
    )
    assert refusal(data, tmp_path).code is Code.RTGF_BUILD_HASH_MISMATCH


def test_a_worker_that_crashes_is_an_internal_error_with_its_last_words(tmp_path: Path) -> None:
    crashing = python("import sys; sys.exit('the roof is on fire')")
    error = refusal(request(tmp_path), tmp_path / "kept", commands=[crashing, crashing])
    assert error.code is Code.RTGF_INTERNAL
    assert "the roof is on fire" in error.detail


def test_workers_that_take_too_long_are_ended(tmp_path: Path) -> None:
    sleeping = python("import time; time.sleep(600)")
    error = refusal(
        request(tmp_path), tmp_path / "kept", commands=[sleeping, sleeping], timeout_seconds=0.5
    )
    assert error.code is Code.RTGF_PIPELINE_PUBLISH_FAIL


def test_the_worker_sees_nothing_of_its_parents_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTGF_CANARY", "seen")
    telling = python("import os, sys; sys.exit(' '.join(sorted(os.environ)))")
    error = refusal(request(tmp_path), tmp_path / "kept", commands=[telling, telling])
    assert "PYTHONHASHSEED" in error.detail
    assert "RTGF_CANARY" not in error.detail
    assert "PATH=" not in error.detail.replace("PYTHONPATH", "")
