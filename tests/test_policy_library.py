"""The predicate library is used only as its pinned key signed it."""

from __future__ import annotations

import json
import shutil

import pytest

from rtgf_node import policy_library
from rtgf_node.core import base64url
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.policy import library_signature
from rtgf_node.core.policy.templates import MANIFEST, Library
from rtgf_node.errors import Code, RtgfError
from tests import worlds

SEED = bytes(range(32))
PUBLIC = base64url.encode(SeedSigner("", SEED).public)


@pytest.fixture
def folder(tmp_path):
    """A copy of the library, signed with a key of the test's own."""
    shutil.copytree(worlds.LIBRARY, tmp_path / "library")
    sign(tmp_path / "library")
    return tmp_path / "library"


def sign(folder, seed=SEED):
    files = policy_library.read(folder)
    (folder / MANIFEST).write_bytes(library_signature.sign(files, version="test", seed=seed))


def refusal(folder, key=PUBLIC):
    with pytest.raises(RtgfError) as caught:
        policy_library.configured(folder, key)
    return caught.value.code


def test_the_shipped_library_is_signed_with_the_key_in_the_program():
    shipped = policy_library.shipped()
    assert shipped.library == worlds.library()
    assert policy_library.configured(None, None) == shipped


def test_no_private_key_is_in_the_program():
    for path in worlds.LIBRARY.rglob("*"):
        assert path.suffix == ".json", path


def test_another_library_with_its_own_key(folder):
    held = policy_library.configured(folder, PUBLIC)
    assert held.library.version == "test"


def test_who_signs_does_not_change_what_it_says(folder):
    before = policy_library.configured(folder, PUBLIC).library
    sign(folder, bytes(32))
    assert Library.load(policy_library.read(folder)).digest == before.digest


def test_the_key_of_another_library_is_not_believed(folder):
    assert refusal(folder, policy_library.SHIPPED_KEY) is Code.RTGF_KID_UNKNOWN


def test_a_changed_template_is_refused(folder):
    file = folder / "record_retention.json"
    file.write_text(file.read_text().replace("GTE", "LTE"))
    assert refusal(folder) is Code.RTGF_BUILD_HASH_MISMATCH


def test_a_changed_template_with_a_manifest_to_match_is_refused(folder):
    file = folder / "record_retention.json"
    file.write_text(file.read_text().replace("GTE", "LTE"))
    manifest = json.loads((folder / MANIFEST).read_text())
    digest = library_signature.digests.sha256(file.read_bytes())
    manifest["files"][file.name] = digest
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert refusal(folder) is Code.RTGF_VERIFY_SIGNATURE_INVALID


@pytest.mark.parametrize("signatures", [None, []])
def test_an_unsigned_library_is_refused(folder, signatures):
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["signatures"]
    if signatures is not None:
        manifest["signatures"] = signatures
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert refusal(folder) is Code.RTGF_VERIFY_SIGNATURE_INVALID


def test_a_folder_without_a_library_is_refused(tmp_path):
    assert refusal(tmp_path) is Code.RTGF_BUILD_HASH_MISMATCH
    assert refusal(tmp_path / "none") is Code.RTGF_CONFIG_INVALID


def catalogue(folder, change):
    file = folder / "control_catalogue.json"
    document = json.loads(file.read_text())
    change(document["catalog"])
    file.write_text(json.dumps(document))
    sign(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("uuid"),
        lambda c: c.update(uuid="b6b0c1d2-6c0b-1a3e-9d4c-1f5f0a7c2e11"),
        lambda c: c["metadata"].pop("last-modified"),
        lambda c: c["metadata"].update({"last-modified": "today"}),
        lambda c: c["metadata"].update({"oscal-version": "2"}),
        lambda c: c["groups"][0].update(controls=[]),
        lambda c: c["groups"][0]["controls"][0].pop("title"),
        lambda c: c["groups"][0]["controls"][0].update(id="1 control"),
        lambda c: c["groups"][1]["controls"].append(c["groups"][0]["controls"][0]),
        lambda c: c["groups"].append(c["groups"][0]),
        lambda c: c.update({"back-matter": {}}),
    ],
)
def test_a_catalogue_that_is_no_oscal_catalogue_is_refused(folder, change):
    catalogue(folder, change)
    with pytest.raises(RtgfError, match=r"control_catalogue\.json") as refused:
        policy_library.configured(folder, PUBLIC)
    assert refused.value.code is Code.RTGF_MAP_EXPRESSION_INVALID
    assert refused.value.pointer.startswith("/catalog")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(weekend=["caturday"]),
        lambda c: c["holidays"].reverse(),
        lambda c: c.update(to="2025-01-01"),
        lambda c: c.pop("from"),
    ],
)
def test_a_calendar_that_is_none_is_refused(folder, change):
    file = folder / "calendars.json"
    document = json.loads(file.read_text())
    change(document["calendars"]["eu_target"])
    file.write_text(json.dumps(document))
    sign(folder)
    assert refusal(folder) is Code.RTGF_MAP_EXPRESSION_INVALID
