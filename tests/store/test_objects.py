"""Objects are found by their digest, appear whole, and are checked when read."""

from __future__ import annotations

import pytest

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.objects import ObjectStore


@pytest.fixture
def objects(tmp_path) -> ObjectStore:
    return ObjectStore(tmp_path)


def test_object_comes_back_under_its_digest(objects, tmp_path):
    digest = objects.put(b"a list")
    assert digest == digests.sha256(b"a list")
    assert objects.get(digest) == b"a list"
    assert objects.has(digest)
    objects.check(digest)
    name = digest.removeprefix("sha256:")
    assert (tmp_path / name[:2] / name[2:]).read_bytes() == b"a list"


def test_putting_again_changes_nothing(objects, tmp_path):
    digest = objects.put(b"a list")
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    before = path.stat().st_mtime_ns
    assert objects.put(b"a list") == digest
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("ask", ["get", "check"])
def test_unknown_object_is_not_found(objects, ask):
    digest = digests.sha256(b"never stored")
    assert not objects.has(digest)
    with pytest.raises(RtgfError) as refused:
        getattr(objects, ask)(digest)
    assert refused.value.code is Code.RTGF_NOT_FOUND


@pytest.mark.parametrize("ask", ["get", "check"])
def test_altered_object_is_never_handed_out(objects, tmp_path, ask):
    digest = objects.put(b"a list")
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(b"a lisp")
    with pytest.raises(RtgfError) as refused:
        getattr(objects, ask)(digest)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "sha256:zz", "sha512:" + "0" * 128])
def test_a_name_that_is_no_digest_never_becomes_a_path(objects, name):
    with pytest.raises(RtgfError) as refused:
        objects.get(name)
    assert refused.value.code is Code.RTGF_INPUT_INVALID


def test_sweep_removes_what_a_crash_left(objects, tmp_path):
    digest = objects.put(b"a list")
    (tmp_path / digest[7:9] / ".half-written").write_bytes(b"a l")
    assert objects.sweep() == 1
    assert objects.get(digest) == b"a list"
