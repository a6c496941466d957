"""Writes the files: `python -m rtgf_node.objectives SLO.toml FOLDER`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from rtgf_node.errors import RtgfError
from rtgf_node.objectives import board, plain_yaml, rules, slo

HEAD = "Made by scripts/slo of slo.toml: change that, not this."


def files(text: str) -> Mapping[str, str]:
    """Return every file that follows from a slo.toml, by its name below the folder."""
    told = slo.parse(text)
    return {
        "prometheus/rtgf.rules.yml": plain_yaml.dump(rules.prometheus(told), head=HEAD),
        "prometheus/alertmanager.yml": plain_yaml.dump(rules.alertmanager(told), head=HEAD),
        "grafana/rtgf.json": json.dumps(board.grafana(told), indent=1) + "\n",
    }


def main(source: Path, folder: Path) -> None:
    """Write the files."""
    for name, text in files(source.read_text()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except RtgfError as error:
        sys.exit(error.detail)
