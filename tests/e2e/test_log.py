"""The transparency log, checked by this test itself: RFC 6962 hashes and the log's public key."""

from __future__ import annotations

import json
import time

import pytest

from rtgf_node.core import checkpoint, event, merkle, tree_head
from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.errors import Code, RtgfError
from tests.nodes import ORIGIN, PATIENCE_SECONDS, TestNode

RMT = "RMT:SG:payments_aml:2026-10.1"
NEWS = ("2026-11", "2026-12")


def entries(node: TestNode, *, limit: int = 1000) -> list[dict]:
    """Every leaf, page by page."""
    found: list[dict] = []
    following: int | None = 0
    while following is not None:
        page = node.ask("GET", f"/transparency?since={following}&limit={limit}").json()
        assert [entry["index"] for entry in page["entries"]] == list(
            range(following, following + len(page["entries"]))
        )
        found += [entry["event"] for entry in page["entries"]]
        following = page["next"]
    return found


def head(node: TestNode) -> tree_head.TreeHead:
    return tree_head.from_document(node.ask("GET", "/roots/latest").json())


def settled(node: TestNode, leaves: int) -> tree_head.TreeHead:
    """The first head over at least so many leaves: due in under a second."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (newest := head(node)).tree_size < leaves:
        assert time.monotonic() < deadline, "no head covers what was appended"
        time.sleep(0.01)
    return newest


def verifier_keys(node: TestNode) -> list[str]:
    return node.ask("GET", "/.well-known/rtgf").json()["log"]["keys"]


def hashes(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


def hash_of(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("sha256:"))


def prove(node: TestNode, entry: dict) -> dict:
    """Fetch the proof of an event and verify it with nothing but the log's key."""
    bundle = node.ask("GET", f"/proofs/{entry['event_id']}").json()
    leaf = merkle.leaf_hash(canonical_bytes(entry))
    assert hash_of(bundle["leafHash"]) == leaf
    root = hash_of(bundle["merkleRoot"])
    merkle.verify_inclusion(
        leaf_hash=leaf,
        index=bundle["leafIndex"],
        tree_size=bundle["treeSize"],
        proof=hashes(bundle["path"]),
        root=root,
    )
    signed = checkpoint.open_note(bundle["checkpoint"].encode(), verifier_keys(node))
    assert signed == Checkpoint(ORIGIN, bundle["treeSize"], root)
    return bundle


def grow(node: TestNode) -> None:
    """Append something."""
    newest = node.ask("GET", "/catalog?limit=1000").json()["tokens"]
    token = next(entry for entry in newest if not entry["revoked"] and entry["type"] == "IMT")
    assert node.revoke(token["uri"]).status == 200


def test_the_whole_log_gives_the_signed_root(published):
    """RTGF-CT-60: every leaf hashed again."""
    found = entries(published, limit=7)
    frontier = merkle.Frontier()
    for entry in found:
        frontier.append(merkle.leaf_hash(canonical_bytes(entry)))
    newest = head(published)
    assert newest.tree_size == len(found)
    assert newest.root() == frontier.root()


def test_the_head_is_signed_by_the_logs_own_key(published):
    newest = head(published)
    now = int(time.time())
    tree_head.verify(newest, published.keys(), now)
    (signature,) = newest.signatures
    assert published.keys().get(signature.kid, at=now).use == "log"


def test_the_checkpoint_is_a_note_that_others_can_read(published):
    reply = published.ask("GET", "/checkpoint")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.body.startswith(f"{ORIGIN}\n".encode())
    signed = checkpoint.open_note(reply.body, verifier_keys(published))
    newest = head(published)
    assert (signed.size, signed.root) == (newest.tree_size, newest.root())
    name, _, rest = verifier_keys(published)[0].partition("+")
    assert (name, len(rest.split("+")[0])) == (ORIGIN, 8)


def test_a_checkpoint_under_another_key_is_refused(published):
    foreign = checkpoint.verifier_key(ORIGIN, published.key_store().signer("token").public)
    with pytest.raises(RtgfError):
        checkpoint.open_note(published.ask("GET", "/checkpoint").body, [foreign])


def test_every_kind_of_event_has_its_proof(published):
    """RTGF-CT-60, RTGF-REQ-031."""
    kinds: dict[str, dict] = {}
    for entry in entries(published):
        kinds[entry["type"]] = entry
    assert set(kinds) >= {
        "key_event",
        "jwks_publish",
        "policy_snapshot",
        "dataset",
        "build",
        "approval",
        "token_issue",
    }
    for entry in kinds.values():
        prove(published, entry)


def test_every_issuance_is_logged_with_its_links(published):
    """RTGF-REQ-031: token to build to snapshot and list, each an event of the log."""
    found = entries(published)
    digests_of = {kind: set() for kind in event.TYPES}
    for entry in found:
        digests_of[entry["type"]].add(entry["digest"])
    builds = {entry["subject"]: entry for entry in found if entry["type"] == "build"}
    issued = {entry["subject"]: entry for entry in found if entry["type"] == "token_issue"}
    catalogue = published.ask("GET", "/catalog?limit=1000").json()["tokens"]
    assert {item["uri"].removeprefix("urn:rtgf:token:") for item in catalogue} == set(issued)
    for item in catalogue:
        entry = issued[item["uri"].removeprefix("urn:rtgf:token:")]
        assert entry["digest"] == item["hash"]
        assert found[item["leafIndex"]] == entry
        build = builds[entry["refs"]["build"]]
        assert set(build["refs"]["snapshots"]) <= digests_of["policy_snapshot"]
        assert set(build["refs"]["datasets"]) <= digests_of["dataset"]


