"""Every answer is evidence: recorded before it is given, provable afterwards, never without."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rtgf_node import wire
from rtgf_node.core import checkpoint, decision, digests
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import KeySet, SeedSigner
from rtgf_node.errors import RtgfError
from rtgf_node.wire.decisions import DecisionRestartRequest
from tests.nodes import ORIGIN, RATES, TestNode, context
from tests.processes import until

RMT = "RMT:SG:payments_aml:2026-10.1"
IMT = "IMT:EU-SG:payments_aml:2026-10.1"
ASKED = {"tokens": {"rmt": RMT, "imt": IMT}}


def settings(mode: str, *, root: float = 0.2, flush: float = 0.1, most: int = 1000) -> str:
    return (
        f'{RATES}\n[decisions]\nmode = "{mode}"\nroot_every_seconds = {root}\n'
        f"flush_every_seconds = {flush}\nbatch_max = {most}\n"
    )


def entry_of(node: TestNode, request_id: str):
    def look():
        with node.client("auditor") as auditor:
            return auditor.decisions(request_id=request_id).entries

    (entry,) = until(look)
    return entry


def proof_of(node: TestNode, seq: int):
    def look():
        with node.client("auditor") as auditor:
            logged_to = auditor.decisions(limit=1).logged_to
            return auditor.decision_proof(seq) if seq <= logged_to else None

    return until(look)


def ask(node: TestNode, request_id: str, body=ASKED, *, path: str = "/verify", **options):
    headers = {"X-Request-ID": request_id} | options.pop("headers", {})
    return node.ask("POST", path, body, headers=headers, **options)


def sent(body) -> str:
    return digests.sha256(body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.fixture(scope="module", params=["durable", "batched"])
def node(template, tmp_path_factory, request):
    made = template.copy(
        tmp_path_factory.mktemp(request.param) / "node", settings=settings(request.param)
    )
    with made.running():
        yield made


def test_an_answer_of_verify_becomes_an_entry(node):
    body = {**ASKED, "context": context("payment-eu-sg")}
    reply = ask(node, "v-1", body, role="partner")
    answer = reply.json()
    entry = entry_of(node, "v-1")
    assert (entry.route, entry.client) == ("/verify", "urn:rtgf:partner:first")
    assert (entry.request_digest, entry.answer_digest) == (sent(body), digests.sha256(reply.body))
    assert entry.tokens == [RMT, IMT]
    assert (entry.valid, entry.reason, entry.decision) == (True, None, answer["decision"])
    assert (entry.revEpoch, entry.trace_digest) == (answer["revEpoch"], answer["trace_digest"])


def test_a_verdict_that_something_is_not_valid_is_recorded_as_one(node):
    ask(node, "v-2", {"tokens": {"rmt": RMT}, "corridor": "EU-JP"})
    entry = entry_of(node, "v-2")
    assert (entry.valid, entry.reason) == (False, "RTGF_VERIFY_CORRIDOR_MISMATCH")
    assert (entry.client, entry.tokens) == (None, [RMT])


def test_an_evaluation_is_recorded_with_its_token(node):
    body = {
        "token": f"urn:rtgf:token:{IMT.removesuffix('.1')}",
        "context": context("payment-eu-sg"),
    }
    reply = ask(node, "e-1", body, path="/evaluate")
    entry = entry_of(node, "e-1")
    assert (entry.route, entry.tokens, entry.valid) == ("/evaluate", [IMT], None)
    assert entry.decision == reply.json()["decision"]
    assert entry.trace_digest == reply.json()["trace_digest"]
    assert entry.answer_digest == digests.sha256(reply.body)


@pytest.mark.parametrize(
    ("name", "path", "body", "status", "code"),
    [
        ("p-400", "/verify", {"tokens": {}}, 400, "RTGF_VERIFY_MISSING_TOKEN"),
        ("p-schema", "/verify", {"tokens": {"rmt": RMT}, "x": 1}, 400, None),
        ("p-json", "/verify", b"{", 400, None),
        ("p-404", "/verify", {"tokens": {"rmt": "RMT:SG:payments_aml:1999-01"}}, 404, None),
        ("p-422", "/verify", {"tokens": {"rmt": IMT}}, 422, "RTGF_TOKEN_TYPE_UNSUPPORTED"),
        ("p-query", "/verify?x=1", ASKED, 400, "RTGF_BAD_REQUEST"),
        ("p-evaluate", "/evaluate", {"token": "x", "context": {}}, 400, None),
        ("p-large", "/verify", b"[" + b" " * (1 << 20) + b"]", 413, "RTGF_BODY_TOO_LARGE"),
    ],
)
def test_a_problem_is_recorded_with_its_code_and_no_tokens(node, name, path, body, status, code):
    reply = ask(node, name, body, path=path)
    assert reply.status == status
    entry = entry_of(node, name)
    assert entry.reason == reply.json()["code"]
    assert code in {None, entry.reason}
    assert (entry.tokens, entry.valid, entry.decision, entry.revEpoch) == ([], None, None, None)
    assert entry.answer_digest == digests.sha256(reply.body)
    assert entry.request_digest == (sent(body) if name != "p-large" else None)


def test_another_media_type_is_recorded_too(node):
    reply = ask(node, "p-415", b"x", headers={"Content-Type": "text/plain"})
    assert reply.status == 415
    assert entry_of(node, "p-415").reason == "RTGF_MEDIA_TYPE"


def test_no_personal_data_is_in_what_is_kept(node):
    """Names, accounts and addresses of a payment are in no entry and in no event."""
    payment = context("payment-eu-sg")
    payment["originator"]["name"] = "Canary Featherstone"
    payment["originator"]["account"] = "CANARY0003141592"
    ask(node, "v-canary", {**ASKED, "context": payment}, role="partner")
    ask(node, "e-canary", {"token": IMT, "context": payment}, path="/evaluate?explain=text")
    entry_of(node, "e-canary")
    for part in (node.folder / "data").rglob("*"):
        if part.is_file():
            data = part.read_bytes().lower()
            assert b"canary featherstone" not in data, part
            assert b"canary0003141592" not in data, part


def test_a_decision_is_proved_with_nothing_but_the_logs_key(node):
    """The whole way by the core alone: entry, interval, event, tree, signed checkpoint."""
    replies = {f"q-{number}": ask(node, f"q-{number}") for number in range(5)}
    keys = KeySet.from_jwks(node.ask("GET", "/jwks.json").json())
    verifiers = [checkpoint.verifier_key(ORIGIN, key.public) for key in keys if key.use == "log"]
    for request_id, reply in replies.items():
        proof = proof_of(node, entry_of(node, request_id).seq)
        assert proof.entry.answer_digest == digests.sha256(reply.body)
        signed = decision.verify_proof(proof, verifier_keys=verifiers)
        assert signed.origin == ORIGIN
        # The event is the leaf that the log itself shows.
        shown = node.ask("GET", f"/transparency?since={proof.bundle.leafIndex}&limit=1").json()
        assert shown["entries"][0]["event"] == proof.event
        assert proof.event["type"] == "decision_root"
    # The evidence is of these keys only.
    stranger = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))
    other = checkpoint.verifier_key(ORIGIN, stranger.public)
    with pytest.raises(RtgfError):
        decision.verify_proof(proof, verifier_keys=[other])


def test_the_chain_is_whole_page_by_page(node):
    for number in range(7):
        ask(node, f"c-{number}")
    entry_of(node, "c-6")
    with node.client("operator") as operator:
        pages = [operator.decisions(limit=3)]
        while pages[-1].next is not None:
            assert len(pages[-1].entries) == 3
            pages.append(operator.decisions(since=pages[-1].next, limit=3))
    entries = [entry for page in pages for entry in page.entries]
    decision.check_links(entries)
    assert [entry.seq for entry in entries] == list(range(1, pages[-1].newest + 1))
    assert entries[0].prev == decision.GENESIS


def test_the_audit_holds_decisions_against_their_roots(node, tmp_path):
    for number in range(3):
        ask(node, f"h-{number}")
    last = entry_of(node, "h-2").seq
    proof_of(node, last)

    def audited(exit_code: int, *more: str | Path) -> dict:
        done = node.cli("audit", "--json", *more)
        assert done.returncode == exit_code, done.stdout
        return json.loads(done.stdout)

    seen = audited(0)["decisions"]
    assert seen["entries"] >= last
    assert seen["roots"] >= 1
    partner = ("--cert", node.folder / "pki/partner.pem", "--key", node.folder / "pki/partner.key")
    assert audited(0, *partner)["decisions"]["entries"] is None
    copied = tmp_path / "copy"
    copied.mkdir()
    with (
        closing(sqlite3.connect(node.folder / "data/decisions.db")) as source,
        closing(sqlite3.connect(copied / "decisions.db")) as copy,
    ):
        source.backup(copy)
    assert audited(0, *partner, "--decisions", copied)["decisions"]["entries"] >= last
    with closing(sqlite3.connect(copied / "decisions.db")) as copy:
        for (trigger,) in copy.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            copy.execute(f"DROP TRIGGER {trigger}")
        copy.execute("DELETE FROM entries WHERE seq = ?", (last,))
        copy.commit()
    (finding,) = audited(28, "--decisions", copied)["findings"]
    assert finding["check"] == "decisions"


def test_who_may_ask(node):
    for path in ("/admin/decisions", "/admin/decisions/1/proof"):
        node.ask("GET", path).problem(401, "RTGF_UNAUTHENTICATED")
        node.ask("GET", path, role="partner").problem(403, "RTGF_FORBIDDEN")
    ask(node, "w-1", path="/admin/decisions/restart", body={"reason": "x"}).problem(
        401, "RTGF_UNAUTHENTICATED"
    )
    for role in ("operator", "auditor"):
        assert node.ask("GET", "/admin/decisions", role=role).status == 200
        refused = node.ask("POST", "/admin/decisions/restart", {"reason": "x"}, role=role)
        refused.problem(403, "RTGF_FORBIDDEN")
    whole = node.ask("POST", "/admin/decisions/restart", {"reason": "x"}, role="approver")
    whole.problem(409, "RTGF_CONFLICT")


@pytest.mark.parametrize("seq", ["999999", "0", "-1", "x", "²", "9" * 17])
def test_a_number_that_is_not_there_is_not_found(node, seq):
    node.ask(
        "GET", f"/admin/decisions/{seq.encode().hex() if seq == '²' else seq}/proof", role="auditor"
    ).problem(404, "RTGF_NOT_FOUND")


def test_readiness_and_figures_tell_of_it(node):
    ask(node, "m-1")
    with node.client() as client:
        check = next(one for one in client.ready().checks if one.name == "decisions")
    assert (check.ok, "recorded" in check.detail) == (True, True)
    figures = node.metrics()
    assert 'rtgf_decisions_recorded_total{result="ok"}' in figures
    assert "rtgf_decisions_unwritten" in figures


def test_the_command_shows_and_proves(node):
    """`rtgf decisions`: exit code 0 for what holds, 66 for what is not there."""
    ask(node, "cli-1", role="partner")
    seq = entry_of(node, "cli-1").seq
    proof_of(node, seq)
    shown = node.cli("decisions", "--request-id", "cli-1", "--json")
    assert (shown.returncode, json.loads(shown.stdout)["entries"][0]["seq"]) == (0, seq)
    listed = node.cli("decisions", "--since", str(seq - 1))
    assert (listed.returncode, "cli-1" in listed.stdout) == (0, True), listed.stderr
    proved = node.cli("decisions", "--prove", str(seq))
    assert proved.returncode == 0, proved.stderr
    assert "PROVED" in proved.stdout
    checked = node.cli("decisions", "--check", "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["proved_to"] >= seq
    assert node.cli("decisions", "--prove", "999999").returncode == 66
    other = "NBFqk1dioEPYJQJu_k8iA7t5sCxm2Lw1bP8mfu1wvMA"
    assert node.cli("decisions", "--prove", str(seq), "--root-key", other).returncode == 10


def tamper(node: TestNode, statement: str) -> None:
    with closing(sqlite3.connect(node.folder / "data" / "decisions.db")) as conn:
        for (trigger,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            conn.execute(f"DROP TRIGGER {trigger}")
        conn.execute(statement)
        conn.commit()


EDIT = "UPDATE entries SET body = CAST(replace(body, 'true', 'null') AS BLOB) WHERE seq = 2"


def test_a_tampered_end_of_the_chain_stops_the_decisions(make_node):
    node = make_node(published=True, running=False, settings=settings("batched", root=60))
    with node.running():
        for number in range(3):
            assert ask(node, f"t-{number}").status == 200
    tamper(node, EDIT)
    with node.running():
        ask(node, "t-3").problem(503, "RTGF_VERIFY_UNAVAILABLE")
        ready = node.ask("GET", "/readyz")
        assert (ready.status, ready.json()["state"]) == (503, "not_ready")
        assert "decision 2" in str(ready.json()["checks"])
        assert node.ask("GET", "/catalog").status == 200
        with node.client("auditor") as auditor:
            events = [entry.event for entry in auditor.log_page(0).entries]
        incident = next(event for event in events if event["type"] == "incident")
        assert incident["payload"]["what"] == "decision_chain_broken"
        with node.client("approver") as approver:
            approver.restart_decisions(DecisionRestartRequest(reason="edited by hand"))
        assert ask(node, "t-4").status == 200
        assert node.ask("GET", "/readyz").json()["state"] == "ready"
        assert list((node.folder / "data").glob("decisions.db.kept-*"))
    with node.running():
        assert [entry_of(node, "t-4").seq, entry_of(node, "t-4").prev] == [4, decision.GENESIS]
        proof_of(node, 4)
        assert node.cli("decisions", "--check").returncode == 0


def test_an_older_entry_that_was_tampered_with_is_found_by_whoever_checks(make_node):
    node = make_node(published=True, running=False, settings=settings("durable", root=0.1))
    with node.running():
        for number in range(3):
            ask(node, f"t-{number}")
        proof_of(node, 3)
        ask(node, "t-3")
        proof_of(node, 4)
    tamper(node, EDIT)
    with node.running():
        assert ask(node, "t-5").status == 200
        listed = node.cli("decisions")
        assert (listed.returncode, "decision 3" in listed.stderr) == (13, True), listed.stderr
        assert node.cli("decisions", "--check").returncode == 13
        shown = node.ask("GET", "/admin/decisions/2/proof", role="auditor")
        shown.problem(500, "RTGF_TXP_STORE_DAMAGED")


def test_without_the_log_nothing_is_kept(make_node):
    node = make_node(published=True, settings=settings("off"))
    assert ask(node, "o-1").status == 200
    with node.client("auditor") as auditor:
        assert auditor.decisions().entries == []
    assert node.ask("GET", "/readyz").json()["state"] == "ready"


def test_the_mode_can_change_from_start_to_start(make_node):
    node = make_node(published=True, running=False, settings=settings("durable"))
    for mode in ("durable", "off", "batched"):
        plain = node.toml.read_text()
        node.toml.write_text(plain.replace(plain.split('mode = "')[1].split('"')[0], mode))
        with node.running():
            assert ask(node, mode).status == 200
    with node.running():
        with node.client("auditor") as auditor:
            entries = auditor.decisions().entries
        assert [entry.request_id for entry in entries] == ["durable", "batched"]
        assert node.cli("decisions", "--check").returncode == 0


def test_sigterm_keeps_what_was_answered(make_node):
    node = make_node(published=True, running=False, settings=settings("batched", root=60, flush=60))
    with node.running():
        for number in range(20):
            assert ask(node, f"s-{number}").status == 200
    with node.running():
        with node.client("auditor") as auditor:
            page = auditor.decisions()
        assert [entry.request_id for entry in page.entries] == [f"s-{n}" for n in range(20)]
        assert page.logged_to == 20


def kill(node: TestNode) -> None:
    """End the served process at once."""
    pid = int((node.folder / "data" / "lock").read_text())
    os.kill(pid, signal.SIGKILL)


def test_killed_right_after_a_durable_answer_nothing_is_missing(make_node):
    node = make_node(published=True, running=False, settings=settings("durable", root=0.1))
    answered = []
    for round_ in range(4):
        with node.running():
            for number in range(round_ + 1):
                assert ask(node, f"k-{round_}-{number}").status == 200
                answered.append(f"k-{round_}-{number}")
            kill(node)
    with node.running():
        with node.client("auditor") as auditor:
            entries = auditor.decisions().entries
        decision.check_links(entries)
        assert [entry.request_id for entry in entries] == answered


def test_killed_a_batched_node_loses_its_tail_and_nothing_else(make_node):
    node = make_node(
        published=True, running=False, settings=settings("batched", flush=60, root=60, most=8)
    )
    with node.running():
        for number in range(30):
            assert ask(node, f"b-{number}").status == 200
        kill(node)
    with node.running():
        with node.client("auditor") as auditor:
            entries = auditor.decisions().entries
        decision.check_links(entries)
        assert [entry.request_id for entry in entries] == [f"b-{n}" for n in range(len(entries))]
        assert 30 - 8 <= len(entries) <= 30
        assert ask(node, "after").status == 200
        assert node.ask("GET", "/readyz").json()["state"] == "ready"


@contextmanager
def tiny_disk(folder: Path, size: str):
    """Have a file system of this size at `folder`; skip where none may be mounted."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if made.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.decode()}")
    try:
        yield
    finally:
        subprocess.run([umount, "-l", str(folder)], check=True)


