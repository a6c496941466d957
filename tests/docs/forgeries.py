"""Every way in which the tests forge an evidence file, by name, and what both checkers must say.

A forgery takes an honest file of a revoked token, or makes its own, as somebody could who holds
other genuine files of the same log, or one of its keys, or none.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from rtgf_node.core import base64url, digests, event, jose, times, tokens
from rtgf_node.core.keys import SeedSigner
from tests.evidence_world import (
    CORT,
    IMT,
    PSRT,
    RMT_EU,
    RMT_SG,
    ROOT,
    RRMT,
    SECOND,
    SIGNERS,
    START,
    STRANGER,
    TERMS,
    YEAR,
    World,
    data,
    posing_as,
)

Document = dict[str, Any]
SIGNATURE, EXPIRED, NOT_LOGGED, MALFORMED = 10, 11, 13, 65
FORGERIES: dict[str, tuple[int, Callable[[], bytes]]] = {}


def forged(exit_code: int) -> Callable[[Callable[[], bytes | Document]], Callable[[], bytes]]:
    """Name a forgery and say how both checkers must end."""

    def register(make: Callable[[], bytes | Document]) -> Callable[[], bytes]:
        def written() -> bytes:
            made = make()
            return made if isinstance(made, bytes) else data(made)

        FORGERIES[make.__name__] = exit_code, written
        return written

    return register


def honest() -> World:
    """A log in which the SG mandate was suspended and lifted, and the EU one revoked for good."""
    world = World()
    world.revoke(RMT_SG, status="suspended", reason="corridor_suspended")
    world.revoke(RMT_SG, status="valid", reason="corridor_suspended")
    world.revoke(RMT_EU)
    return world


def flipped(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def resigned(token: Document, signer: Any, **changes: Any) -> Document:
    signed: Document = json.loads(tokens.sign({**token, **changes}, [signer]))
    return signed


# --- the token ----------------------------------------------------------------------------------


@forged(MALFORMED)
def edited_member_of_the_token() -> Document:
    file = honest().file()
    file["token"]["ttl_sec"] = 86_400
    return file


@forged(SIGNATURE)
def edited_token_with_its_hash_made_to_fit() -> Document:
    file = honest().file()
    sealed = tokens.seal({**file["token"], "ttl_sec": 86_400})
    file["token"] = {**sealed, "signatures": file["token"]["signatures"]}
    return file


@forged(NOT_LOGGED)
def another_token_that_a_thief_signed_and_nobody_logged() -> Document:
    file = honest().file()
    file["token"] = resigned(file["token"], SIGNERS["token"], ttl_sec=86_400)
    return file


@forged(SIGNATURE)
def token_signed_with_another_key_under_the_same_name() -> Document:
    file = honest().file()
    file["token"] = resigned(file["token"], posing_as("token"))
    return file


@forged(SIGNATURE)
def token_signed_with_the_status_key() -> Document:
    file = honest().file()
    signer = SIGNERS["status"]
    file["token"] = resigned({**file["token"], "kid": signer.kid}, signer)
    return file


@forged(SIGNATURE)
def token_without_signatures() -> Document:
    file = honest().file()
    file["token"]["signatures"] = []
    return file


@forged(MALFORMED)
def signature_of_a_stranger_added() -> Document:
    file = honest().file()
    stranger = {**file["token"]["signatures"][0], "kid": "rtgf.us.example:ed25519:2026-11:001"}
    file["token"]["signatures"].append(stranger)
    return file


@forged(SIGNATURE)
def junk_after_the_signature() -> Document:
    file = honest().file()
    file["token"]["signatures"][0]["jws"] += "AA"
    return file


@forged(SIGNATURE)
def signature_of_the_head_on_the_token() -> Document:
    file = honest().file()
    file["token"]["signatures"][0]["jws"] = file["head"]["signatures"][0]["jws"]
    return file


# --- the keys -----------------------------------------------------------------------------------


@forged(SIGNATURE)
def key_set_signed_by_another_root() -> Document:
    file = honest().file()
    file["keys"]["jws"] = honest().signed_jwks(signer=SeedSigner(ROOT.kid, bytes([91] * 32)))
    return file


@forged(SIGNATURE)
def key_set_signed_with_a_token_key() -> Document:
    world = honest()
    file = world.file()
    file["keys"]["jws"] = world.signed_jwks(signer=SIGNERS["token"])
    return file


@forged(SIGNATURE)
def key_swapped_in_the_signed_key_set() -> Document:
    world = honest()
    file = world.file()
    own, other = (base64url.encode(s.public).encode() for s in (SIGNERS["token"], STRANGER))
    header, _, signature = file["keys"]["jws"].split(".")
    swapped = base64url.encode(world.jwks.replace(own, other))
    file["keys"]["jws"] = f"{header}.{swapped}.{signature}"
    return file


@forged(NOT_LOGGED)
def key_set_that_the_root_signed_and_nobody_logged() -> Document:
    world = honest()
    file = world.file()
    file["keys"]["jws"] = world.signed_jwks(world.jwks.replace(b":004", b":044"))
    return file


@forged(EXPIRED)
def token_key_that_had_expired() -> Document:
    return World({SIGNERS["token"].kid: (START - YEAR, START - 3600, None)}).file()


@forged(EXPIRED)
def token_key_that_was_revoked() -> Document:
    return World({SIGNERS["token"].kid: (START - 3600, START + YEAR, START + 11)}).file()


@forged(EXPIRED)
def log_key_that_had_expired() -> Document:
    return World({SIGNERS["log"].kid: (START - YEAR, START - 3600, None)}).file()


@forged(EXPIRED)
def status_key_that_was_not_valid_yet() -> Document:
    return World({SIGNERS["status"].kid: (START + 3600, START + YEAR, None)}).file()


# --- the head and its checkpoint ----------------------------------------------------------------


@forged(SIGNATURE)
def larger_tree_size() -> Document:
    file = honest().file()
    file["head"]["tree_size"] += 1
    return file


@forged(SIGNATURE)
def smaller_tree_size() -> Document:
    file = honest().file()
    file["head"]["tree_size"] -= 1
    return file


@forged(SIGNATURE)
def head_dated_later() -> Document:
    file = honest().file()
    file["head"]["issued_at"] = "2027-01-01T00:00:00Z"
    return file


@forged(SIGNATURE)
def head_signed_with_a_token_key() -> Document:
    world = honest()
    file = world.file()
    file["head"] = world.head(signer=SIGNERS["token"])
    file["checkpoint"] = file["head"]["checkpoint"]
    return file


@forged(SIGNATURE)
def head_signed_with_another_key_under_the_same_name() -> Document:
    world = honest()
    file = world.file()
    file["head"] = world.head(signer=posing_as("log"))
    file["checkpoint"] = file["head"]["checkpoint"]
    return file


@forged(NOT_LOGGED)
def head_of_the_log_before_it_grew() -> Document:
    world = honest()
    file = world.file()
    file["head"] = world.head(len(world.events) - 1)
    file["checkpoint"] = file["head"]["checkpoint"]
    return file


@forged(NOT_LOGGED)
def head_of_the_log_after_it_grew() -> Document:
    world = honest()
    file = world.file()
    world.log("dataset", "un-sc:2", digests.sha256(b"newer"))
    file["head"] = world.head()
    file["checkpoint"] = file["head"]["checkpoint"]
    return file


@forged(NOT_LOGGED)
def checkpoint_of_another_tree() -> Document:
    world = honest()
    file = world.file()
    file["checkpoint"] = world.head(len(world.events) - 1)["checkpoint"]
    return file


@forged(SIGNATURE)
def checkpoint_signed_with_another_key() -> Document:
    world = honest()
    file = world.file()
    file["checkpoint"] = world.head(signer=STRANGER)["checkpoint"]
    return file


@forged(SIGNATURE)
def checkpoint_with_a_wrong_signature() -> Document:
    file = honest().file()
    text, _, line = file["checkpoint"].partition("— ")
    name, _, encoded = line.strip().partition(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    file["checkpoint"] = f"{text}— {name} {base64.b64encode(raw).decode()}\n"
    return file


@forged(SIGNATURE)
def checkpoint_with_junk_for_a_signature_line() -> Document:
    file = honest().file()
    file["checkpoint"] += "— witness.example not/base64!\n"
    return file


@forged(SIGNATURE)
def cosignature_in_the_head_itself() -> Document:
    file = honest().file()
    file["head"]["checkpoint"] += "— witness.example/w1 " + "A" * 104 + "\n"
    return file


@forged(SIGNATURE)
def checkpoint_with_a_hundred_signature_lines_more() -> Document:
    file = honest().file()
    file["checkpoint"] += "— witness.example AAAAAAAA\n" * 100
    return file


# --- the proofs ---------------------------------------------------------------------------------


@forged(NOT_LOGGED)
def path_cut_short() -> Document:
    file = honest().file()
    file["issue"]["path"].pop()
    return file


@forged(NOT_LOGGED)
def path_with_one_hash_more() -> Document:
    file = honest().file()
    file["issue"]["path"].append("00" * 32)
    return file


@forged(NOT_LOGGED)
def path_with_a_hash_flipped() -> Document:
    file = honest().file()
    file["issue"]["path"][1] = flipped(file["issue"]["path"][1])
    return file


@forged(NOT_LOGGED)
def other_leaf_index() -> Document:
    file = honest().file()
    file["issue"]["index"] -= 1
    return file


@forged(NOT_LOGGED)
def leaf_index_beyond_the_tree() -> Document:
    file = honest().file()
    file["issue"]["index"] = 2**53 - 1
    return file


@forged(NOT_LOGGED)
def node_of_the_tree_passed_off_as_an_entry() -> Document:
    file = honest().file()
    file["issue"]["index"] //= 2
    file["issue"]["path"] = file["issue"]["path"][1:]
    return file


@forged(NOT_LOGGED)
def anchor_consistency_broken() -> Document:
    file = honest().file()
    file["anchor"][0] = flipped(file["anchor"][0])
    return file


@forged(NOT_LOGGED)
def anchor_consistency_missing() -> Document:
    file = honest().file()
    file["anchor"] = []
    return file


@forged(NOT_LOGGED)
def anchor_consistency_with_one_hash_more() -> Document:
    file = honest().file()
    file["anchor"].insert(0, "00" * 32)
    return file


@forged(NOT_LOGGED)
def another_log_with_the_same_keys() -> Document:
    """A fork: the log's own key signed two histories, and the token names the other one."""
    fork = World()
    at = fork.index["eu"]
    held = fork.events[at]
    fork.events[at] = event.make(
        type=held.type,
        at=times.parse(held.at),
        subject=held.subject,
        digest=held.digest,
        refs={},
        actor="did:web:nobody.example",
        payload={},
    )
    return fork.file()


