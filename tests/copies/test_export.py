"""Exports: whole or not begun for whoever reads, cheap to repeat, and never of anything false."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.copies.destinations import Bucket, Folder, destination
from rtgf_node.copies.export import IMMUTABLE, export
from rtgf_node.core import checkpoint, merkle, tiles
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.keys import SeedSigner
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import create_store, open_store
from tests.buckets import FakeS3
from tests.public_log import KEY, ORIGIN, SIGNER, PublicLog, entry, grow, sign_head

BESIDE = {
    "checkpoint",
    "jwks.json",
    "jwks.jws",
    ".well-known/jwks.json",
    ".well-known/jwks.jws",
    "revocations.json",
}


class Memory:
    """A destination that can stop working after so many writes."""

    def __init__(self):
        self.objects = {}
        self.headers = {}
        self.puts_left = None
        self.order = []

    def has(self, name):
        return name in self.objects

    def read(self, name):
        return self.objects.get(name)

    def put(self, name, data, *, media_type, cache):
        if self.puts_left == 0:
            raise RtgfError(Code.RTGF_UNAVAILABLE, "stopped here")
        if self.puts_left is not None:
            self.puts_left -= 1
        self.objects[name] = data
        self.headers[name] = (media_type, cache)
        self.order.append(name)

    def names(self, prefix):
        return iter([name for name in self.objects if name.startswith(prefix)])

    def remove(self, name):
        self.objects.pop(name, None)

    def settle(self):
        self.order.append("settled")

    def close(self):
        pass


def bucket():
    stores = pytest.importorskip("obstore.store", reason="obstore (rtgf-node[s3]) is not installed")
    import obstore

    return Bucket(obstore, stores.MemoryStore())


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


@pytest.fixture
def log(store):
    return PublicLog(store)


@pytest.fixture(params=["memory", "folder", "bucket"])
def place(request, tmp_path):
    """Each kind of destination through the one interface."""
    made = {"memory": Memory, "folder": lambda: Folder(tmp_path / "out"), "bucket": bucket}
    to = made[request.param]()
    yield to
    to.close()


def advance(log, size):
    grow(log.store, size)
    sign_head(log.store)


def run(log, to):
    return export(log, to, name="there", progress=lambda _: None)


def failing(code, log, to):
    with pytest.raises(RtgfError) as caught:
        run(log, to)
    assert caught.value.code is code, caught.value
    return caught.value


def check(to, size):
    """Read what was exported as a stranger does who has the log's key and the paths."""
    signed = checkpoint.open_note(to.read("checkpoint"), [KEY])
    assert signed.size == size
    read = {path: to.read(str(path)) for path in tiles.covering(size)}
    assert None not in read.values()
    assert tiles.tree_root(size, read.__getitem__) == signed.root
    leaves = []
    for path, data in read.items():
        if path.level is None:
            leaves += tiles.decode_bundle(data, path.width)
    assert leaves == [entry(number) for number in range(size)]
    below = [merkle.leaf_hash(leaf) for leaf in leaves]
    assert merkle.root_hash(below) == signed.root


def test_what_is_exported_is_the_log(log, place):
    advance(log, 1000)
    log.issue(3)
    done = run(log, place)
    check(place, 1000)
    assert (done.tree_size, done.since, done.tokens) == (1000, 0, 3)
    names = set(place.names("tile/")) | set(place.names("tokens/")) | BESIDE
    assert done.written == len(names)
    assert set(place.names("tokens/")) == {
        f"tokens/RMT/sg-payments_aml-2026-10.{number}" for number in (1, 2, 3)
    }
    for token_id, body in log.issued.items():
        assert place.read(f"tokens/RMT/sg-payments_aml-2026-10.{token_id[-1]}") == body
    assert set(place.names("tile/")) == {str(path) for path in tiles.covering(1000)}


