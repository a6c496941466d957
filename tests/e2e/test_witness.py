"""Real nodes that cosign each other's logs, and what they do when one of them lies."""

from __future__ import annotations

import hashlib
import json
import re
import time

import pytest

from rtgf_node.core import add_checkpoint, checkpoint, cosignature, merkle, tree_head
from rtgf_node.core.add_checkpoint import AddCheckpoint
from rtgf_node.core.cosignature import witness_key
from tests.nodes import Reply, TestNode
from tests.processes import until

TESSERA = "example.com/log/testdata"


def open_to_neighbours(node: TestNode) -> None:
    text = node.toml.read_text()
    reachable = 'allowed_hosts = ["localhost"]\nallow_private_addresses = true'
    node.toml.write_text(text.replace("allowed_hosts = []", reachable))


def configure(node: TestNode, settings: str, *, log: str = "") -> None:
    text = node.toml.read_text()
    node.toml.write_text(text.replace("[log]\n", f"[log]\n{log}\n") + settings)


def log_key(node: TestNode) -> str:
    origin = origin_of(node)
    return checkpoint.verifier_key(origin, node.key_store().signer("log").public)


def origin_of(node: TestNode) -> str:
    text = node.toml.read_text()
    return text.partition('\norigin = "')[2].partition('"')[0]


def cosigner_key(node: TestNode) -> str:
    name = f"localhost:{node.port}/witness"
    return cosignature.verifier_key(name, node.key_store().signer("witness").public)


def witnessed_by(node: TestNode, *witnesses: TestNode) -> str:
    return "".join(
        f'\n[[witness]]\nname = "w{number}"\nurl = "{one.url}"\n'
        f'verifier_key = "{cosigner_key(one)}"\nca_file = "{one.folder}/pki/ca.pem"\n'
        for number, one in enumerate(witnesses)
    )


def witness_of(*logs: tuple[str, str], name: str = "") -> str:
    own = f'name = "{name}"\n' if name else ""
    tables = "".join(
        f'\n[[witnessed_log]]\norigin = "{origin}"\nverifier_keys = ["{key}"]\n'
        for origin, key in logs
    )
    return f"\n[witnessing]\nenabled = true\n{own}{tables}"


def add(node: TestNode, body: bytes) -> Reply:
    return node.ask("POST", "/add-checkpoint", body, headers={"Content-Type": "text/plain"})


def shown(node: TestNode) -> bytes:
    return node.ask("GET", "/checkpoint").body


def check_of(node: TestNode, name: str) -> dict[str, object]:
    checks = node.ask("GET", "/readyz").json()["checks"]
    return next((check for check in checks if check["name"] == name), {})


@pytest.fixture
def pair(make_node) -> tuple[TestNode, TestNode]:
    """Two nodes that are each other's only witness; not running yet."""
    nodes = [make_node(name, running=False) for name in ("left", "right")]
    for node, origin in zip(nodes, ("left.example/log", "right.example/log"), strict=True):
        text = node.toml.read_text().replace("fma.example/log", origin)
        node.toml.write_text(text)
        open_to_neighbours(node)
    for node, other in (nodes, nodes[::-1]):
        configure(node, witness_of((origin_of(other), log_key(other))) + witnessed_by(node, other))
    return nodes[0], nodes[1]


