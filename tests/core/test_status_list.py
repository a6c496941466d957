"""Token Status Lists: the published vectors byte for byte, and lists that nobody may trust."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import base64url, canonical_json, jose, status_list
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.errors import Code, RtgfError

NOW = 1_795_341_600
URI = "https://rtgf.eu.example/revocations/status-list/0"
STATUS = SeedSigner("rtgf.eu.example:ed25519:2026-11:003", bytes([3] * 32))
TOKEN = SeedSigner("rtgf.eu.example:ed25519:2026-11:001", bytes([1] * 32))
KEYS = KeySet(
    PublicKey(signer.kid, signer.public, use, NOW - 3600, NOW + 86_400)
    for signer, use in ((STATUS, "status"), (TOKEN, "token"))
)
VECTORS = ("1bit_2^20", "2bit_2^20", "4bit_2^20", "8bit_2^20")


@pytest.fixture(scope="module")
def vectors(shared):
    return json.loads((shared / "vectors/transcribed/token-status-list.json").read_text())


def refusal(function, *arguments, **named) -> Code:
    with pytest.raises(RtgfError) as caught:
        function(*arguments, **named)
    return caught.value.code


def statuses_of(vector) -> list[int]:
    statuses = [0] * vector["entries"]
    for index, status in vector["nonzero"]:
        statuses[index] = status
    return statuses


# --- the published vectors ------------------------------------------------------------------------


@pytest.mark.parametrize("name", VECTORS)
def test_the_draft_s_long_lists_are_written_byte_for_byte(vectors, name):
    vector = vectors[name]
    statuses = statuses_of(vector)
    assert status_list.encode(statuses, vector["bits"]) == vector["lst"]
    assert status_list.decode(vector["lst"], vector["bits"], vector["entries"]) == statuses


@pytest.mark.parametrize("name", ["short_1bit", "short_2bit"])
def test_the_draft_s_short_lists_are_written_byte_for_byte(vectors, name):
    vector = vectors[name]
    packed = bytes.fromhex(vector["bytes_hex"])
    bits = vector["bits"]
    assert status_list.decompress(vector["lst"], bits, len(packed) * 8 // bits) == packed
    statuses = status_list.decode(vector["lst"], bits, len(packed) * 8 // bits)
    assert status_list.encode(statuses, bits) == vector["lst"]


def test_the_draft_s_examples_are_read_and_written(shared):
    folder = shared / "vectors/oauth-status-list/examples"
    files = sorted(folder.glob("status_list_encoding*_json.md"))
    assert len(files) == 6
    for file in files:
        text = file.read_text()
        document = json.loads("".join(text[text.index("{") :].split("\n  ")).replace("\n", ""))
        lst, bits = "".join(document["lst"].split()), document["bits"]
        statuses = status_list.decode(lst, bits, 1 << 20)
        assert status_list.encode(statuses, bits) == lst, file.name


def test_lowest_bits_come_first():
    # Figure of §4.1: nine of sixteen, then 0xb9 0xa3.
    bits = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    packed = status_list.decompress(status_list.encode(bits, 1), 1, 16)
    assert packed == bytes([0xB9, 0xA3])
    pairs = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
    assert status_list.decompress(status_list.encode(pairs, 2), 2, 12).hex() == "c944f9"


# --- any list -------------------------------------------------------------------------------------


@st.composite
def lists(draw):
    bits = draw(st.sampled_from([1, 2, 4, 8]))
    return bits, draw(st.lists(st.integers(0, (1 << bits) - 1), max_size=300))


@given(lists())
def test_what_is_encoded_is_decoded(case):
    bits, statuses = case
    lst = status_list.encode(statuses, bits)
    decoded = status_list.decode(lst, bits, len(statuses))
    assert decoded[: len(statuses)] == statuses
    assert not any(decoded[len(statuses) :])
    assert len(decoded) - len(statuses) < 8 // bits
    packed = status_list.decompress(lst, bits, len(statuses))
    assert [status_list.status_at(packed, i, bits=bits) for i in range(len(statuses))] == statuses


@given(st.binary(max_size=60), st.sampled_from([1, 2, 4, 8]))
def test_no_bytes_break_the_reader(data, bits):
    for lst in (base64url.encode(data), status_list.compress(data), data.decode("latin-1")):
        try:
            found = len(status_list.decode(lst, bits, 64))
        except RtgfError as error:
            found = error.code
        assert found is Code.RTGF_INPUT_INVALID or found <= 64


@pytest.mark.parametrize("bits", [0, 3, 5, 16, -1])
def test_other_widths_are_refused(bits):
    assert refusal(status_list.encode, [0], bits) is Code.RTGF_INPUT_INVALID
    assert refusal(status_list.decode, "eNpjAAAAAQAB", bits, 8) is Code.RTGF_INPUT_INVALID


@pytest.mark.parametrize("status", [-1, 4, 255])
def test_a_status_that_does_not_fit_is_refused(status):
    assert refusal(status_list.encode, [status], 2) is Code.RTGF_INPUT_INVALID


def test_a_bomb_is_never_unpacked():
    bomb = status_list.compress(bytes(64 << 20))
    assert len(bomb) < 100_000
    assert refusal(status_list.decode, bomb, 2, status_list.ENTRIES) is Code.RTGF_INPUT_INVALID


@pytest.mark.parametrize(
    "change", [lambda lst: lst[:-2], lambda lst: lst + "AAAA", lambda lst: lst + "=", lambda _: ""]
)
def test_a_list_that_is_cut_or_extended_is_refused(change):
    lst = change(status_list.encode([0, 1, 2, 3], 2))
    assert refusal(status_list.decode, lst, 2, 100) is Code.RTGF_INPUT_INVALID


def test_raw_deflate_is_no_zlib():
    raw = zlib.compressobj(wbits=-15)
    lst = base64url.encode(raw.compress(b"\x01") + raw.flush())
    assert refusal(status_list.decode, lst, 1, 8) is Code.RTGF_INPUT_INVALID


@pytest.mark.parametrize("index", [-1, status_list.ENTRIES, 1 << 40])
def test_a_place_that_is_not_there_is_a_refusal_and_not_valid(index):
    packed = status_list.empty()
    assert refusal(status_list.status_at, packed, index) is Code.RTGF_INPUT_INVALID
    assert refusal(status_list.put, packed, index, 1) is Code.RTGF_INPUT_INVALID


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), max_size=50))
def test_each_place_keeps_its_own_status(changes):
    packed, expected = status_list.empty(), dict.fromkeys(range(201), 0)
    for index, status in changes:
        status_list.put(packed, index, status)
        expected[index] = status
    assert {i: status_list.status_at(packed, i) for i in range(201)} == expected


@pytest.mark.parametrize(("uri", "number"), [(URI, 0), (URI[:-1] + "12", 12)])
def test_a_list_is_numbered_by_its_address(uri, number):
    assert status_list.number_of(uri) == number


@pytest.mark.parametrize("uri", ["", "0", URI + "/", URI[:-1] + "01", URI + "x", URI + "\n"])
def test_an_address_without_a_number_is_refused(uri):
    assert refusal(status_list.number_of, uri) is Code.RTGF_INPUT_INVALID


# --- signed lists ---------------------------------------------------------------------------------


def signed(packed=None, signer=STATUS, **changes) -> str:
    claims = {
        "sub": URI,
        "iat": NOW,
        "exp": NOW + status_list.LIFE_SECONDS,
        "ttl": status_list.TTL_SECONDS,
        "status_list": {
            "bits": 2,
            "lst": status_list.compress(status_list.empty() if packed is None else packed),
        },
        "revEpoch": 3,
        "treeSize": 40,
    }
    payload = canonical_json.canonical_bytes({**claims, **changes})
    return jose.sign_compact(payload, signer, typ=status_list.JWT_TYP)


def test_a_signed_list_says_what_was_signed():
    packed = status_list.empty()
    status_list.put(packed, 5, status_list.SUSPENDED)
    jwt = status_list.sign(bytes(packed), STATUS, uri=URI, at=NOW, rev_epoch=3, tree_size=40)
    claims, read = status_list.verify(jwt, KEYS, at=NOW)
    assert read == packed
    assert (claims.sub, claims.revEpoch, claims.treeSize) == (URI, 3, 40)
    assert (claims.iat, claims.exp, claims.ttl) == (NOW, NOW + 900, 60)
    header, payload, _ = jose.split_compact(jwt)
    assert header["typ"] == "statuslist+jwt"
    assert set(json.loads(payload)) >= {"sub", "iat", "exp", "ttl", "status_list"}
    assert jwt == signed(packed)


def test_a_wallet_s_own_reader_finds_the_same():
    """By the draft's steps, with the standard library alone."""
    packed = status_list.empty()
    status_list.put(packed, 77, status_list.INVALID)
    claims = json.loads(jose.split_compact(signed(packed))[1])
    body = base64url.decode(claims["status_list"]["lst"])
    unpacked = zlib.decompress(body)
    bits = claims["status_list"]["bits"]
    assert unpacked[77 * bits // 8] >> (77 * bits % 8) & (1 << bits) - 1 == 1


@pytest.mark.parametrize("late", [-121, status_list.LIFE_SECONDS + 1, 86_000])
def test_an_expired_list_is_never_used(late):
    assert refusal(status_list.verify, signed(), KEYS, at=NOW + late) in {
        Code.RTGF_TOKEN_REVOCATION_STALE,
        Code.RTGF_KID_EXPIRED,
    }


@pytest.mark.parametrize(
    ("jwt", "code"),
    [
        (signed(signer=TOKEN), Code.RTGF_VERIFY_SIGNATURE_INVALID),
        (signed(signer=SeedSigner(STATUS.kid, bytes(32))), Code.RTGF_VERIFY_SIGNATURE_INVALID),
        (signed(signer=SeedSigner("who", bytes(32))), Code.RTGF_KID_UNKNOWN),
        (signed() + "A", Code.RTGF_VERIFY_SIGNATURE_INVALID),
        ("a.b", Code.RTGF_VERIFY_SIGNATURE_INVALID),
        (signed(status_list={"bits": 1, "lst": "eNpjAAAAAQAB"}), Code.RTGF_INPUT_INVALID),
        (signed(status_list={"bits": 2, "lst": "eNpjAAAAAQAB"}), Code.RTGF_INPUT_INVALID),
        (signed(status_list={"bits": 2}), Code.RTGF_INPUT_INVALID),
        (signed(ttl=0), Code.RTGF_INPUT_INVALID),
        (signed(iss="somebody"), Code.RTGF_INPUT_INVALID),
    ],
)
def test_a_list_that_is_not_ours_is_refused(jwt, code):
    assert refusal(status_list.verify, jwt, KEYS, at=NOW) is code