def test_a_second_export_writes_only_what_is_new(log, place):
    advance(log, 600)
    run(log, place)
    again = run(log, place)
    assert (again.written, again.since) == (0, 600)
    advance(log, 601)
    log.asked.clear()
    done = run(log, place)
    check(place, 601)
    assert done.written == 3  # a tile and its bundle, and the checkpoint
    assert not {"tile/0/000", "tile/entries/000", "tile/0/001"} & set(log.asked)


def test_outgrown_partial_pieces_go(log, place):
    for size in (100, 200, 300, 700):
        advance(log, size)
        run(log, place)
    check(place, 700)
    assert not list(place.names("tile/0/000.p/"))
    assert not list(place.names("tile/entries/001.p/"))
    assert place.has("tile/1/000.p/1")
    assert place.has("tile/1/000.p/2")


def test_the_empty_log(log, place):
    advance(log, 0)
    assert run(log, place).tree_size == 0
    assert not list(place.names("tile/"))
    advance(log, 1)
    run(log, place)
    check(place, 1)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 1500), min_size=1, max_size=4))
def test_growth_in_any_steps_is_whole_after_each(tmp_path_factory, sizes):
    with create_store(tmp_path_factory.mktemp("steps") / "node") as store:
        log, to = PublicLog(store), Memory()
        for size in sorted(sizes):
            advance(log, size)
            run(log, to)
            check(to, size)


def test_an_export_that_stops_anywhere_is_completed_by_the_next(tmp_path):
    """After each number of writes: what is signed there is all there, and the next one ends it."""
    with create_store(tmp_path / "node") as store:
        log, first = PublicLog(store), Memory()
        advance(log, 300)
        log.issue(2)
        run(log, first)
        advance(log, 800)
        log.issue(2)
        whole = Memory()
        whole.objects = dict(first.objects)
        writes = run(log, whole).written
        for stop in range(writes):
            to = Memory()
            to.objects = dict(first.objects)
            to.puts_left = stop
            failing(Code.RTGF_UNAVAILABLE, log, to)
            check(to, 300)
            to.puts_left = None
            done = run(log, to)
            assert done.written == writes - stop
            check(to, 800)
            assert to.objects == whole.objects


def test_the_checkpoint_comes_last_and_after_a_settlement(log):
    to = Memory()
    advance(log, 300)
    log.issue(1)
    run(log, to)
    assert to.order[-3:] == ["settled", "checkpoint", "settled"]
    assert to.order.count("checkpoint") == 1


def test_what_a_cdn_is_told(log):
    to = Memory()
    advance(log, 300)
    log.issue(1)
    run(log, to)
    octets = "application/octet-stream"
    assert to.headers["tile/0/000"] == to.headers["tile/entries/000"] == (octets, IMMUTABLE)
    for partial in ("tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"):
        assert to.headers[partial] == (octets, "public, max-age=60")
    assert to.headers["checkpoint"] == ("text/plain; charset=utf-8", "public, max-age=5")
    assert to.headers["tokens/RMT/sg-payments_aml-2026-10.1"][0] == "application/imt-rmt+json"


def test_headers_reach_the_bucket(log):
    to = bucket()
    advance(log, 300)
    run(log, to)
    import obstore

    stored = obstore.get(to._store, "tile/0/000").attributes
    assert (stored["Content-Type"], stored["Cache-Control"]) == (
        "application/octet-stream",
        IMMUTABLE,
    )


def test_an_export_to_s3_by_url_and_environment(log, monkeypatch):
    """Over HTTP, below a prefix, with the settings that people give such programs."""
    pytest.importorskip("obstore", reason="obstore (rtgf-node[s3]) is not installed")
    with FakeS3().running() as s3:
        monkeypatch.setenv("AWS_ENDPOINT", s3.url)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        to = destination("s3://bucket/some/prefix")
        for size in (100, 300):
            advance(log, size)
            log.issue(1)
            run(log, to)
            check(to, size)
        assert all(key.startswith("bucket/some/prefix/") for key in s3.objects)
        assert "bucket/some/prefix/tile/0/000.p/100" not in s3.objects
        assert "bucket/some/prefix/tokens/RMT/sg-payments_aml-2026-10.1" in s3.objects
        full = s3.headers["bucket/some/prefix/tile/0/000"]
        assert full["cache-control"] == IMMUTABLE
        assert full["content-type"] == "application/octet-stream"
        assert run(log, to).written == 0


