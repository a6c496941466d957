"""Other versions of Python on this machine, with the program's dependencies."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
NEEDED = "import anyascii, defusedxml, httptools, msgspec, nacl, orjson, pytest, re2, rapidfuzz"
FLAG = "RTGF_TEST_PYTHONS"


def python(version: str) -> Path:
    """Return a Python of this version, such as `3.12`, that can run the tests' own modules.

    One that lacks the dependencies gets them in an environment below the user's cache folder, if
    the variable `RTGF_TEST_PYTHONS` is set; that takes a package index and a minute.
    """
    found = [Path(path) for path in [shutil.which(f"python{version}")] if path]
    found += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True)
    found = [path for path in found if _version(path) == version]
    if not found:
        pytest.skip(f"no Python {version} is on this machine")
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made = cache / "rtgf-node" / f"python-{version}-{lock}" / "bin" / "python"
    for path in (made, *found):
        if path.exists() and _runs(path, NEEDED):
            return path
    if not os.environ.get(FLAG):
        pytest.skip(f"Python {version} is here without the dependencies; {FLAG}=1 installs them")
    subprocess.run([found[0], "-m", "venv", "--clear", made.parents[1]], check=True)
    install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", LOCK]
    subprocess.run([made, *install], check=True)
    return made


def _version(path: Path) -> str:
    script = "import sys; print(*sys.version_info[:2], sep='.')"
    # A shim of pyenv may be there for a version that is not selected.
    found = subprocess.run([path, "-c", script], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _runs(path: Path, script: str) -> bool:
    return subprocess.run([path, "-c", script], capture_output=True, check=False).returncode == 0
