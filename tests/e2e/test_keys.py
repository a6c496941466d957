"""Rotation and revocation of the online keys, on a real node, with a clock that a test moves."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import closing
from functools import partial
from typing import Any

import msgspec
import pytest

from rtgf_node import config, start_checks
from rtgf_node.core import base64url, jose, signed_keys, times
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_change, key_files
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.store.database import connect_reader
from rtgf_node.store.key_manifest_store import KeyManifestStore
from rtgf_node.store.log_store import LogStore
from rtgf_node.store.snapshot_file import SignedState
from rtgf_node.system_clock import SystemClock
from tests.earlier import QUIET
from tests.inside import ShiftedClock, serve_inside
from tests.nodes import RATES, Reply, TestNode

DAY = 86_400
RMT = "RMT:SG:payments_aml:2026-10"
DUAL = RATES + '\n[approvals]\nrequired = ["rotate", "revoke_key"]\n'


def prepared(node: TestNode, *, at: int, revoke: str | None = None) -> key_change.KeyRequest:
    """Make keys in the node's folder, as `rtgf keys prepare` does."""
    return key_change.prepare(
        node.key_store(), in_force(node), issuer="did:web:fma.example", at=at, revoke=revoke
    )


def root_key(node: TestNode) -> PublicKey:
    return PublicKey(
        node.made.root_kid, base64url.decode(node.made.root_public), "root", 0, key_files.FOREVER
    )


def in_force(node: TestNode) -> key_files.KeyFiles:
    """Return the statements in the node's folder."""
    folder = node.folder / "keys"
    if (folder / key_files.KEY_SET).exists():
        return key_files.of_document(
            (folder / key_files.KEY_SET).read_bytes(), root_key(node), at=0
        )
    return key_files.verified(
        (folder / key_files.MANIFEST).read_bytes(),
        (folder / key_files.SIGNED_JWKS).read_text(),
        root_key(node),
        at=0,
    )


def signed(node: TestNode, request: key_change.KeyRequest) -> dict[str, Any]:
    """Sign as the root."""
    passphrase = (node.folder / "root" / "passphrase").read_bytes().strip()
    root = FileKeyProvider.open(node.folder / "root", passphrase).signer("root")
    document: dict[str, Any] = json.loads(key_change.sign(request, root))
    return document


def rotate(node: TestNode, document: dict[str, Any], role: str = "operator") -> Reply:
    body = {**document, "reason": "it is time"}
    return node.ask("POST", "/admin/keys/rotate", body, role=role)


def revoke(node: TestNode, kid: str, document: dict[str, Any]) -> Reply:
    body = {**document, "reason": "stolen"}
    return node.ask("POST", f"/admin/keys/{kid}/revoke", body, role="operator")


def kids(node: TestNode, purpose: str) -> list[str]:
    """Return the published keys of a purpose, the oldest first."""
    published = node.keys()
    return sorted(key.kid for key in published if key.use == purpose)


def events(node: TestNode, type_: str) -> list[dict[str, Any]]:
    log = node.ask("GET", "/transparency?limit=1000").json()
    return [one["event"] for one in log["entries"] if one["event"]["type"] == type_]


def root_signed_set(node: TestNode) -> KeySet:
    """Return the key set as a partner reads it: under the root's signature."""
    jws = node.ask("GET", "/.well-known/jwks.jws").body.decode()
    payload = jose.verify_compact(jws, KeySet([root_key(node)]), at=0, typ=signed_keys.TYP)
    assert payload == node.ask("GET", "/.well-known/jwks.json").body
    return KeySet.from_jwks(parse(payload))


def signers_now(node: TestNode) -> dict[str, str]:
    """Return which key signed what the node says now, by purpose."""
    listed = node.ask("GET", "/revocations").json()
    head = node.ask("GET", "/roots/latest").json()
    jwt = node.ask("GET", "/revocations/status-list/0").body.decode()
    answer = node.ask("POST", "/verify?receipt=1", {"tokens": {"rmt": RMT}}, role="partner")
    assert answer.status == 200, answer.body
    receipt = answer.json()["receipt"]
    return {
        "status": listed["signatures"][0]["kid"],
        "list": jose.split_compact(jwt)[0]["kid"],
        "log": head["signatures"][0]["kid"],
        "receipt": jose.split_compact(receipt)[0]["kid"],
    }