def test_tokens_that_the_checkpoint_does_not_cover_wait(log):
    to = Memory()
    advance(log, 2)
    log.issue(3)
    assert run(log, to).tokens == 2
    assert len(list(to.names("tokens/"))) == 2


FALSE = {
    "a full tile": ("tile/0/000", bytes(8192)),
    "a cut tile": ("tile/0/000", bytes(31)),
    "a tile at the edge": ("tile/0/002.p/88", bytes(88 * 32)),
    "the level above": ("tile/1/000.p/2", bytes(64)),
    "a bundle": ("tile/entries/001", tiles.encode_bundle([b"x"] * 256)),
    "no bundle": ("tile/entries/000", b"<html>"),
    "a bundle at the edge": ("tile/entries/002.p/88", tiles.encode_bundle([b"x"] * 88)),
}


@pytest.mark.parametrize("case", FALSE)
def test_a_node_that_serves_something_false_is_not_exported(log, case):
    to = Memory()
    advance(log, 600)
    path, data = FALSE[case]
    log.altered[path] = data
    failing(Code.RTGF_TXP_PROOF_INVALID, log, to)
    assert not to.has("checkpoint")
    assert to.read(path) is None
    log.altered.clear()
    run(log, to)
    check(to, 600)


def test_a_token_that_is_not_the_listed_one(log):
    to = Memory()
    advance(log, 5)
    log.issue(2)
    first, second = log.issued
    for body in (log.issued[second], canonical_bytes({"token_id": first}), b"{}"):
        log.altered[f"urn:rtgf:token:{first}"] = body
        failing(Code.RTGF_TOKEN_CANONICAL_MISMATCH, log, to)
        assert not to.has("checkpoint")


def test_a_checkpoint_of_another_key(log):
    to = Memory()
    advance(log, 5)
    other = SeedSigner(SIGNER.kid, bytes(32))
    root = log.store.log.root()
    log.altered["checkpoint"] = checkpoint.sign_note(Checkpoint(ORIGIN, 5, root), ORIGIN, other)
    failing(Code.RTGF_TXP_ROOT_SIGNATURE_INVALID, log, to)
    assert to.objects == {}


def test_history_at_the_destination_is_not_replaced(log, tmp_path):
    """Another history, an older state or another log: refused, and everything stays."""
    to = Memory()
    advance(log, 300)
    run(log, to)
    before = dict(to.objects)
    with create_store(tmp_path / "rewritten") as store:
        grow(store, 400, make=lambda number: entry(number + 1))
        sign_head(store)
        failing(Code.RTGF_TXP_GOSSIP_INCONSISTENT, PublicLog(store), to)
    with create_store(tmp_path / "same-size") as store:
        grow(store, 300, make=lambda number: entry(number + 1))
        sign_head(store)
        failing(Code.RTGF_TXP_GOSSIP_INCONSISTENT, PublicLog(store), to)
    with create_store(tmp_path / "behind") as store:
        grow(store, 299)
        sign_head(store)
        failing(Code.RTGF_CONFLICT, PublicLog(store), to)
    foreign = Checkpoint("other.example", 300, bytes(32))
    log.altered["checkpoint"] = checkpoint.sign_note(foreign, ORIGIN, SIGNER)
    failing(Code.RTGF_CONFLICT, log, to)
    assert to.objects == before


def test_revocations_do_not_go_back(log):
    to = Memory()
    advance(log, 5)
    log.epoch = 10
    run(log, to)
    log.epoch = 9
    failing(Code.RTGF_CONFLICT, log, to)
    assert to.read("revocations.json") == b'{"revEpoch":10}'


def test_a_node_that_goes_away_leaves_what_was_there(log):
    to = Memory()
    advance(log, 300)
    run(log, to)
    advance(log, 900)
    log.altered["tile/entries/002"] = None
    failing(Code.RTGF_UNREACHABLE, log, to)
    check(to, 300)


