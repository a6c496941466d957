"""Earlier states: what `at` answers is what was answered then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rtgf_node import config
from rtgf_node.core import status_list, times
from rtgf_node.core.keys import KeySet
from rtgf_node.keys import key_change, key_files
from rtgf_node.keys.key_provider import FileKeyProvider
from tests.authorities import Demo, push
from tests.earlier import (
    IMT,
    QUESTIONS,
    QUIET,
    READS,
    RMT,
    STEP_SECONDS,
    Station,
    StillClock,
    entry_of,
    event,
    newest_size,
    pinned,
    same,
    station,
)
from tests.held_lists import fetched, in_force
from tests.inside import serve_inside
from tests.nodes import TestNode
from tests.questions import question

SUSPENDED = "corridor_suspended"
UN = "lists/un/consolidated.xml"


@pytest.fixture
def lived(template: TestNode, tmp_path) -> Callable[..., None]:
    """Run a test's body beside a node of its own whose clock the test sets."""
    node = template.copy(tmp_path / "node", settings=QUIET)
    clock = StillClock()

    def run(body: Callable[[TestNode, StillClock], None]) -> None:
        serve_inside(node, lambda: body(node, clock), clock=clock)

    return run


def reissue(node: TestNode) -> None:
    """A list changes, and what rests on it is issued again."""
    file = node.folder / UN
    plain = file.read_text()
    start = plain.index("<INDIVIDUAL>")
    entry = (
        "<INDIVIDUAL><DATAID>1</DATAID><FIRST_NAME>Xylophia Brontide</FIRST_NAME>"
        "<REFERENCE_NUMBER>XXi.999</REFERENCE_NUMBER></INDIVIDUAL>"
    )
    file.write_text(plain[:start] + entry + plain[start:])
    assert fetched(node, "un-sc").outcome == "accepted"
    assert node.compile(jurisdictions=["EU", "SG"]).state == "published"


def supersede(node: TestNode, authority: Demo) -> None:
    """The authority's next version, and the tokens of it."""
    push(node, authority.sealed(authority.document(version="2026-11")))
    assert node.compile(jurisdictions=["EU", "SG"]).state == "published"


def test_every_answer_is_given_again_as_it_was_given_then(template, tmp_path):
    """By time and by size, over a reissue, a suspension, its end, a revocation, a new version."""
    node = template.copy(tmp_path / "node", settings=QUIET)
    authority = Demo(node, "SG")
    clock = StillClock()

    def body() -> None:
        stations = [station(node, clock)]
        for act in (
            lambda: reissue(node),
            lambda: node.revoke(f"{IMT}.2", reason=SUSPENDED),
            lambda: node.revoke(f"{IMT}.2", reason=SUSPENDED, act="reinstate"),
            lambda: node.revoke(f"{RMT}.2"),
            lambda: supersede(node, authority),
        ):
            act()
            stations.append(station(node, clock))
        assert len({one.size for one in stations}) == len(stations)
        last = stations[-1]
        for then in stations:
            for at in (times.to_text(then.at), then.size):
                for path, reply in zip(READS, then.reads, strict=True):
                    later = node.ask("GET", pinned(path, at))
                    assert same(reply, later), (path, at, later)
                for asked, reply in zip(QUESTIONS, then.answers, strict=True):
                    beside = node.ask("POST", f"/verify?at={at}", asked)
                    inside = node.ask("POST", "/verify", {**asked, "at": str(at)})
                    assert beside.body == inside.body, (asked, at)
                    if reply.status == 404:
                        assert beside.json()["reason"] == "RTGF_TXP_PROOF_NOT_FOUND"
                    elif at == then.size and "context" in asked:
                        # The trace has the instant: there, that of the last entry.
                        told = reply.json() | {"trace_digest": beside.json()["trace_digest"]}
                        assert told == beside.json()
                    else:
                        assert same(reply, beside), (asked, at, beside)
        # The story is one: each read but the keys' was answered otherwise at some time.
        for number, path in enumerate(READS):
            told = {one.reads[number].body for one in stations}
            assert (len(told) > 1) == ("jwks" not in path and "manifest" not in path), path
        assert [one.answers[1].json()["reason"] for one in stations] == [
            None,
            None,
            "RTGF_VERIFY_REVOKED",
            None,
            "RTGF_VERIFY_REVOKED",
            "RTGF_VERIFY_REVOKED",
        ]
        assert [one.answers[1].json()["revEpoch"] for one in stations][:3] == [0, 0, 1]
        assert last.reads[5].json()["token_id"] == "RMT:SG:payments_aml:2026-11.1"

    serve_inside(node, body, clock=clock)