def test_a_rotation_overlaps_and_then_the_old_keys_end(make_node):
    """RTGF-CT-50, RTGF-CT-51 and RTGF-CT-52: both verify for 7 days, then the new ones alone."""
    node = make_node(running=False, published=True, settings=QUIET)
    clock = ShiftedClock()

    def body() -> None:
        old = {purpose: kids(node, purpose)[0] for purpose in key_change.ROTATED}
        at, before = clock.now(), node.ask("GET", "/roots/latest").json()["tree_size"]
        answer = rotate(node, signed(node, prepared(node, at=at)))
        assert answer.status == 200, answer.body
        assert answer.json()["state"] == "in_force"
        assert len(answer.json()["added"]) == len(key_change.ROTATED)
        published = root_signed_set(node)
        assert {key.kid: key.expires_at for key in published if key.kid == old["token"]} == {
            old["token"]: at + 7 * DAY
        }
        new = {purpose: kids(node, purpose)[1] for purpose in key_change.ROTATED}
        now = signers_now(node)
        assert now == {
            "status": new["status"],
            "list": new["status"],
            "log": new["log"],
            "receipt": new["receipt"],
        }
        assert node.verify(imt=None).valid
        past = node.ask("GET", f"/revocations/status-list/0?at={before}").body.decode()
        assert jose.split_compact(past)[0]["kid"] == old["status"]
        document = node.ask("GET", f"/tokens?uri={RMT}").json()
        assert document["signatures"][0]["kid"] == old["token"]
        # What the old key signed is issued anew, and lives beside it.
        build = node.compile()
        assert build.state == "published"
        anew = node.ask("GET", f"/tokens?uri={RMT}").json()
        assert anew["signatures"][0]["kid"] == new["token"]
        assert node.compile().state == "nothing_due"
        clock.ahead = 7 * DAY - 60
        assert node.verify(rmt=document, imt=None).reason != "RTGF_KID_EXPIRED"
        clock.ahead = 7 * DAY + 180
        handed_in = node.ask("POST", "/verify", {"tokens": {"rmt": document}}, role="partner")
        assert handed_in.json()["code"] == "RTGF_KID_EXPIRED"
        assert node.verify(imt=None).reason != "RTGF_KID_EXPIRED"
        acts = [one["payload"]["act"] for one in events(node, "key_event")]
        assert acts.count("enrolled") == 6 + 5
        assert acts.count("retired") == 5
        (retired,) = [e for e in events(node, "key_event") if e["subject"] == new["token"]]
        assert retired["actor"] == "urn:rtgf:operator:first"
        assert retired["payload"]["reason"] == "it is time"
        assert "rtgf_key_rotation_events_total 1.0" in node.metrics()

    serve_inside(node, body, clock=clock)


def test_a_week_before_keys_expire_the_node_says_so(make_node):
    """In the readiness, in `rtgf status`, and as a figure to alert on."""
    node = make_node(running=False, published=True, settings=QUIET)
    clock = ShiftedClock()

    def said() -> tuple[bool, str]:
        checks = node.ask("GET", "/readyz").json()["checks"]
        (found,) = [one for one in checks if one["name"] == "keys"]
        return found["ok"], found["detail"]

    def shown(purpose: str) -> float:
        name = f'rtgf_key_expires_timestamp_seconds{{purpose="{purpose}"}} '
        (line,) = [one for one in node.metrics().splitlines() if one.startswith(name)]
        return float(line.removeprefix(name))

    def body() -> None:
        published = node.keys()
        ends = {key.use: key.expires_at for key in published}
        first = min(ends[purpose] for purpose in key_change.ROTATED)
        due = first - 7 * DAY
        assert said() == (True, f"to be rotated by {times.to_text(due)}")
        assert {purpose: shown(purpose) for purpose in key_change.ROTATED} == {
            purpose: ends[purpose] for purpose in key_change.ROTATED
        }
        clock.ahead = due + 60 - int(time.time())
        ok, detail = said()
        assert not ok
        assert detail.startswith("rotate them: the ")
        assert detail.endswith(f" expires at {times.to_text(first)}")
        status = node.cli("status")
        assert "NOT OK" in status.stdout
        assert detail in status.stdout
        at = clock.now()
        assert rotate(node, signed(node, prepared(node, at=at))).status == 200
        # The old ones still verify; the new ones sign.
        assert said()[0] is True
        assert shown("token") > at + 90 * DAY

    serve_inside(node, body, clock=clock)