class TestAsAWitness:
    """RTGF as a C2SP tlog-witness for other logs."""

    def test_the_published_requests_are_answered_as_published(self, make_node, shared):
        path = shared / "vectors" / "transcribed" / "witness-add-checkpoint.json"
        vectors = json.loads(path.read_text())
        key = checkpoint.verifier_key(
            vectors["origin"], bytes.fromhex(vectors["log_public_key_hex"])
        )
        node = make_node(running=False)
        sumdb = vectors["sumdb"]
        configure(
            node,
            witness_of(
                (vectors["origin"], key),
                (sumdb["origin"], sumdb["vkey"]),
                name="example.com/witness",
            ),
        )
        public = node.key_store().signer("witness").public
        ours = witness_key(cosignature.verifier_key("example.com/witness", public))
        with node.running():
            for step in vectors["steps_in_order"]:
                reply = add(node, step["body"].encode())
                text = reply.body.decode()
                assert reply.status == step.get("spec_status", step["status"]), text
                what, _, wanted = step["assert"].partition(" ")
                quoted = json.loads(step["assert"][step["assert"].index('"') :])
                assert what == "body"
                assert text == quoted if wanted.startswith("==") else quoted in text
                kind = reply.headers["content-type"].partition(";")[0]
                if reply.status == 409:
                    assert kind == add_checkpoint.SIZE_TYPE
                if reply.status == 200:
                    note = add_checkpoint.parse(step["body"].encode()).note
                    signed = cosignature.attach(note.decode(), [text]).encode()
                    (found,) = cosignature.verify(signed, [ours])
                    assert abs(found.at - time.time()) < 60
            assert add(node, sumdb["body"].encode()).status == 200
            # What was cosigned is shown to monitors, under the hash of the origin.
            digest = hashlib.sha256(sumdb["origin"].encode()).hexdigest()
            held = node.ask("GET", f"/witnessed/{digest}/checkpoint")
            assert len(cosignature.verify(held.body, [ours])) == 1
            assert checkpoint.open_note(held.body, [sumdb["vkey"]]).size == 35225469

    def test_it_follows_a_published_log_and_never_goes_back_not_even_after_a_restart(
        self, make_node, shared
    ):
        folder = shared / "vectors" / "tessera-testlog" / "log"
        key = f"{TESSERA}+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
        notes = {size: (folder / f"checkpoint.{size}").read_bytes() for size in range(1, 16)}
        hashes = (folder / "tile/0/000.p/15").read_bytes()
        leaves = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
        node = make_node(running=False)
        configure(node, witness_of((TESSERA, key)))

        def ask(old: int, new: int) -> Reply:
            proof = tuple(merkle.consistency_proof(leaves[:new], old)) if old else ()
            return add(node, AddCheckpoint(old, proof, notes[new]).to_bytes())

        with node.running():
            for old, new in ((0, 3), (3, 3), (3, 7)):
                assert ask(old, new).status == 200
            assert (ask(3, 15).status, ask(3, 15).body) == (409, b"7\n")
        with node.running():
            assert (ask(0, 3).status, ask(0, 3).body) == (409, b"7\n")
            assert add(node, AddCheckpoint(7, (), notes[3]).to_bytes()).status == 400
            assert ask(7, 15).status == 200
            assert ask(0, 1).body == b"15\n"

    def test_a_node_that_is_no_witness_says_so(self, published):
        add(published, b"old 0\n\n").problem(404, "RTGF_NOT_FOUND")

    def test_a_body_that_is_no_request_is_refused(self, make_node):
        node = make_node(running=False)
        configure(node, witness_of())
        with node.running():
            for body in (b"", b"old x\n\n", b"old 0\n\nno note", b"\xff" * 100):
                add(node, body).problem(400, "RTGF_BAD_REQUEST")


class TestCosignedHeads:
    def test_two_nodes_cosign_each_other(self, pair):
        left, right = pair
        with left.running(), right.running():
            for node, other in (pair, pair[::-1]):
                key = witness_key(cosigner_key(other))
                until(lambda n=node, k=key: cosignature.verify(shown(n), [k]))
                head = tree_head.from_document(node.ask("GET", "/roots/latest").json())
                assert cosignature.verify(head.checkpoint.encode(), [key])
                tree_head.verify(head, node.keys(), at=int(time.time()))
                event = node.ask("GET", "/transparency?limit=1").json()["entries"][0]["event"]
                bundle = node.ask("GET", f"/proofs/{event['event_id']}").json()
                assert cosignature.verify(bundle["checkpoint"].encode(), [key])
                assert check_of(node, "witnesses")["ok"]
            size = checkpoint.open_note(shown(left), [log_key(left)]).size
            left.fetch()
            key = witness_key(cosigner_key(right))
            until(
                lambda: (
                    checkpoint.open_note(shown(left), [log_key(left)]).size > size
                    and cosignature.verify(shown(left), [key])
                )
            )
            about = right.ask("GET", "/.well-known/rtgf").json()["witness"]
            assert about == {"key": cosigner_key(right), "submission_prefix": right.url}
        with left.running():
            # The witness is gone; what it signed is still here.
            assert cosignature.verify(shown(left), [key])
            audit = left.cli("audit", "--json")
            assert audit.returncode == 0, audit.stdout


class TestFailing:
    def test_closed_shows_nothing_until_enough_have_cosigned_and_then_the_newest_that_has(
        self, pair
    ):
        left, right = pair
        configure(left, "", log='witness_mode = "closed"')
        with left.running():
            # Its witness is down; commits do not wait for it.
            assert all(item.outcome == "accepted" for item in left.fetch())
            left.ask("GET", "/checkpoint").problem(503, "RTGF_UNAVAILABLE")
            left.ask("GET", "/roots/latest").problem(503, "RTGF_UNAVAILABLE")
            until(lambda: not check_of(left, "witnesses")["ok"])
            with right.running():
                until(lambda: left.ask("GET", "/checkpoint").status == 200)
                agreed = shown(left)
                key = witness_key(cosigner_key(right))
                assert cosignature.verify(agreed, [key])
            assert left.compile().state == "published"
            assert shown(left) == agreed
        with left.running():
            assert shown(left) == agreed

    def test_open_shows_the_newest_head_whoever_is_down(self, pair):
        left, _ = pair
        with left.running():
            before = checkpoint.open_note(shown(left), [log_key(left)])
            left.fetch()
            key = log_key(left)
            until(lambda: checkpoint.open_note(shown(left), [key]).size > before.size)
            until(lambda: "w0" in str(check_of(left, "witnesses").get("detail")))
            assert left.ask("GET", "/readyz").json()["state"] == "degraded"

    def test_nobody_is_a_witness_of_himself(self, make_node):
        node = make_node(running=False)
        open_to_neighbours(node)
        configure(node, witnessed_by(node, node))
        refused = node.cli("serve")
        assert refused.returncode == 78
        assert "nobody is a witness of himself" in refused.stderr

    def test_a_folder_without_a_witness_key_cannot_be_a_witness(self, make_node):
        node = make_node(running=False)
        configure(node, witness_of())
        for path in (node.folder / "keys").glob("witness-*.key"):
            path.unlink()
        refused = node.cli("serve")
        assert refused.returncode == 78
        assert "no witness key" in refused.stderr


