"""Fuzz one target, led by what code it reaches: `python -m tests.fuzz.guided TARGET [OPTION...]`.

It needs the package `atheris`, which the tests do not: install it in an environment of its own. The
options are those of libFuzzer, such as `-max_total_time=600` or a folder to keep what it found.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found, unused-ignore]  # see above

with atheris.instrument_imports(include=["rtgf_node", "xml", "json", "csv"]):
    from tests.fuzz.mutation import MAX_BYTES, mutate
    from tests.fuzz.targets import TARGETS


def main() -> None:
    target = TARGETS[sys.argv[1]]
    valid = target.seeds()

    def run(data: bytes) -> None:
        try:
            target.run(data)
        except target.refusals:
            return

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, max_size))
        return mutate(data, chance.choice(valid), chance)[:max_size]

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(valid):
            (Path(folder) / str(number)).write_bytes(data)
        bounds = [f"-max_len={MAX_BYTES}", "-timeout=10", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *bounds, *sys.argv[2:], folder], run, custom_mutator=change)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