def test_a_folder_has_no_unfinished_file_under_a_name(log, tmp_path):
    (tmp_path / "out" / ".unfinished").mkdir(parents=True)
    (tmp_path / "out" / ".unfinished" / "object").write_bytes(b"half")
    to = Folder(tmp_path / "out")
    assert list((tmp_path / "out" / ".unfinished").iterdir()) == []
    advance(log, 300)
    run(log, to)
    assert {str(path) for path in tiles.covering(300)} == set(to.names("tile/"))
    to.close()


def test_one_export_at_a_time_has_a_folder(tmp_path):
    first = Folder(tmp_path / "out")
    with pytest.raises(RtgfError) as caught:
        Folder(tmp_path / "out")
    assert caught.value.code is Code.RTGF_CONFLICT
    first.close()
    Folder(tmp_path / "out").close()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RtgfError) as caught:
        Folder(tmp_path / "file" / "out")
    assert caught.value.code is Code.RTGF_UNAVAILABLE


def test_a_bucket_that_fails_is_said():
    obstore = pytest.importorskip("obstore", reason="obstore (rtgf-node[s3]) is not installed")
    stores = pytest.importorskip("obstore.store")
    nobody = stores.S3Store(
        "bucket",
        endpoint="http://127.0.0.1:1",
        region="eu-central-1",
        access_key_id="id",
        secret_access_key="secret",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    to = Bucket(obstore, nobody)
    with pytest.raises(RtgfError) as caught:
        to.put("a", b"", media_type="text/plain", cache="no-store")
    assert caught.value.code is Code.RTGF_UNAVAILABLE
    assert "\n" not in caught.value.detail


def test_other_places_are_refused():
    with pytest.raises(RtgfError) as caught:
        destination("https://bucket.example/prefix")
    assert caught.value.code is Code.RTGF_INPUT_INVALID


def test_without_the_library_a_bucket_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(RtgfError) as caught:
        destination("s3://bucket/prefix")
    assert caught.value.code is Code.RTGF_CONFIG_INVALID
    assert "rtgf-node[s3]" in caught.value.detail


def test_a_bucket_is_found_by_its_url():
    pytest.importorskip("obstore", reason="obstore (rtgf-node[s3]) is not installed")
    assert isinstance(destination("s3://bucket/some/prefix"), Bucket)


KILLED = """
import os, signal, sys
from pathlib import Path
from rtgf_node.copies.destinations import Folder
from rtgf_node.store import open_store
from rtgf_node.copies.export import export
from tests.public_log import PublicLog

class Dying(Folder):
    left = int(sys.argv[3])

    def put(self, name, data, **headers):
        if self.left == 0:
            # Half a file, as a kill in the middle of a write leaves it.
            (Path(sys.argv[2]) / ".unfinished" / "object").write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        super().put(name, data, **headers)

with open_store(Path(sys.argv[1])) as store:
    export(PublicLog(store), Dying(Path(sys.argv[2])), name="out", progress=print)
"""


@pytest.mark.parametrize("stop", [0, 1, 5, 9])
def test_a_killed_process_leaves_a_folder_that_the_next_completes(tmp_path, stop):
    """RTGF-CT-60: no half file under a name, no checkpoint before its tiles."""
    with create_store(tmp_path / "node") as store:
        log = PublicLog(store)
        advance(log, 300)
        to = Folder(tmp_path / "out")
        run(log, to)
        to.close()
        advance(log, 1200)
    root = Path(__file__).resolve().parents[2]
    died = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "node", tmp_path / "out", str(stop)],
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=180,
        capture_output=True,
    )
    assert died.returncode == -9, died.stderr
    to = Folder(tmp_path / "out")
    check(to, 300)
    with open_store(tmp_path / "node") as store:
        run(PublicLog(store), to)
    check(to, 1200)
    assert not list((tmp_path / "out" / ".unfinished").iterdir())
    to.close()