# --- the entries --------------------------------------------------------------------------------


@forged(NOT_LOGGED)
def issue_event_of_another_token() -> Document:
    world = honest()
    file = world.file()
    file["issue"] = world.entry(world.index[RMT_SG])
    return file


@forged(NOT_LOGGED)
def issue_event_dated_back() -> Document:
    file = honest().file()
    file["issue"]["event"]["at"] = "2026-01-01T00:00:00Z"
    return file


@forged(NOT_LOGGED)
def issue_event_of_another_kind() -> Document:
    world = honest()
    file = world.file()
    file["issue"] = world.entry(world.index["build"])
    return file


@forged(NOT_LOGGED)
def build_event_swapped() -> Document:
    world = honest()
    file = world.file()
    file["build"] = world.entry(world.index["build 2"])
    return file


@forged(NOT_LOGGED)
def snapshot_event_swapped() -> Document:
    world = honest()
    file = world.file()
    file["snapshots"] = [world.entry(world.index["us"])]
    return file


@forged(NOT_LOGGED)
def snapshot_event_of_one_side_only() -> Document:
    world = honest()
    file = world.file(IMT)
    del file["snapshots"][0]
    return file


@forged(MALFORMED)
def snapshot_events_missing() -> Document:
    file = honest().file()
    file["snapshots"] = []
    return file