def test_a_restart_keeps_the_new_keys_and_an_old_set_is_never_taken_again(make_node, tmp_path):
    """RTGF-CT-54: a tampered set is refused, and so is one that the root signed before."""
    node = make_node(running=False, published=True)
    key_set = node.folder / "keys" / key_files.KEY_SET
    with node.running():
        first = signed(node, prepared(node, at=node_time()))
        assert rotate(node, first).status == 200
        after_first = key_set.read_bytes()
        second = signed(node, prepared(node, at=node_time()))
        rotate(node, first).problem(422, "RTGF_JWKS_SIGNATURE_INVALID")
        assert rotate(node, second).status == 200
        newest = node.ask("GET", "/.well-known/jwks.json").body
    with node.running():
        assert node.ask("GET", "/.well-known/jwks.json").body == newest
        assert signers_now(node)["log"] == kids(node, "log")[2]
        audited = node.cli("audit", node.url, "--root-key", node.made.root_public)
        assert audited.returncode == 0, audited.stdout + audited.stderr
    after_second = key_set.read_bytes()
    for older in (after_first, None):
        if older is None:
            key_set.unlink()  # the statements of `rtgf init` are beside it
        else:
            key_set.write_bytes(older)
        refused = node.cli("serve", "--config", "rtgf.toml")
        assert refused.returncode != 0
        assert "RTGF_JWKS_SIGNATURE_INVALID" in refused.stdout + refused.stderr
    key_set.write_bytes(after_second)
    with node.running():
        assert node.verify(imt=None).valid


def test_a_state_is_checked_by_the_keys_in_it_not_by_those_of_an_older_folder(make_node, tmp_path):
    """The keys may be changed after a new member's folder was made, and before it has a state."""
    node = make_node(running=False, published=True)
    shutil.copytree(node.folder / "keys", tmp_path / "older")
    before = config.load(node.toml, environ={}).keys
    older = msgspec.structs.replace(before, folder=tmp_path / "older")
    with node.running():
        assert rotate(node, signed(node, prepared(node, at=node_time()))).status == 200
        assert signers_now(node)["log"] == kids(node, "log")[1]
    with closing(connect_reader(node.database)) as conn:
        head, keys = LogStore(conn).latest_head(), KeyManifestStore(conn).documents()
    assert head is not None
    assert keys is not None
    check = partial(start_checks.check_foreign_state, older, SystemClock())
    check(SignedState(head.document, keys))
    with pytest.raises(RtgfError):
        check(SignedState(head.document, None))
    forged = msgspec.structs.replace(keys, jwks_jws=f"{keys.jwks_jws[:-8]}AAAAAAAA")
    with pytest.raises(RtgfError) as refused:
        check(SignedState(head.document, forged))
    assert refused.value.code is Code.RTGF_JWKS_SIGNATURE_INVALID


def node_time() -> int:
    return int(time.time())


def test_a_set_that_was_put_in_place_and_not_logged_is_logged_at_the_start(make_node):
    """So does a node go on whose process ended between writing the set and logging it."""
    node = make_node(running=False, published=True)
    document = signed(node, prepared(node, at=node_time()))
    (node.folder / "keys" / key_files.KEY_SET).write_text(json.dumps(document))
    with node.running():
        assert len(kids(node, "log")) == 2
        assert signers_now(node)["log"] == kids(node, "log")[1]
        assert len(events(node, "jwks_publish")) == 2


def test_a_key_that_is_made_and_not_published_signs_nothing(make_node):
    node = make_node(running=False, published=True)
    prepared(node, at=node_time())
    with node.running():
        assert signers_now(node)["log"] == kids(node, "log")[0]


def test_a_revoked_key_vouches_for_nothing_from_then_on(make_node):
    """RTGF-CT-52: every token that only the revoked key signed is refused at once."""
    node = make_node(published=True)
    (old,) = kids(node, "token")
    assert node.verify(imt=None).valid
    held = {purpose: kids(node, purpose) for purpose in key_change.ROTATED}
    document = signed(node, prepared(node, at=node_time(), revoke=old))
    rotate(node, document).problem(409, "RTGF_CONFLICT")
    revoke(node, held["log"][0], document).problem(409, "RTGF_CONFLICT")
    assert revoke(node, old, document).json()["revoked"] == [old]
    assert node.verify(imt=None).reason == "RTGF_KID_EXPIRED"
    assert {p: kids(node, p) for p in held if p != "token"} == {
        p: k for p, k in held.items() if p != "token"
    }
    (said,) = [e for e in events(node, "key_event") if e["payload"]["act"] == "revoked"]
    assert (said["subject"], said["payload"]["reason"]) == (old, "stolen")
    assert node.compile().state == "published"
    assert node.verify(imt=None).valid


