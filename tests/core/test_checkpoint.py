"""Checkpoints: the C2SP vectors, and notes that nobody but the log's key can have signed."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import checkpoint
from rtgf_node.core.checkpoint import Checkpoint, open_note, open_text, sign_note, verifier_key
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.merkle import leaf_hash, root_hash
from rtgf_node.errors import Code, RtgfError

SIGNER = SeedSigner("rtgf.eu.example:ed25519:2026-11:900", bytes([7] * 32))
OTHER = SeedSigner("rtgf.eu.example:ed25519:2026-11:901", bytes([8] * 32))
NAME = "rtgf.eu.example/log"
KEY = verifier_key(NAME, SIGNER.public)
HEAD = Checkpoint(NAME, 42, bytes(range(32)))


@pytest.fixture
def transcribed(shared):
    folder = shared / "vectors" / "transcribed"
    return lambda name: json.loads((folder / name).read_text())


def refusal(function, *arguments):
    with pytest.raises(RtgfError) as caught:
        function(*arguments)
    return caught.value.code


def refused(note, keys=(KEY,)):
    return refusal(open_note, note, keys) is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID


def test_the_reference_notes_are_decided_as_published(transcribed):
    for case in transcribed("sumdb-note.json")["cases"]:
        note = base64.b64decode(case["note_b64"]) if "note_b64" in case else case["note"].encode()
        if case["ok"]:
            _, names = open_text(note, case["vkeys"])
            assert list(names) == case["verified"], case["name"]
        else:
            code = refusal(open_text, note, case["vkeys"])
            assert code is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID, case["name"]


def test_the_reference_key_signs_the_reference_note(transcribed):
    case = transcribed("sumdb-note.json")["cases"][0]
    secret = base64.b64decode(case["skey"].split("+", 4)[4])
    signer = SeedSigner("k", secret[1:])
    assert verifier_key("PeterNeumann", signer.public) == case["vkeys"][0]
    text, _ = open_text(case["note"].encode(), case["vkeys"])
    assert text == case["text"]


def test_malformed_verifier_keys_are_refused(transcribed):
    vectors = transcribed("sumdb-note.json")
    good = vectors["cases"][0]["vkeys"][0]
    note = vectors["cases"][0]["note"].encode()
    bad = [*vectors["bad_vkeys"], *transcribed("cosignature-v1.json")["vkeys_bad"]]
    bad += [good[:end] for end in range(len(good))]
    bad += [good[start:] for start in range(1, len(good))]
    for key in bad:
        assert refusal(open_text, note, [key]) is Code.RTGF_INPUT_INVALID, key
    for at in range(len(good)):
        changed = good[:at] + chr(ord(good[at]) + 1) + good[at + 1 :]
        assert refusal(open_text, note, [changed]) is Code.RTGF_INPUT_INVALID, changed


def test_the_examples_of_the_specification(transcribed):
    examples = transcribed("c2sp-spec-examples.json")
    example = examples["signed_note"]
    assert open_text(example["note"].encode(), [example["vkey"]]) == (
        "This is an example message.\n",
        ("example.com/foo",),
    )
    text = examples["checkpoint_with_cosignature"]["text"]
    body = text.partition("\n\n")[0] + "\n"
    root = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert checkpoint.from_text(body) == ("example.com/behind-the-sofa", 20852163, root, ())
    assert refused(text.encode())


def test_a_checkpoint_of_another_implementation_is_reproduced(transcribed):
    vector = transcribed("sigsum-checkpoint.json")
    signer = SeedSigner("k", bytes.fromhex(vector["private_key_seed_hex"]))
    note = vector["checkpoint"].encode()
    origin = vector["checkpoint"].partition("\n")[0]
    opened = open_note(note, [verifier_key(origin, signer.public)])
    assert (opened.origin, opened.size, opened.extensions) == (origin, 10, ())
    assert sign_note(opened, origin, signer) == note


def test_another_implementations_log_opens_at_every_size(shared):
    folder = shared / "vectors" / "tessera-testlog" / "log"
    key = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
    for size in range(16):
        opened = open_note((folder / f"checkpoint.{size}").read_bytes(), [key])
        assert (opened.origin, opened.size) == ("example.com/log/testdata", size)
        hashes = (folder / "tile/0" / f"000.p/{size}").read_bytes() if size else b""
        leaves = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
        assert root_hash(leaves) == opened.root
    entries = (folder / "tile/entries/000.p/15").read_bytes()
    length = int.from_bytes(entries[:2], "big")
    assert leaf_hash(entries[2 : 2 + length]) == leaves[0]


@given(st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32))
def test_a_signed_checkpoint_opens_with_its_key(size, root):
    head = Checkpoint(NAME, size, root)
    note = sign_note(head, NAME, SIGNER)
    assert open_note(note, [KEY]) == head
    assert open_note(note, [verifier_key(NAME, OTHER.public), KEY]) == head


@given(st.data())
def test_no_altered_note_opens(data):
    note = sign_note(HEAD, NAME, SIGNER)
    altered = bytearray(note)
    altered[data.draw(st.integers(0, len(note) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert refused(bytes(altered))


def test_a_note_of_another_key_does_not_open():
    note = sign_note(HEAD, NAME, OTHER)
    assert refused(note)
    assert refused(note, [])
    assert refused(sign_note(HEAD, "rtgf.eu.example/other", SIGNER))


def test_unknown_signatures_are_ignored_and_wrong_ones_of_known_keys_are_not():
    note = sign_note(HEAD, NAME, SIGNER)
    witness = sign_note(HEAD, "witness.example", OTHER).rpartition(b"\n\n")[2]
    assert open_note(note + witness, [KEY]) == HEAD
    both = [KEY, verifier_key("witness.example", OTHER.public)]
    assert open_note(note + witness, both) == HEAD
    wrong = sign_note(HEAD._replace(size=43), "witness.example", OTHER).rpartition(b"\n\n")[2]
    assert open_note(note + wrong, [KEY]) == HEAD
    assert refused(note + wrong, both)


def test_extension_lines_are_kept():
    head = HEAD._replace(extensions=("one", "two words"))
    assert open_note(sign_note(head, NAME, SIGNER), [KEY]) == head


@pytest.mark.parametrize(
    "head",
    [
        HEAD._replace(origin=""),
        HEAD._replace(origin="a\nb"),
        HEAD._replace(origin="a\x00b"),
        HEAD._replace(origin="\ud800"),
        HEAD._replace(size=-1),
        HEAD._replace(size=2**53),
        HEAD._replace(root=bytes(31)),
        HEAD._replace(extensions=("",)),
        HEAD._replace(extensions=("a\nb",)),
    ],
)
def test_a_checkpoint_that_could_not_be_read_is_not_signed(head):
    assert refusal(sign_note, head, NAME, SIGNER) is Code.RTGF_INPUT_INVALID


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u00a0b", "a\nb", "\ud800"])
def test_key_names_that_cannot_be_read_are_not_written(name):
    assert refusal(sign_note, HEAD, name, SIGNER) is Code.RTGF_INPUT_INVALID
    assert refusal(verifier_key, name, SIGNER.public) is Code.RTGF_INPUT_INVALID


ROOT = base64.b64encode(HEAD.root).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        f"origin\n1\n{ROOT}",
        f"origin\n\n{ROOT}\n",
        f"\n1\n{ROOT}\n",
        f"origin\n01\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n+1\n{ROOT}\n",
        f"origin\n1 \n{ROOT}\n",
        f"origin\n\u0661\n{ROOT}\n",
        f"origin\n9007199254740992\n{ROOT}\n",
        f"origin\n{'9' * 5000}\n{ROOT}\n",
        f"origin\n1\n{ROOT[:-1]}\n",
        f"origin\n1\n{ROOT[:-2]}9=\n",
        f"origin\n1\n{ROOT} \n",
        "origin\n1\nAAAA\n",
        f"origin\n1\n{ROOT}\n\nmore\n",
    ],
)
def test_text_that_is_no_checkpoint_is_refused(text):
    code = refusal(checkpoint.from_text, text)
    assert code is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID


@given(st.binary(max_size=200))
def test_whatever_bytes_come_only_a_clear_refusal(data):
    assert refused(data)
    assert refused(data + b"\n\n\xe2\x80\x94 a AAAAAAAA\n")


def test_a_note_is_bounded():
    note = sign_note(HEAD, NAME, SIGNER)
    line = b"\xe2\x80\x94 w AAAAAAAA\n"
    assert open_note(note + line * 99, [KEY]) == HEAD
    assert refused(note + line * 100)
    assert refused(b"x" * checkpoint.MAX_NOTE_BYTES + note)
