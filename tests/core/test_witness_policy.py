"""How many witnesses are enough, and that nobody counts twice."""

from __future__ import annotations

import pytest

from rtgf_node.core import cosignature, note
from rtgf_node.core.checkpoint import Checkpoint, sign_note
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.witness_policy import WitnessPolicy
from rtgf_node.errors import Code, RtgfError

LOG = SeedSigner("log", bytes([1] * 32))
WITNESSES = [SeedSigner(f"w{number}", bytes([number] * 32)) for number in range(2, 6)]
KEYS = [cosignature.verifier_key(one.kid, one.public) for one in WITNESSES]
NOTE = sign_note(Checkpoint("log", 1, bytes(32)), "log", LOG).decode()
TEXT = note.split(NOTE.encode())[0]


def note_of(*numbers: int, times: int = 1) -> bytes:
    lines = [
        cosignature.cosign(TEXT, WITNESSES[number].kid, WITNESSES[number], at)
        for number in numbers
        for at in range(times)
    ]
    return cosignature.attach(NOTE, lines).encode()


def is_good(policy: WitnessPolicy, signed: bytes) -> bool:
    found = policy.cosignatures(signed)
    try:
        return policy.check(signed) == found
    except RtgfError as error:
        if error.code is not Code.RTGF_TXP_ROOT_SIGNATURE_INVALID:
            raise
        return False


def test_two_of_three_are_enough_where_two_are_wanted():
    policy = WitnessPolicy.of(KEYS[:3], 2)
    assert not is_good(policy, note_of())
    assert not is_good(policy, note_of(0))
    assert is_good(policy, note_of(0, 2))
    assert is_good(policy, note_of(2, 1, 0))


def test_all_are_wanted_where_no_number_is_given():
    policy = WitnessPolicy.of(KEYS[:2])
    assert not is_good(policy, note_of(0))
    assert is_good(policy, note_of(0, 1))


def test_one_witness_never_counts_twice():
    policy = WitnessPolicy.of(KEYS[:2], 2)
    assert not is_good(policy, note_of(0, times=3))
    assert not is_good(policy, note_of(0, 3))
    twice = [KEYS[0], cosignature.verifier_key("alias", WITNESSES[0].public)]
    with pytest.raises(RtgfError) as caught:
        WitnessPolicy.of(twice, 2)
    assert caught.value.code is Code.RTGF_INPUT_INVALID


def test_no_witnesses_ask_for_nothing():
    assert is_good(WitnessPolicy.of([]), note_of())


@pytest.mark.parametrize("quorum", [-1, 3])
def test_a_quorum_that_cannot_be_met_is_refused(quorum: int):
    with pytest.raises(RtgfError):
        WitnessPolicy.of(KEYS[:2], quorum)
