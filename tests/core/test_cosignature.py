"""Cosignatures: the C2SP vectors, and lines that no witness can have signed."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import cosignature, note
from rtgf_node.core.checkpoint import Checkpoint, from_text, open_note, sign_note, verifier_key
from rtgf_node.core.cosignature import attach, cosign, detach, verify, witness_key
from rtgf_node.core.keys import SeedSigner
from rtgf_node.errors import Code, RtgfError

LOG = SeedSigner("log", bytes([7] * 32))
WITNESS = SeedSigner("witness", bytes([8] * 32))
ORIGIN, NAME = "rtgf.eu.example/log", "witness.example/w1"
HEAD = Checkpoint(ORIGIN, 42, bytes(range(32)))
NOTE = sign_note(HEAD, ORIGIN, LOG)
TEXT = note.split(NOTE)[0]
KEY = cosignature.verifier_key(NAME, WITNESS.public)
AT = 1_790_000_000


@pytest.fixture
def transcribed(shared):
    folder = shared / "vectors" / "transcribed"
    return lambda name: json.loads((folder / name).read_text())


def cosigned(at: int = AT, signer: SeedSigner = WITNESS) -> bytes:
    return attach(NOTE.decode(), [cosign(TEXT, NAME, signer, at)]).encode()


def refused(function, *arguments) -> Code:
    with pytest.raises(RtgfError) as caught:
        function(*arguments)
    return caught.value.code


def test_the_published_verifier_keys_are_read_and_the_bad_ones_refused(transcribed):
    vectors = transcribed("cosignature-v1.json")
    plain, *timed = vectors["vkeys_ok"]
    for key in timed:
        assert str(witness_key(key)) == key
    # A plain Ed25519 key stands for the cosigning key that it belongs to.
    assert (witness_key(plain).name, witness_key(plain).algorithm) == ("TEST", note.COSIGNATURE)
    assert witness_key(plain).public == note.parse_key(plain).public
    for key in vectors["vkeys_bad"]:
        assert refused(witness_key, key) is Code.RTGF_INPUT_INVALID


def test_the_published_timestamps_are_read(transcribed):
    good, bad = transcribed("cosignature-v1.json")["timestamp"]
    assert note.timestamp(base64.b64decode(good["sig_b64"])[4:]) == good["time"]
    code = refused(note.timestamp, base64.b64decode(bad["sig_b64"])[4:])
    assert code is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID


def test_a_witnessed_checkpoint_of_sunlight_verifies(shared):
    folder = shared / "vectors" / "sunlight-testtree" / "witness"
    keys = json.loads((folder / "witness.v0.json").read_text())["verifier_keys"]
    (path,) = folder.glob("000de*/checkpoint")
    (found,) = verify(path.read_bytes(), [witness_key(key) for key in keys])
    assert (found.key, found.at) == (keys[0], 1767139200)
    assert open_note(path.read_bytes(), keys) == from_text(note.split(path.read_bytes())[0])
    altered = path.read_bytes().replace(b"\n300\n", b"\n301\n")
    code = refused(verify, altered, [witness_key(key) for key in keys])
    assert code is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID


def test_a_mirror_of_sunlight_has_signed_with_its_own_key(shared):
    for part in ("witness/mirror/mirror.v0.json", "witness2/witness.v0.json"):
        path = shared / "vectors" / "sunlight-testtree" / part
        keys = [witness_key(key) for key in json.loads(path.read_text())["verifier_keys"]]
        (checkpoint,) = path.parent.glob("*/checkpoint")
        (found,) = verify(checkpoint.read_bytes(), keys)
        assert found.key == str(keys[0])


def test_the_example_of_the_specification_signs_the_message_of_the_specification(transcribed):
    example = transcribed("c2sp-spec-examples.json")["checkpoint_with_cosignature"]
    text, lines = note.split(example["text"].encode())
    at = note.timestamp(lines[1].signature)
    assert note.cosigned_message(text, at).decode() == example["cosignature_v1_message"]
    assert detach(example["text"]).count("—") == 1
    assert attach(detach(example["text"]), [str(lines[1])]) == example["text"]


def test_a_cosignature_verifies_and_leaves_the_logs_own_signature_as_it_was():
    (found,) = verify(cosigned(), [witness_key(KEY)])
    assert (found.key, found.at, found.line) == (KEY, AT, cosign(TEXT, NAME, WITNESS, AT))
    assert open_note(cosigned(), [verifier_key(ORIGIN, LOG.public)]) == HEAD
    assert detach(cosigned().decode()).encode() == NOTE
    assert attach(cosigned().decode(), [found.line]).encode() == cosigned()


def test_a_log_key_is_no_witness_and_a_witness_key_no_log():
    plain = note.key(NAME, note.ED25519, WITNESS.public)
    assert verify(cosigned(), [plain]) == ()
    with pytest.raises(RtgfError):
        open_note(cosigned(), [str(plain)])


def test_a_key_that_is_not_asked_for_is_ignored_even_if_its_line_is_wrong():
    forged = attach(NOTE.decode(), [cosign("other text\n", NAME, WITNESS, AT)]).encode()
    assert verify(forged, []) == ()
    assert refused(verify, forged, [witness_key(KEY)]) is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID


def test_an_impostor_under_the_name_of_a_witness_does_not_count():
    impostor = SeedSigner("x", bytes([9] * 32))
    assert verify(cosigned(signer=impostor), [witness_key(KEY)]) == ()


@given(st.integers(0, 2**63 - 1))
def test_any_time_comes_back_and_no_other_verifies(at: int):
    (found,) = verify(cosigned(at), [witness_key(KEY)])
    assert found.at == at
    line = note.split(cosigned(at))[1][1]
    other = note.timestamped(line.signature[8:], at ^ 1)
    forged = attach(NOTE.decode(), [str(line._replace(signature=other))]).encode()
    assert refused(verify, forged, [witness_key(KEY)]) is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID


@pytest.mark.parametrize("at", [-1, 2**63])
def test_times_that_cannot_be_written_are_refused(at: int):
    assert refused(cosign, TEXT, NAME, WITNESS, at) is Code.RTGF_INPUT_INVALID
