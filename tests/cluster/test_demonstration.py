"""`rtgf cluster demo` goes as told, in a folder that is named as people name it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PATIENCE_SECONDS = 300


def test_the_leader_is_killed_in_front_of_the_reader_and_nothing_is_lost(tmp_path):
    environ = {name: value for name, value in os.environ.items() if name[:5] != "RTGF_"}
    done = subprocess.run(
        [sys.executable, "-m", "rtgf_node", "cluster", "demo", "shown", "--json"],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["leader"] != outcome["killed"]
    assert {one.name for one in (tmp_path / "shown").iterdir()} == {"a", "b", "c"}
    assert f"all three have {outcome['tree_size']} log entries under one root" in done.stderr