@forged(NOT_LOGGED)
def dataset_event_missing() -> Document:
    file = honest().file()
    file["datasets"].pop()
    return file


@forged(NOT_LOGGED)
def dataset_event_swapped() -> Document:
    world = honest()
    file = world.file()
    file["datasets"][1] = world.entry(world.index["us-ofac-sdn"])
    return file


@forged(NOT_LOGGED)
def dataset_events_in_another_order() -> Document:
    file = honest().file()
    file["datasets"].reverse()
    return file


@forged(NOT_LOGGED)
def terms_missing() -> Document:
    file = World().with_terms().file(CORT)
    file["terms"] = []
    return file


@forged(NOT_LOGGED)
def terms_of_the_corridor_missing_under_a_payment_route() -> Document:
    file = World().with_terms().file(PSRT)
    file["terms"].pop()
    return file


@forged(NOT_LOGGED)
def terms_of_another_token() -> Document:
    world = World().with_terms()
    file = world.file(CORT)
    file["terms"] = [world.entry(world.index[TERMS[PSRT]])]
    return file


@forged(NOT_LOGGED)
def terms_where_none_are_due() -> Document:
    world = World().with_terms()
    file = world.file(IMT)
    file["terms"] = [world.entry(world.index[TERMS[CORT]])]
    return file