def test_a_state_ends_with_its_last_entry(lived):
    """The second and the size of a revocation have it; those before have not."""

    def body(node: TestNode, clock: StillClock) -> None:
        clock.ahead += STEP_SECONDS
        assert node.revoke(f"{RMT}.1").status == 200
        clock.ahead += STEP_SECONDS
        index, at = entry_of(node, "revocation", f"{RMT}.1")

        def seen(moment: object) -> tuple[Any, ...]:
            catalog = node.ask("GET", pinned("/catalog?type=rmt&jurisdiction=SG", moment)).json()
            (line,) = [one for one in catalog["tokens"] if one["uri"].endswith(f"{RMT}.1")]
            listed = node.ask("GET", pinned("/revocations", moment)).json()
            verdict = node.ask("POST", f"/verify?at={moment}", question(RMT, None)).json()
            newest = node.ask("GET", pinned("/rmt/SG/payments_aml", moment)).status
            assert verdict["revEpoch"] == listed["revEpoch"]
            return line["revoked"], len(listed["entries"]) > 0, verdict["reason"], newest

        before = (False, False, None, 200)
        after = (True, True, "RTGF_VERIFY_REVOKED", 404)
        assert seen(times.to_text(at - 1)) == seen(index) == before
        assert seen(times.to_text(at)) == seen(index + 1) == after
        # Of the tokens that fell with it, the first states have only those that had fallen.
        listed = node.ask("GET", f"/revocations?at={index + 2}").json()
        assert (listed["treeSize"], len(listed["entries"])) == (index + 2, 2)

    lived(body)


def test_what_was_not_in_the_log_was_not_there(lived):
    def body(node: TestNode, clock: StillClock) -> None:
        clock.ahead += STEP_SECONDS
        reissue(node)
        index, at = entry_of(node, "token_issue", f"{RMT}.2")
        clock.ahead += STEP_SECONDS
        whole = node.ask("GET", f"/tokens?uri={RMT}.2").json()
        for moment in (times.to_text(at - 1), index):
            for path in (f"/tokens?uri={RMT}.2", "/tokens/rmt/sg-payments_aml-2026-10.2"):
                reply = node.ask("GET", pinned(path, moment))
                reply.problem(404, "RTGF_VERIFY_TOKEN_NOT_FOUND")
            for token in (f"{RMT}.2", whole):
                answer = node.ask("POST", f"/verify?at={moment}", question(token, None)).json()
                assert answer["reason"] == "RTGF_TXP_PROOF_NOT_FOUND"
            evaluated = {"token": f"{RMT}.2", "context": {}}
            refused = node.ask("POST", f"/evaluate?at={moment}", evaluated)
            assert "RTGF_TXP_PROOF_NOT_FOUND" in refused.problem(409, "RTGF_CONFLICT")["detail"]
        then = node.ask("POST", f"/verify?at={index + 1}", question(whole, None))
        assert then.json()["valid"]

    lived(body)


def test_datasets_are_told_by_what_the_log_had(lived):
    def body(node: TestNode, clock: StillClock) -> None:
        path = f"/datasets/un-sc/{in_force(node, 'un-sc')['version']}"
        before, size = node.ask("GET", path).json(), newest_size(node)
        clock.ahead += STEP_SECONDS
        reissue(node)
        clock.ahead += STEP_SECONDS
        # When its provider last said that it is the newest is not in the log.
        assert before.pop("checked_at")
        index = before["leafIndex"]
        assert node.ask("GET", f"{path}?at={size}").json() == before
        assert node.ask("GET", f"{path}?at={index + 1}").json() == before
        node.ask("GET", f"{path}?at={index}").problem(404, "RTGF_NOT_FOUND")
        newer = f"/datasets/un-sc/{in_force(node, 'un-sc')['version']}"
        assert node.ask("GET", f"{newer}?at={size + 1}").json()["leafIndex"] == size
        node.ask("GET", f"{newer}?at={size}").problem(404, "RTGF_NOT_FOUND")

    lived(body)


def test_status_lists_of_the_past(lived):
    """The draft's `time`: a list that was valid then, and says that it was made later."""

    def body(node: TestNode, clock: StillClock) -> None:
        path = "/revocations/status-list/0"
        clock.ahead += STEP_SECONDS
        node.revoke(f"{IMT}.1", reason=SUSPENDED)
        clock.ahead += STEP_SECONDS
        node.revoke(f"{IMT}.1", reason="superseded")
        clock.ahead += 2 * status_list.LIFE_SECONDS
        place = node.ask("GET", f"/tokens?uri={IMT}.1").json()["revocation"]["status_list"]
        changes = [entry_of(node, "revocation", f"{IMT}.1", nth=nth) for nth in (0, 1)]
        for (index, at), states in zip(changes, ((0, 2), (2, 1)), strict=True):
            for moment, size, state in ((at - 1, index, states[0]), (at, index + 1, states[1])):
                by_time = node.ask("GET", f"{path}?time={moment}")
                assert by_time.headers["content-type"] == status_list.MEDIA_TYPE
                text = times.to_text(moment)
                assert node.ask("GET", f"{path}?at={text}").body == by_time.body
                found = status_list.verify(by_time.body.decode(), node.keys(), at=moment)
                assert status_list.status_at(found.packed, place["idx"]) == state
                assert (found.claims.iat, found.claims.madeLater) == (moment, True)
                assert found.claims.treeSize == size
                assert found.claims.sub == place["uri"]
                sized = status_list.claims_of(node.ask("GET", f"{path}?at={size}").body.decode())
                assert sized.status_list == found.claims.status_list
                assert sized.revEpoch == found.claims.revEpoch
        present = status_list.claims_of(node.ask("GET", path).body.decode())
        assert not present.madeLater
        for query in (
            f"time={clock.now() + 600}",
            "time=0",
            "at=2020-01-01T00:00:00Z",
            "at=1",
        ):
            node.ask("GET", f"{path}?{query}").problem(404, "RTGF_NOT_FOUND")
        node.ask("GET", f"{path}?time=1&at=1").problem(400, "RTGF_BAD_REQUEST")
        node.ask("GET", f"/revocations/status-list/1?at={newest_size(node)}").problem(
            404, "RTGF_NOT_FOUND"
        )

    lived(body)


