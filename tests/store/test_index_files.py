"""Index files: made once, mapped after that, made anew when they cannot be trusted."""

from __future__ import annotations

import pytest

from rtgf_node.core.lists.packed import DamagedError, Packed
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.screening import ListsIndex, NameIndex, Party
from rtgf_node.store import index_files
from rtgf_node.store.index_files import IndexFiles

RECORDS = (
    Record("one", "1", "person", ("Karim Belkacem Dourado",), birth_dates=("1970",)),
    Record("one", "2", "organisation", ("Nystrom Shipping",), aliases=("Ольга",)),
)
ASKED = Party(("Kareem Belkacem Dourado",), birth_dates=("1970",))


class Maker:
    """Makes the index, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> bytes:
        self.made += 1
        return NameIndex.packed(RECORDS)


@pytest.fixture
def maker() -> Maker:
    return Maker()


def opened(folder, maker, *contents: str) -> NameIndex:
    return IndexFiles(folder).opened(contents or ("sha256:aa",), maker, NameIndex)


def test_an_index_is_made_once_and_answers_the_same_from_its_file(tmp_path, maker) -> None:
    folder = tmp_path / "indexes"
    first, second = opened(folder, maker), opened(folder, maker)
    assert maker.made == 1
    expected = NameIndex.build(RECORDS).screen(ASKED, threshold=0.8)
    assert expected
    assert first.screen(ASKED, threshold=0.8) == expected
    assert second.screen(ASKED, threshold=0.8) == expected
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("harm", ["cut", "turned", "empty", "foreign"])
def test_a_damaged_file_is_made_anew(tmp_path, maker, harm) -> None:
    before = opened(tmp_path, maker)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    if harm == "turned":
        data[len(data) // 2] ^= 1
    damaged = {"cut": data[:-1], "turned": data, "empty": b"", "foreign": b"x" * 200}[harm]
    other = tmp_path / "other"
    other.write_bytes(damaged)
    other.replace(path)
    with pytest.raises(DamagedError):
        Packed(bytes(damaged))
    again = opened(tmp_path, maker)
    assert maker.made == 2
    found = again.screen(ASKED, threshold=0.8)
    assert found == before.screen(ASKED, threshold=0.8) != ()
    opened(tmp_path, maker)
    assert maker.made == 2


def test_another_list_or_program_has_another_file(tmp_path, maker, monkeypatch) -> None:
    opened(tmp_path, maker, "sha256:aa")
    opened(tmp_path, maker, "sha256:bb")
    opened(tmp_path, maker, "sha256:bb", "sha256:aa")
    opened(tmp_path, maker, "sha256:aa", "sha256:bb")
    assert maker.made == 3
    monkeypatch.setattr(index_files, "_program", lambda: "another")
    opened(tmp_path, maker, "sha256:aa")
    assert maker.made == 4


def test_a_disk_that_takes_nothing_costs_only_time(tmp_path, maker) -> None:
    (tmp_path / "indexes").write_text("a file where the folder should be")
    for _ in range(2):
        index = opened(tmp_path / "indexes", maker)
        assert index.screen(ASKED, threshold=0.8)
    assert maker.made == 2


def test_what_is_not_kept_is_removed_and_who_has_it_goes_on(tmp_path, maker) -> None:
    index = opened(tmp_path, maker, "sha256:aa")
    opened(tmp_path, maker, "sha256:bb")
    (tmp_path / ".left.behind").touch()
    IndexFiles(tmp_path).keep_only([("sha256:bb",)])
    assert [path.name for path in tmp_path.iterdir()] == [index_files.name_of(("sha256:bb",))]
    assert index.screen(ASKED, threshold=0.8)


def test_lists_are_joined_from_a_file(tmp_path) -> None:
    lists = {"a": NameIndex.build(RECORDS), "b": NameIndex.build(RECORDS[:1])}
    files, made = IndexFiles(tmp_path), []

    def make() -> bytes:
        made.append(1)
        return ListsIndex.packed(lists)

    for _ in range(2):
        joined = files.opened(tuple(lists), make, lambda data: ListsIndex(lists, data))
        assert joined.screen(ASKED, lists, threshold=0.8) == ListsIndex(lists).screen(
            ASKED, lists, threshold=0.8
        )
    assert len(made) == 1