def test_what_is_served_are_events_in_their_canonical_form(published):
    """RTGF-CT-61: each parses as what its id says."""
    for entry in entries(published):
        parsed = event.parse(canonical_bytes(entry))
        assert parsed.event_id == entry["event_id"]


@pytest.mark.parametrize(
    "change",
    [{"actor": "someone else"}, {"at": "2020-01-01T00:00:00Z"}, {"type": "rumour"}, {"extra": 1}],
    ids=lambda change: next(iter(change)),
)
def test_a_tampered_event(published, change):
    """RTGF-CT-61: it is no event any more, and its leaf is not the one that was proved."""
    entry = entries(published)[-1]
    altered = {**entry, **change}
    with pytest.raises(RtgfError) as refused:
        event.parse(canonical_bytes(altered))
    assert refused.value.code is Code.RTGF_TXP_EVENT_INVALID
    with pytest.raises(AssertionError):
        prove(published, altered)


@pytest.mark.parametrize(
    "event_id",
    ["evt:token_issue:2026-11-22T10:00:00Z:00000000-0000-5000-8000-000000000000", "x", "é", "-1"],
)
def test_an_unknown_event(published, event_id):
    """RTGF-CT-62."""
    from urllib.parse import quote

    reply = published.ask("GET", f"/proofs/{quote(event_id)}")
    reply.problem(404, "RTGF_TXP_PROOF_NOT_FOUND")


@pytest.mark.parametrize(
    "path",
    [
        "/proofs/consistency?from=0",
        "/proofs/consistency?from=9&to=8",
        "/proofs/consistency?to=999999",
        "/proofs/consistency?from=x",
        "/transparency?since=-1",
        "/transparency?limit=0",
        "/transparency?limit=1001",
    ],
)
def test_a_question_that_the_tree_cannot_answer(published, path):
    published.ask("GET", path).problem(400, "RTGF_BAD_REQUEST")


def test_after_the_end_there_is_nothing_yet(published):
    page = published.ask("GET", "/transparency?since=100000").json()
    assert (page["entries"], page["next"]) == ([], None)


def test_every_size_is_consistent_with_the_whole(published):
    """RTGF-CT-63."""
    newest = head(published)
    sizes = [1, 2, 3, 7, 8, newest.tree_size // 2, newest.tree_size - 1, newest.tree_size]
    leaves = [merkle.leaf_hash(canonical_bytes(entry)) for entry in entries(published)]
    for size in sizes:
        proof = published.ask("GET", f"/proofs/consistency?from={size}").json()
        old_root = merkle.root_hash(leaves[:size])
        assert hash_of(proof["old_root"]) == old_root
        merkle.verify_consistency(
            old_size=size,
            new_size=newest.tree_size,
            old_root=old_root,
            new_root=newest.root(),
            proof=hashes(proof["proof"]),
        )


def test_every_head_that_was_seen_is_extended_by_the_next(own):
    """RTGF-CT-63: over growth and a restart-free life, from each remembered head."""
    remembered = [head(own)]
    for _ in range(4):
        before = remembered[-1]
        grow(own)
        remembered.append(settled(own, before.tree_size + 1))
    newest = remembered[-1]
    for old in remembered:
        tree_head.verify(old, own.keys(), int(time.time()))
        query = f"from={old.tree_size}&to={newest.tree_size}"
        proof = own.ask("GET", f"/proofs/consistency?{query}").json()
        merkle.verify_consistency(
            old_size=old.tree_size,
            new_size=newest.tree_size,
            old_root=old.root(),
            new_root=newest.root(),
            proof=hashes(proof["proof"]),
        )
    assert [old.tree_size for old in remembered] == sorted({old.tree_size for old in remembered})


def test_a_proof_can_start_from_a_head_that_the_caller_holds(own):
    """RTGF-CT-63."""
    old = head(own)
    grow(own)
    settled(own, old.tree_size + 1)
    entry = entries(own)[-1]
    bundle = own.ask("GET", f"/proofs/{entry['event_id']}?from={old.tree_size}").json()
    merkle.verify_consistency(
        old_size=old.tree_size,
        new_size=bundle["treeSize"],
        old_root=old.root(),
        new_root=hash_of(bundle["merkleRoot"]),
        proof=hashes(bundle["consistency"]),
    )
    own.ask("GET", f"/proofs/{entry['event_id']}?from=99999").problem(400, "RTGF_BAD_REQUEST")


def test_a_revocation_is_an_event_with_its_proof(own):
    """RTGF-REQ-031."""
    before = len(entries(own))
    grow(own)
    settled(own, before + 1)
    entry = entries(own)[-1]
    assert entry["type"] == "revocation"
    assert entry["payload"]["status"] == "invalid"
    prove(own, entry)


def test_an_altered_proof_never_verifies(published):
    entry = entries(published)[3]
    bundle = prove(published, entry)
    for place in range(len(bundle["path"])):
        path = hashes(bundle["path"])
        path[place] = bytes(32)
        with pytest.raises(RtgfError):
            merkle.verify_inclusion(
                leaf_hash=hash_of(bundle["leafHash"]),
                index=bundle["leafIndex"],
                tree_size=bundle["treeSize"],
                proof=path,
                root=hash_of(bundle["merkleRoot"]),
            )


def test_no_event_holds_a_name_from_a_list(published):
    text = json.dumps(entries(published))
    assert published.world.listed_name not in text
    assert parse(text.encode(), max_bytes=64 << 20)
