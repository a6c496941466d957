"""Published test cases that Go carries: in modules that its proxy serves, and beside its library.

Nothing of them is kept here. A module is fetched by the `go` command into its own cache and is used
only if its content has the sum that the test states.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

SECONDS = 120
"""For fetching one module: the largest that is asked for has 10 MB."""


def run(*words: str) -> str:
    """Return what a `go` command says; skip the test where it cannot be run or fails."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no go command to fetch the cases with")
    done = subprocess.run(
        [go, *words],
        capture_output=True,
        check=False,
        cwd=Path(sysconfig.get_path("scripts")),
        env={**os.environ, "GOTOOLCHAIN": "local"},
        text=True,
        timeout=SECONDS,
    )
    if done.returncode != 0:
        pytest.skip("the module that carries the cases cannot be fetched here")
    return done.stdout


def folder_of(module: str, expected: str) -> Path:
    """Return the folder of a module's content, which must have the sum that is expected."""
    found = json.loads(run("mod", "download", "-json", module))
    assert found["Sum"] == expected
    return Path(found["Dir"])


def of_library(path: str) -> Path:
    """Return a file or folder beside Go's own library; skip the test where Go has none."""
    found = Path(run("env", "GOROOT").strip()) / "src" / path
    if not found.exists():
        pytest.skip("this Go is installed without its own tests")
    return found