def peer_of(peer: TestNode, *, halt: bool = True) -> str:
    return (
        f'\n[[peer_log]]\nname = "peer"\nurl = "{peer.url}"\nverifier_key = "{log_key(peer)}"\n'
        f'ca_file = "{peer.folder}/pki/ca.pem"\nhalt = {str(halt).lower()}\n'
    )


class TestGossip:
    @pytest.fixture
    def forked(self, make_node) -> tuple[TestNode, TestNode]:
        """A node and a copy of it that signed another event; the first watches the second."""
        node = make_node(running=False)
        with node.running():
            pass
        twin = node.copy(node.folder.parent / "twin")
        with node.running():
            node.fetch()
        with twin.running():
            twin.fetch("un-sc")
        open_to_neighbours(node)
        configure(node, peer_of(twin), log="gossip_every_seconds = 0.2")
        return node, twin

    def test_a_second_history_of_our_log_is_found_and_stops_the_signing(self, forked):
        node, twin = forked
        with twin.running(), node.running():
            until(lambda: not check_of(node, "intake")["ok"])
            assert "our log has forked" in check_of(node, "intake")["detail"]
            assert "our log has forked" in check_of(node, "forks")["detail"]
            until(lambda: check_of(node, "peer_log:peer")["ok"] is False)
            head = shown(node)
            refused = node.ask("POST", "/admin/fetch/un-sc", {}, role="operator")
            refused.problem(503, "RTGF_UNAVAILABLE")
        with node.running():
            # A restart does not make it true.
            assert not check_of(node, "intake")["ok"]
            assert shown(node) == head
            reason = "the copy was started by mistake"
            resumed = node.ask("POST", "/admin/log/resume", {"reason": reason}, role="approver")
            assert resumed.json() == {"resumed": True}
            until(lambda: shown(node) != head)
            events = [
                entry["event"] for entry in node.ask("GET", "/transparency").json()["entries"]
            ]
            incidents = [event for event in events if event["type"] == "incident"]
            assert [event["subject"] for event in incidents] == [
                "RTGF_TXP_GOSSIP_INCONSISTENT",
                "findings_settled",
            ]
            assert reason in incidents[1]["payload"]["detail"]
        evidence = json.loads(object_of(node, incidents[0]["digest"]))
        heads = [checkpoint.open_note(note.encode(), [log_key(node)]) for note in evidence["heads"]]
        small, large = heads
        assert small.size < large.size
        # The larger tree begins with something else than the smaller head says.
        assert evidence["proved_root"] != small.root.hex()
        merkle.verify_consistency(
            old_size=small.size,
            new_size=large.size,
            old_root=bytes.fromhex(evidence["proved_root"]),
            new_root=large.root,
            proof=[bytes.fromhex(text) for text in evidence["proof"]],
        )
        with twin.running(), node.running():
            # What was settled is not found anew.
            until(lambda: "has forked" in str(check_of(node, "peer_log:peer").get("detail")))
            assert check_of(node, "intake")["ok"]

    def test_a_signed_head_that_is_larger_than_the_store_stops_the_signing(self, forked):
        twin, node = forked
        open_to_neighbours(node)
        configure(node, peer_of(twin), log="gossip_every_seconds = 0.2")
        with twin.running(), node.running():
            until(lambda: not check_of(node, "intake")["ok"])
            assert "old copy" in check_of(node, "intake")["detail"]
            assert node.ask("GET", "/readyz").json()["state"] == "degraded"

    def test_an_honest_peer_is_followed_as_it_grows(self, pair):
        left, right = pair
        configure(left, peer_of(right), log="gossip_every_seconds = 0.2")
        with left.running(), right.running():
            right.fetch()
            size = checkpoint.open_note(shown(right), [log_key(right)]).size
            until(lambda: seen_entries(left) >= size)
            until(lambda: left.ask("GET", "/readyz").json()["state"] == "ready")


def seen_entries(node: TestNode) -> int:
    """Return the size of the peer's newest head, 0 before the first and in a failure."""
    return int(
        next(iter(re.findall(r"has (\d+) entries", str(check_of(node, "peer_log:peer")))), 0)
    )


def object_of(node: TestNode, digest: str) -> bytes:
    name = digest.removeprefix("sha256:")
    return (node.folder / "data" / "objects" / name[:2] / name[2:]).read_bytes()
