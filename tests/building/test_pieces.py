"""A build whose process was killed goes on: what was finished is not made again, nor believed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from rtgf_node.building.twice import NAMES, build_twice
from rtgf_node.building.worker import decode_inputs
from rtgf_node.core.build import BuildOutput
from rtgf_node.core.build_inputs import pieces
from tests.bench import full_matrix
from tests.nodes import PATIENCE_SECONDS

KEY = b"k" * 32
PLACES = full_matrix.PLACES[:6]

# A worker that writes down each piece that it is asked for.
COUNTING = """
import sys
from rtgf_node.building import worker as build_worker
real = build_worker.answer
def answer(build, piece):
    with open({notes!r}, "a") as notes:
        notes.write({run!r} + " " + str(piece[0]) + "\\n")
    return real(build, piece)
build_worker.answer = answer
sys.exit(build_worker.main())
"""
# The same, but in each run it stops at the 20th piece, for ever.
HANGING = COUNTING.replace(
    "    return", "    count[0] += 1\n    if count[0] == 20: sys.stdin.read()\n    return"
).replace("real =", "count = [0]\nreal =")

BUILDER = """
import sys, trio
from functools import partial
from pathlib import Path
from rtgf_node.building.twice import build_twice
folder = Path(sys.argv[1])
trio.run(partial(
    build_twice, (folder / "request").read_bytes(), folder=folder / "building",
    keep_in=folder / "kept", processes=2, key=bytes.fromhex(sys.argv[2]),
    commands=[[sys.executable, "-P", "-s", "-c", code] for code in sys.argv[3:]],
))
"""


class Asked:
    """Two workers that write down what they are asked, and a folder to build in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.request, self.total = full_matrix.request(folder, PLACES)
        (folder / "request").write_bytes(self.request)
        _, inputs = decode_inputs(self.request)
        self.pieces = [piece[0] for piece in pieces(inputs.targets)]

    def workers(self, notes: str, code: str = COUNTING) -> list[str]:
        return [code.format(notes=str(self.folder / notes), run=run) for run in NAMES]

    def noted(self, notes: str) -> set[tuple[str, int]]:
        path = self.folder / notes
        lines = path.read_text().splitlines() if path.exists() else []
        return {(run, int(number)) for run, number in (line.split() for line in lines)}

    def kill_in_the_middle(self) -> set[tuple[str, int]]:
        """Build in a process of its own until both runs stand, and kill it; return the pieces."""
        workers = self.workers("before", HANGING)
        process = subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(self.folder), KEY.hex(), *workers]
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.noted("before")) < 40 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        begun = self.noted("before")
        assert len(begun) == 40
        return begun

    def build(self, *, key: bytes | None = KEY, request: bytes | None = None) -> BuildOutput:
        """Build here, in the same folder; `after` has the pieces that were made."""
        self.told: list[tuple[int, int]] = []

        async def run() -> BuildOutput:
            output = await build_twice(
                self.request if request is None else request,
                folder=self.folder / "building",
                keep_in=self.folder / "kept",
                key=key,
                resumed=lambda done, total: self.told.append((done, total)),
                commands=[
                    [sys.executable, "-P", "-s", "-c", code] for code in self.workers("after")
                ],
            )
            return BuildOutput(output.manifest, dict(output.artefacts))

        return trio.run(run)

    def everything(self) -> set[tuple[str, int]]:
        return {(run, number) for run in NAMES for number in self.pieces}


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def whole(asked: Asked, folder: Path) -> BuildOutput:
    """The same, built without any interruption."""
    output = trio.run(partial(build_twice, asked.request, folder=folder, keep_in=folder / "kept"))
    return BuildOutput(output.manifest, dict(output.artefacts))


def test_finished_pieces_are_not_made_again_after_a_kill(asked: Asked, tmp_path: Path) -> None:
    """RTGF-CT-80: what a killed process finished is used; the bytes are those of one that lived."""
    begun = asked.kill_in_the_middle()
    output = asked.build()
    again = asked.noted("after")
    # Each run had 19 pieces behind it when it was killed in its 20th.
    assert len(again & begun) == 2
    assert again == asked.everything() - begun | (again & begun)
    assert asked.told == [(38 // 2, asked.total)]
    assert output == whole(asked, tmp_path / "whole")


def test_pieces_of_other_inputs_or_another_key_are_made_again(asked: Asked) -> None:
    asked.kill_in_the_middle()
    request = msgspec.msgpack.decode(asked.request)
    request["inputs"] = request["inputs"].replace(b'"rev_epoch":0', b'"rev_epoch":1')
    other = msgspec.msgpack.encode(request, order="deterministic")
    assert other != asked.request
    asked.build(request=other)
    assert asked.noted("after") == asked.everything()
    (asked.folder / "after").unlink()
    asked.build()  # the folder is the other request's now
    assert asked.noted("after") == asked.everything()


def test_another_key_takes_nothing(asked: Asked) -> None:
    asked.kill_in_the_middle()
    asked.build(key=b"x" * 32)
    assert asked.noted("after") == asked.everything()
    assert asked.told == [(0, asked.total)]


def test_a_piece_whose_artefact_or_note_was_altered_is_made_again(
    asked: Asked, tmp_path: Path
) -> None:
    begun = asked.kill_in_the_middle()
    building = asked.folder / "building"
    token = next(
        path for run in NAMES for path in sorted((building / run).glob("tokens/rmt/*.json"))
    )
    token.write_bytes(token.read_bytes().replace(b"P5Y", b"P1Y") + b" ")
    kept = sorted((building / "pieces" / NAMES[0]).iterdir())
    kept[-1].write_bytes(kept[-1].read_bytes()[:-1])
    output = asked.build()
    # The token is of both runs, the note of one; and what each run was at.
    assert len(asked.noted("after") & begun) == 2 + 2 + 1
    assert output == whole(asked, tmp_path / "whole")