@pytest.mark.parametrize("mode", ["durable", "batched"])
def test_a_full_disk_fails_closed_and_recovers(make_node, tmp_path, mode):
    node = make_node(
        published=True, running=False, settings=settings(mode, root=60, flush=0.05, most=16)
    )
    data, disk = node.folder / "data", tmp_path / "disk"
    disk.mkdir()
    # What a file takes is whole pages, and a node that starts writes some megabytes.
    used = sum(part.stat().st_size + 8192 for part in data.rglob("*"))
    with tiny_disk(disk, f"{used // 1024 + 16384}k"):
        shutil.copytree(data, disk, dirs_exist_ok=True)
        shutil.rmtree(data)
        data.symlink_to(disk)
        with node.running():
            assert ask(node, "first").status == 200
            ballast = disk / "ballast"
            with ballast.open("wb", buffering=0) as file:
                while True:
                    try:
                        file.write(bytes(4096))
                    except OSError:
                        break

            answered = ["first"]
            for number in range(3000):
                reply = ask(node, f"f-{number}")
                if reply.status != 200:
                    break
                answered.append(f"f-{number}")
            reply.problem(503, "RTGF_VERIFY_UNAVAILABLE")
            ask(node, "evaluate", {"token": IMT, "context": {}}, path="/evaluate").problem(
                503, "RTGF_VERIFY_UNAVAILABLE"
            )
            assert node.ask("GET", "/readyz").json()["state"] == "not_ready"
            ballast.unlink()
            until(lambda: node.ask("GET", "/readyz").status == 200)
            assert ask(node, "again").status == 200
            entry_of(node, "again")
            with node.client("auditor") as auditor:
                entries = auditor.decisions(limit=1000).entries
            decision.check_links(entries)
            kept = [entry.request_id for entry in entries]
            assert [one for one in kept if one in {*answered, "again"}] == [*answered, "again"]


def test_the_entries_are_canonical_as_they_are_served(node):
    ask(node, "j-1")
    entry_of(node, "j-1")
    page = node.ask("GET", "/admin/decisions?request_id=j-1", role="auditor")
    assert canonical_bytes(page.json()) == page.body
    shown = page.json()["entries"][0]
    proof = proof_of(node, shown["seq"])
    assert digests.of_document(shown) == f"sha256:{decision.entry_hash(proof.entry).hex()}"
    assert wire.ProofBundle is type(proof.bundle)