def test_a_revoked_log_key_signs_no_further_head_and_the_node_starts_again(make_node):
    node = make_node(running=False, published=True)
    with node.running():
        (old,) = kids(node, "log")
        document = signed(node, prepared(node, at=node_time(), revoke=old))
        assert revoke(node, old, document).status == 200
        assert signers_now(node)["log"] == kids(node, "log")[1]
    with node.running():
        assert node.verify(imt=None).valid


@pytest.mark.parametrize("act", ["rotate", "revoke_key"])
def test_it_takes_a_second_person_where_the_settings_say_so(make_node, act):
    node = make_node(published=True, settings=DUAL)
    (old,) = kids(node, "token")
    if act == "rotate":
        asked = rotate(node, signed(node, prepared(node, at=node_time())))
    else:
        asked = revoke(node, old, signed(node, prepared(node, at=node_time(), revoke=old)))
    assert asked.status == 202, asked.body
    assert asked.json()["state"] == "waiting"
    assert kids(node, "token") == [old]
    assert node.verify(imt=None).valid
    path = f"/admin/approvals/{asked.json()['approval_id']}"
    said = {"decision": "approve", "reason": "read it"}
    assert node.ask("POST", path, said, role="approver").status == 200
    assert len(kids(node, "token")) == 2
    added = [e for e in events(node, "key_event") if "approver" in e["payload"]]
    assert {e["payload"]["approver"] for e in added} == {"urn:rtgf:approver:first"}


def spoiled(node: TestNode, how: str) -> dict[str, Any]:
    request = prepared(node, at=node_time())
    if how == "another root":
        return json.loads(key_change.sign(request, node.key_store().signer("log")))
    if how == "too old":
        request = msgspec.structs.replace(request, prepared_at="2026-01-01T00:00:00Z")
    keys = list(request.keys)
    if how == "a key is missing":
        keys = keys[1:]
    if how == "a longer life":
        keys[0] = msgspec.structs.replace(keys[0], expires_at="2036-01-01T00:00:00Z")
    document = signed(node, msgspec.structs.replace(request, keys=tuple(keys)))
    if how == "two signings":
        other = signed(node, prepared(node, at=node_time()))
        document["jwks"] = other["jwks"]
    if how == "changed":
        document["manifest"]["keys"][0]["expires_at"] = "2036-01-01T00:00:00Z"
    return document


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("another root", 422, "RTGF_JWKS_SIGNATURE_INVALID"),
        ("two signings", 422, "RTGF_JWKS_SIGNATURE_INVALID"),
        ("changed", 422, "RTGF_JWKS_SIGNATURE_INVALID"),
        ("too old", 409, "RTGF_CONFLICT"),
        ("a key is missing", 409, "RTGF_CONFLICT"),
        ("a longer life", 409, "RTGF_CONFLICT"),
    ],
)
def test_what_does_not_follow_is_refused_and_changes_nothing(own, how, status, code):
    """RTGF-CT-54."""
    before = own.ask("GET", "/key-manifest.json").body
    rotate(own, spoiled(own, how)).problem(status, code)
    assert own.ask("GET", "/key-manifest.json").body == before
    assert not (own.folder / "keys" / key_files.KEY_SET).exists()
    assert signers_now(own)["log"] == kids(own, "log")[0]


def test_the_commands_go_the_whole_way(make_node):
    node = make_node(published=True)

    def run(*arguments: str) -> str:
        done = node.cli("keys", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = run("prepare", "--out", "request.json")
    assert "verifier key of the log: fma.example/log+" in made
    root = ("--root", "root", "--passphrase-file", "root/passphrase")
    assert "number 1, signed by" in run("sign", "request.json", *root, "--out", "signed.json")
    assert "key set 1 is in force" in run("rotate", "signed.json", "--reason", "it is time")
    old = kids(node, "status")[1]
    run("prepare", "--out", "request.json", "--revoke", old)
    run("sign", "request.json", *root, "--out", "signed.json")
    assert f"revoked: {old}" in run("revoke", old, "signed.json", "--reason", "stolen")
    again = node.cli("keys", "revoke", old, "signed.json", "--reason", "stolen")
    assert again.returncode != 0
    assert "RTGF_JWKS_SIGNATURE_INVALID" in again.stderr