@forged(NOT_LOGGED)
def terms_with_other_bytes_under_the_same_id() -> Document:
    world = World()
    laxer = world.log("terms", TERMS[CORT], digests.sha256(b"laxer"))
    file = world.with_terms().file(CORT)
    file["terms"] = [world.entry(laxer)]
    return file


@forged(NOT_LOGGED)
def terms_logged_after_the_token() -> Document:
    world = World().with_terms()
    late = world.log("terms", TERMS[CORT], world.events[world.index[TERMS[CORT]]].digest)
    file = world.file(CORT)
    file["terms"] = [world.entry(late)]
    return file


@forged(NOT_LOGGED)
def event_of_another_type_as_terms() -> Document:
    world = World()
    posing = world.log("incident", TERMS[CORT], digests.sha256(TERMS[CORT].encode()))
    file = world.with_terms().file(CORT)
    file["terms"] = [world.entry(posing)]
    return file


@forged(NOT_LOGGED)
def edited_terms_event() -> Document:
    file = World().with_terms().file(CORT)
    file["terms"][0]["event"]["payload"]["note"] = "laxer"
    return file


@forged(NOT_LOGGED)
def rules_of_a_mandate_as_those_of_revenue_rules() -> Document:
    world = World().with_terms()
    file = world.file(RRMT)
    file["snapshots"] = [world.entry(world.index["eu"])]
    return file


@forged(MALFORMED)
def more_terms_than_a_token_can_rest_on() -> Document:
    file = World().with_terms().file(PSRT)
    file["terms"] += file["terms"]
    return file


# --- the status ---------------------------------------------------------------------------------


@forged(NOT_LOGGED)
def revocation_missing() -> Document:
    file = honest().file()
    file["revocations"] = []
    return file


@forged(NOT_LOGGED)
def revocation_of_another_token() -> Document:
    world = honest()
    file = world.file()
    file["revocations"] = [world.entry(world.changes[0])]
    return file


@forged(NOT_LOGGED)
def last_revocation_left_out() -> Document:
    world = honest()
    world.revoke(RMT_SG, status="suspended", reason="corridor_suspended")
    file = world.file(RMT_SG)
    file["revocations"].pop()
    return file


@forged(NOT_LOGGED)
def revocations_in_another_order() -> Document:
    file = honest().file(RMT_SG)
    file["revocations"].reverse()
    return file


@forged(NOT_LOGGED)
def status_list_of_an_earlier_time() -> Document:
    world = World()
    before = world.list()
    world.revoke(RMT_EU)
    file = world.file()
    file["revocations"] = []
    file["status"] = {"entry": None, "list": before}
    return file


@forged(NOT_LOGGED)
def status_list_of_an_earlier_time_beside_the_revocation() -> Document:
    world = World()
    before = world.list()
    world.revoke(RMT_EU)
    file = world.file()
    file["status"]["list"] = before
    return file


@forged(NOT_LOGGED)
def status_list_that_had_expired_when_the_head_was_signed() -> Document:
    world = honest()
    file = world.file()
    file["head"] = world.head(late=3600)
    file["checkpoint"] = file["head"]["checkpoint"]
    return file


@forged(SIGNATURE)
def status_bit_flipped() -> Document:
    world = honest()
    file = world.file()
    header, _, signature = file["status"]["list"].split(".")
    _, innocent, _ = world.list(packed=bytes(len(world.packed))).split(".")
    file["status"]["list"] = f"{header}.{innocent}.{signature}"
    return file


@forged(NOT_LOGGED)
def status_bit_flipped_by_a_thief_of_the_status_key() -> Document:
    world = honest()
    file = world.file()
    file["revocations"] = []
    file["status"]["list"] = world.list(packed=bytes(len(world.packed)))
    return file


@forged(NOT_LOGGED)
def status_entry_left_out_by_a_thief_of_the_status_key() -> Document:
    world = honest()
    file = world.file()
    file["status"]["entry"] = None
    return file


@forged(NOT_LOGGED)
def status_entry_older_than_the_list() -> Document:
    world = honest()
    file = world.file()
    file["status"]["entry"] = world.entry(world.changes[0])
    return file