def test_proofs_under_an_earlier_head(lived):
    def body(node: TestNode, clock: StillClock) -> None:
        first = node.ask("GET", "/roots/latest").json()
        clock.ahead += STEP_SECONDS
        at = clock.now()
        clock.ahead += STEP_SECONDS
        node.revoke(f"{RMT}.1")
        second = node.ask("GET", "/roots/latest").json()
        old, new = first["tree_size"], second["tree_size"]
        assert new > old + 1
        early, late = (event(node, index)["event_id"] for index in (3, old))
        for moment in (old, times.to_text(at)):
            bundle = node.ask("GET", f"/proofs/{early}?at={moment}").json()
            assert (bundle["treeSize"], bundle["merkleRoot"]) == (old, first["root_hash"])
            assert bundle["signatures"] == first["signatures"]
            node.ask("GET", f"/proofs/{late}?at={moment}").problem(404, "RTGF_TXP_PROOF_NOT_FOUND")
            assert node.ask("GET", f"/roots/latest?at={moment}").json() == first
        assert node.ask("GET", f"/proofs/{late}?at={new}").json()["treeSize"] == new
        text = node.ask("GET", f"/proofs/{early}?at={old}&format=tlog-proof").body.decode()
        assert text.endswith(first["checkpoint"])
        for size in (old + 1, new - 1):
            refused = node.ask("GET", f"/proofs/{early}?at={size}")
            problem = refused.problem(404, "RTGF_TXP_PROOF_NOT_FOUND")
            assert f"{old} and {new}" in problem["detail"]
            assert problem["errors"][0]["pointer"] == "?at"
            assert node.ask("GET", f"/roots/latest?at={size}").json() == first
        settled = node.ask("GET", f"/proofs/{early}?at={old}").headers["cache-control"]
        assert "immutable" in settled
        # The newest head is signed anew now and then, for the same tree.
        for path in (f"/proofs/{early}?at={new}", f"/roots/latest?at={new}"):
            assert "immutable" not in node.ask("GET", path).headers["cache-control"]

    lived(body)


def test_keys_as_they_were_published_then(template, tmp_path):
    """A key that is revoked now was good then; what it signed and the log held is valid of then."""
    node = template.copy(tmp_path / "node", settings=QUIET)
    clock = StillClock()
    stations: list[Station] = []

    def before() -> None:
        stations.append(station(node, clock))

    def after() -> None:
        index, at = entry_of(node, "jwks_publish", "did:web:fma.example", nth=1)
        clock.ahead += STEP_SECONDS
        assert node.verify(None).reason == "RTGF_KID_EXPIRED"
        (then,) = stations
        for moment in (times.to_text(then.at), then.size, times.to_text(at - 1), index):
            for path, reply in zip(READS, then.reads, strict=True):
                if path != "/roots/latest" and "revocations" not in path:
                    assert same(reply, node.ask("GET", pinned(path, moment))), (path, moment)
            assert node.ask("POST", f"/verify?at={moment}", question(RMT, None)).json()["valid"]
        for moment in (times.to_text(at), index + 1):
            keys = KeySet.from_jwks(node.ask("GET", pinned("/jwks.json", moment)).json())
            assert any(key.revoked_at is not None for key in keys)
            answer = node.ask("POST", f"/verify?at={moment}", question(RMT, None)).json()
            assert answer["reason"] == "RTGF_KID_EXPIRED"

    serve_inside(node, before, clock=clock)
    revoke_token_key(node, at=clock.now())
    serve_inside(node, after, clock=clock)


def revoke_token_key(node: TestNode, *, at: int) -> None:
    """What the holder of the root key does with a stolen key: say so in both statements."""
    folder = node.folder / "root"
    root = FileKeyProvider.open(folder, (folder / "passphrase").read_bytes().strip())
    held = key_files.load(config.load(node.toml, environ={}).keys, at=at)
    (stolen,) = [key.kid for key in held.keys if key.purpose == "token"]
    request = key_change.prepare(
        node.key_store(), held, issuer="did:web:fma.example", at=at, revoke=stolen
    )
    signed = key_change.sign(request, root.signer("root"))
    (node.folder / "keys" / key_files.KEY_SET).write_bytes(signed)
