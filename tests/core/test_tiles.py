"""Tile paths and bundles: the C2SP vectors, other people's logs, and roots from tiles alone."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import checkpoint, merkle, tiles
from rtgf_node.core.tiles import HEIGHT, MAX_INDEX, WIDTH, TilePath
from rtgf_node.errors import Code, RtgfError

TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

paths = st.builds(
    TilePath,
    st.none() | st.integers(0, tiles.MAX_LEVEL),
    st.integers(0, MAX_INDEX) | st.integers(0, 2000),
    st.integers(1, WIDTH),
)


@pytest.fixture
def vectors(shared):
    return json.loads((shared / "vectors" / "transcribed" / "tile-paths.json").read_text())


def refused(function, *arguments):
    with pytest.raises(RtgfError) as caught:
        function(*arguments)
    return caught.value.code


def model(leaves):
    """Serve the tiles of a tree over these leaf hashes, each node hashed from its leaves."""

    def read(path):
        below = 1 << (HEIGHT * path.level)
        first = path.number * WIDTH
        return b"".join(
            merkle.root_hash(leaves[node * below : (node + 1) * below])
            for node in range(first, first + path.width)
        )

    return read


def test_the_published_paths(vectors):
    for index, size, path in vectors["entries_path_for_log_index"]:
        assert str(tiles.of_entry(index, size)) == path
        assert tiles.parse(path) == tiles.of_entry(index, size)
    for level, number, width, path in vectors["tile_path"]:
        assert str(TilePath(level, number, width or WIDTH)) == path


def test_the_published_readings(vectors):
    for level, rest, read_level, number, width in vectors["parse_ok"]:
        found = TilePath(read_level, number, width or WIDTH)
        assert tiles.parse(f"tile/{level}/{rest}") == found
        assert str(found) == f"tile/{level}/{rest}"
    for level, rest in vectors["parse_bad"]:
        assert refused(tiles.parse, f"tile/{level}/{rest}") is Code.RTGF_INPUT_INVALID, rest


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/00/000",
        "tile/01/000",
        "tile/+1/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/0000",
        "tile/0/00",
        "tile/0/x000/000",
        "tile/0/X001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/1000",
        "tile/0/000.p/1/",
        "tile/0/000.P/1",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0661",
        "tile/0/../0/000",
        "tile//0/000",
    ],
)
def test_each_place_has_one_path(path):
    assert refused(tiles.parse, path) is Code.RTGF_INPUT_INVALID


@given(paths)
def test_a_path_is_read_as_it_was_written(path):
    assert tiles.parse(str(path)) == path


@given(st.text(alphabet="tilenrs/0123456789x.p", max_size=40))
def test_whatever_is_read_is_written_the_same(text):
    try:
        path = tiles.parse(f"tile/{text}")
    except RtgfError:
        return
    assert str(path) == f"tile/{text}"


@pytest.mark.parametrize(
    "path",
    [
        TilePath(-1, 0),
        TilePath(64, 0),
        TilePath(0, -1),
        TilePath(None, MAX_INDEX + 1),
        TilePath(0, 0, 0),
        TilePath(0, 0, 257),
    ],
)
def test_a_place_that_cannot_be_has_no_path(path):
    assert refused(str, path) is Code.RTGF_INPUT_INVALID


def test_the_pieces_of_the_specs_examples(shared):
    file = shared / "vectors" / "transcribed" / "c2sp-spec-examples.json"
    for size, stated in json.loads(file.read_text())["tile_sizes"].items():
        found: dict[str, int] = {}
        for path in tiles.covering(int(size)):
            if path.level is None:
                continue
            if path.is_full:
                found[f"level{path.level}_full"] = found.get(f"level{path.level}_full", 0) + 1
            else:
                found[f"level{path.level}_partial"] = path.width
        assert found == stated


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_covering_is_what_is_covered_and_grows_by_what_is_new(one, other):
    old, new = sorted((one, other))
    whole = list(tiles.covering(new))
    assert len(set(whole)) == len(whole)
    assert all(path.is_covered(new) for path in whole)
    assert sum(path.width for path in whole if path.level is None) == new
    full_before = {path for path in tiles.covering(old) if path.is_full}
    assert set(tiles.covering(new, since=old)) == set(whole) - full_before


def test_no_entry_outside_the_log():
    assert refused(tiles.of_entry, 5, 5) is Code.RTGF_TXP_PROOF_NOT_FOUND
    assert refused(tiles.of_entry, -1, 5) is Code.RTGF_TXP_PROOF_NOT_FOUND


@given(st.integers(0, 900))
def test_the_root_follows_from_the_right_edge(size):
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    assert tiles.tree_root(size, model(leaves)) == merkle.root_hash(leaves)


def test_a_tile_of_another_width_gives_no_root():
    leaves = [bytes([number]) * 32 for number in range(5)]
    read = model(leaves)
    cut = refused(tiles.tree_root, 5, lambda path: read(path)[:-1])
    assert cut is Code.RTGF_TXP_PROOF_INVALID


@given(st.lists(st.binary(max_size=600), min_size=1, max_size=WIDTH))
def test_a_bundle_is_read_as_it_was_written(entries):
    data = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(data, len(entries)) == entries
    for wrong, width in (
        (data, len(entries) + 1),
        (data, len(entries) - 1),
        (data + b"\x00", len(entries)),
        (data[:-1], len(entries)),
    ):
        assert refused(tiles.decode_bundle, wrong, width) is Code.RTGF_TXP_PROOF_INVALID


def test_what_fits_no_bundle():
    for entries in ([], [b""] * 257, [bytes(65_536)]):
        assert refused(tiles.encode_bundle, entries) is Code.RTGF_INPUT_INVALID
    assert tiles.decode_bundle(tiles.encode_bundle([bytes(65_535)]), 1) == [bytes(65_535)]


@pytest.mark.parametrize("size", range(16))
def test_tesseras_log_agrees_with_itself_and_with_us(shared, size):
    """Checkpoint, tiles and bundles of the reference log, at every size it had."""
    folder = shared / "vectors" / "tessera-testlog" / "log"
    signed = checkpoint.open_note((folder / f"checkpoint.{size}").read_bytes(), [TESSERA_KEY])
    assert signed.size == size

    def read(path):
        return (folder / str(path)).read_bytes()

    assert tiles.tree_root(size, read) == signed.root
    for path in tiles.covering(size):
        if path.level is None:
            data = read(path)
            entries = tiles.decode_bundle(data, path.width)
            assert tiles.encode_bundle(entries) == data
            hashes = read(TilePath(0, path.number, path.width))
            assert b"".join(map(merkle.leaf_hash, entries)) == hashes


def test_sunlights_mirror_lies_where_our_paths_say(shared):
    """Its entries are placeholders, its paths and tiles are those of a log of 300."""
    mirrored = shared / "vectors" / "sunlight-testtree" / "witness" / "mirror"
    (folder,) = (entry for entry in mirrored.iterdir() if entry.is_dir())
    size = int((folder / "checkpoint").read_text().split("\n")[1])
    root = (folder / "checkpoint").read_text().split("\n")[2]
    held = {
        str(file.relative_to(folder)) for file in (folder / "tile").rglob("*") if file.is_file()
    }
    assert held == {str(path) for path in tiles.covering(size)}
    read = {path: (folder / str(path)).read_bytes() for path in tiles.covering(size)}
    full = tiles.split(TilePath(0, 0), read[TilePath(0, 0)])
    assert merkle.root_hash(full) == read[TilePath(1, 0, 1)]
    assert tiles.tree_root(size, read.__getitem__) == base64.b64decode(root)
