"""Puts the Raft core into the wheel, where it can be built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

LIBRARY = "rtgf_node/replication/raftcore/libraftcore.so"


class RaftCoreHook(BuildHookInterface[Any]):
    """Builds the core first; a wheel that carries it is for this kind of machine only.

    A wheel without it is for every machine, and its nodes work alone.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files."""
        if version == "editable":
            return  # scripts/setup builds it in place
        root = Path(self.root)
        build = [root / "scripts/build-raftcore", sys.executable]
        subprocess.run(build, check=True)  # noqa: S603  our own script
        if (root / LIBRARY).is_file():
            build_data["artifacts"].append(f"/{LIBRARY}")
            build_data["pure_python"] = False
            # Every CPython takes it, with a C library at least as new as the one it was built with.
            tags = list(platform_tags())
            tag = next((tag for tag in tags if tag.startswith("manylinux")), tags[0])
            build_data["tag"] = f"py3-none-{tag}"
