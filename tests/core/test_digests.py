"""Digests: text form, published values, independence of order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError


def test_digests_have_their_algorithm_in_front():
    # FIPS 180-4, the message "abc".
    assert digests.sha256(b"abc") == (
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert digests.sha512(b"abc") == (
        "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )


def test_a_documents_digest_is_that_of_its_canonical_bytes():
    assert digests.of_document({"b": 1, "a": 2.0}) == digests.sha256(b'{"a":2,"b":1}')


@given(st.lists(st.binary().map(digests.sha256)), st.randoms(use_true_random=False))
def test_the_order_of_digests_is_nothing(values, order):
    shuffled = list(values)
    order.shuffle(shuffled)
    assert digests.of_documents(iter(shuffled)) == digests.of_documents(values)
    assert digests.of_documents(values) == digests.of_document(sorted(values))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 64 + "\n",
        "sha512:" + "a" * 64,
        "sha1:" + "a" * 40,
        "a" * 64,
    ],
)
def test_other_forms_are_refused(text):
    with pytest.raises(RtgfError) as caught:
        digests.check_form(text)
    assert caught.value.code is Code.RTGF_INPUT_INVALID
    with pytest.raises(RtgfError):
        digests.of_documents([text])


def test_both_algorithms_pass_the_form():
    for text in (digests.sha256(b""), digests.sha512(b"")):
        assert digests.check_form(text) == text