@forged(SIGNATURE)
def status_list_signed_with_a_token_key() -> Document:
    world = honest()
    file = world.file()
    file["status"]["list"] = world.list(signer=SIGNERS["token"])
    return file


@forged(NOT_LOGGED)
def status_list_of_another_number() -> Document:
    world = honest()
    file = world.file()
    uri = "https://rtgf.eu.example/revocations/status-list/1"
    file["status"]["list"] = world.list(uri=uri)
    return file


@forged(SIGNATURE)
def key_set_in_place_of_the_status_list() -> Document:
    world = honest()
    file = world.file()
    claims = jose.split_compact(file["status"]["list"])[1]
    file["status"]["list"] = jose.sign_compact(claims, SIGNERS["status"], typ="rtgf-jwks+jws")
    return file


# --- the text -----------------------------------------------------------------------------------


@forged(MALFORMED)
def member_twice() -> bytes:
    return data(honest().file()).replace(b'"token":{', b'"token":{},"token":{', 1)


@forged(MALFORMED)
def member_of_the_token_twice() -> bytes:
    return data(honest().file()).replace(b'"ttl_sec":3600', b'"ttl_sec":3600,"ttl_sec":3600', 1)


@forged(MALFORMED)
def text_that_is_not_canonical() -> bytes:
    return json.dumps(honest().file(), sort_keys=True).encode()


@forged(MALFORMED)
def members_in_another_order() -> bytes:
    return json.dumps(honest().file(), separators=(",", ":"), ensure_ascii=False).encode()


@forged(MALFORMED)
def letter_written_as_an_escape() -> bytes:
    return data(honest().file()).replace("Ü".encode(), b"\\u00dc", 1)


@forged(MALFORMED)
def number_written_otherwise() -> bytes:
    return data(honest().file()).replace(b'"ttl_sec":3600', b'"ttl_sec":3600.0', 1)


@forged(MALFORMED)
def number_that_no_double_holds() -> bytes:
    return data(honest().file()).replace(b'"ttl_sec":3600', b'"ttl_sec":9007199254740992', 1)


@forged(MALFORMED)
def text_with_a_lone_surrogate() -> bytes:
    return data(honest().file()).replace("Ü".encode(), b"\\ud800", 1)


@forged(MALFORMED)
def text_that_is_not_utf8() -> bytes:
    return data(honest().file()).replace("Ü".encode(), b"\xff", 1)


@forged(MALFORMED)
def byte_order_mark() -> bytes:
    return b"\xef\xbb\xbf" + data(honest().file())


@forged(MALFORMED)
def line_break_at_the_end() -> bytes:
    return data(honest().file()) + b"\n"


@forged(MALFORMED)
def file_cut_off() -> bytes:
    return data(honest().file())[:-100]


@forged(MALFORMED)
def empty_file() -> bytes:
    return b""


@forged(MALFORMED)
def file_too_large() -> bytes:
    return b'{"a":"' + b"x" * (4 << 20) + b'"}'


@forged(MALFORMED)
def nested_too_deep() -> bytes:
    return b"[" * 65 + b"]" * 65


@forged(MALFORMED)
def nested_without_end() -> bytes:
    return b"[" * 1_000_000


@forged(MALFORMED)
def unknown_member() -> Document:
    return {**honest().file(), "note": "trust me"}


@forged(MALFORMED)
def unknown_member_of_an_entry() -> Document:
    file = honest().file()
    file["issue"]["note"] = "trust me"
    return file


@forged(MALFORMED)
def missing_member() -> Document:
    file = honest().file()
    del file["anchor"]
    return file


@forged(MALFORMED)
def another_format() -> Document:
    return {**honest().file(), "format": "rtgf-evidence/2"}


@forged(MALFORMED)
def path_in_capital_letters() -> Document:
    file = honest().file()
    file["issue"]["path"][0] = "AB" * 32
    return file


@forged(MALFORMED)
def text_where_an_object_is_due() -> Document:
    return {**honest().file(), "token": "urn:rtgf:token:" + RMT_EU}


def rotated() -> Document:
    """Honest: a token that was signed again with a second key, its first one revoked since."""
    world = World({SIGNERS["token"].kid: (START - 3600, START + YEAR, START + 11)})
    file = world.file()
    file["token"] = json.loads(tokens.sign_again(data(file["token"]), [SECOND]))
    return file
