"""The real lists, each parsed once for all tests of this folder."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.record import ReadResult
from rtgf_node.core.lists.screening import NameIndex

# name -> reader, files below datasets/ by part; a list that is one file has one part without name.
REAL: dict[str, tuple[str, dict[str, str]]] = {
    "sdn-2021": ("ofac-csv", {"sdn": "us-ofac/sdn_2021-08-18.csv"}),
    "sdn-2024-04": ("ofac-csv", {"sdn": "us-ofac/sdn_2024-04-26.csv"}),
    "sdn-2024-05": ("ofac-csv", {"sdn": "us-ofac/sdn_2024-05-02.csv"}),
    "sdn-set": (
        "ofac-csv",
        {
            "sdn": "us-ofac/bench2021_sdn.csv",
            "alt": "us-ofac/bench2021_alt.csv",
            "add": "us-ofac/bench2021_add.csv",
            "comments": "us-ofac/bench2021_sdn_comments.csv",
        },
    ),
    "non-sdn": ("ofac-xml", {"": "us-ofac/ofac_consolidated_nonsdn_2025-03-28.xml"}),
    "un-17": ("un-xml", {"": "un/un-data_2025-06-17.xml"}),
    "un-18": ("un-xml", {"": "un/un-data_2025-06-18.xml"}),
    "un-19": ("un-xml", {"": "un/un-data_2025-06-19.xml"}),
    "eu": ("eu-jsonl", {"": "eu/eu_fsf_2026-05-01.jsonl.gz"}),
    "eu-csv": ("eu-csv", {"": "eu/eu_fsd_csv_sample1000.csv"}),
    "uk": ("uk-jsonl", {"": "uk/uk_sanctions_list_2026-08-22.jsonl"}),
    "hmt": ("uk-csv", {"": "uk/hmt_conlist_2018-04-13.csv"}),
    "au": ("au-jsonl", {"": "au-dfat/au_dfat_2026-08-22.jsonl"}),
    "ca": ("ca-xml", {"": "ca/sema_consolidated.xml"}),
}


class RealLists:
    """Bytes and parsed form of each real list, read when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parsed: dict[str, ReadResult] = {}

    def data(self, name: str) -> bytes | Mapping[str, bytes]:
        parts = {part: self._bytes(file) for part, file in REAL[name][1].items()}
        return parts.get("", parts)

    def parsed(self, name: str) -> ReadResult:
        if name not in self._parsed:
            self._parsed[name] = READERS[REAL[name][0]].read(self.data(name))
        return self._parsed[name]

    def _bytes(self, file: str) -> bytes:
        data = (self._folder / file).read_bytes()
        return gzip.decompress(data) if file.endswith(".gz") else data


@pytest.fixture(scope="session")
def lists(shared: Path) -> RealLists:
    return RealLists(shared / "datasets")


@pytest.fixture(scope="session")
def all_names(lists: RealLists) -> NameIndex:
    """The index over one current version of every list."""
    names = ("sdn-2024-05", "non-sdn", "un-19", "eu", "uk", "au", "ca")
    return NameIndex.build(record for name in names for record in lists.parsed(name).records)
