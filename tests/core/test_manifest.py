"""A manifest names every input and artefact of a build by digest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import canonical_json, digests, manifest
from rtgf_node.errors import Code, RtgfError
from tests import worlds


def inputs(**changes: Any) -> dict[str, Any]:
    return {
        "compiler_version": "rtgf-node/test",
        "schema_version": "rtgf-token/1",
        "library_digest": worlds.digest_of("library"),
        "catalogue_digest": worlds.digest_of("catalogue"),
        "issuer": worlds.NODE_DID,
        "kid": worlds.node().signer.kid,
        "issued_at": "2026-11-22T10:00:00Z",
        "rev_epoch": 0,
        "log_anchor": {"tree_size": 0, "root_hash": worlds.digest_of("root")},
        "transparency_log": "https://rtgf.node.example/transparency",
        "status_list_uri": "https://rtgf.node.example/status/1",
        "snapshots": [],
        "datasets": [],
        "targets": [
            {
                "type": "RMT",
                "jurisdiction": "EU",
                "domain": "payments_aml",
                "issue": 1,
                "status_idx": 0,
            },
            {
                "type": "IMT",
                "corridor": "EU-SG",
                "domain": "payments_aml",
                "issue": 1,
                "status_idx": 1,
            },
        ],
        "parents": [],
        **changes,
    }


names = st.dictionaries(st.text("abc/.", min_size=1, max_size=5), st.binary(max_size=5), max_size=4)


@given(names)
def test_what_is_made_is_canonical_and_reads_back(artefacts: dict[str, bytes]) -> None:
    data = manifest.make(inputs(), artefacts)
    assert canonical_json.canonical_bytes(canonical_json.parse(data)) == data
    read = manifest.parse(data)
    assert read.build_id == digests.of_document(inputs())
    assert {each.name: each.sha256 for each in read.artefacts} == {
        name: digests.sha256(content) for name, content in artefacts.items()
    }


@given(names, names)
def test_comparing_names_exactly_what_differs(a: dict[str, bytes], b: dict[str, bytes]) -> None:
    different = manifest.compare(manifest.make(inputs(), a), manifest.make(inputs(), b))
    assert different == sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def test_other_inputs_are_a_difference_of_their_own() -> None:
    other = manifest.make(inputs(rev_epoch=1), {})
    assert manifest.compare(manifest.make(inputs(), {}), other) == ["inputs"]


def test_both_kinds_of_target_are_read() -> None:
    read = manifest.read_inputs(inputs())
    assert isinstance(read.targets[0], manifest.RmtTarget)
    assert isinstance(read.targets[1], manifest.ImtTarget)


def test_a_build_id_that_is_not_the_inputs_digest_is_refused() -> None:
    document = canonical_json.parse_object(manifest.make(inputs(), {}))
    document["inputs"] = inputs(rev_epoch=5)
    with pytest.raises(RtgfError) as caught:
        manifest.parse(canonical_json.canonical_bytes(document))
    assert caught.value.code is Code.RTGF_BUILD_HASH_MISMATCH


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"extra": 1}, "/extra"),
        ({"targets": []}, "/targets"),
        ({"targets": [{"type": "XRMT"}]}, "/targets/0/type"),
        ({"library_digest": "abc"}, "/library_digest"),
        ({"rev_epoch": -1}, "/rev_epoch"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_their_place(
    changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(RtgfError) as caught:
        manifest.read_inputs(inputs(**changes))
    assert caught.value.code is Code.RTGF_INPUT_INVALID
    assert caught.value.pointer == pointer
