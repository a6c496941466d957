"""A node is copied while it works, and comes back elsewhere: whole, checked, and not in secret."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from rtgf_node.core import merkle
from rtgf_node.core.proof_bundle import hash_of
from tests.nodes import CONTEXTS, PATIENCE_SECONDS, TestNode, context
from tests.processes import until

CORRIDOR = "IMT:EU-SG:data_protection:2026-10"
TOKEN = "RMT:SG:data_protection:2026-10"


def rtgf(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `rtgf` where no node is."""
    return subprocess.run(
        [sys.executable, "-m", "rtgf_node", *map(str, arguments)],
        cwd=CONTEXTS.parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_SECONDS,
    )


@contextmanager
def under_load(node: TestNode) -> Iterator[list[int]]:
    """Withdraw and reinstate tokens, and ask questions, until the block ends; yield the answers."""
    answered: list[int] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for act in ("revoke", "reinstate"):
                reply = node.revoke(CORRIDOR, act=act, reason="corridor_suspended")
                answered.append(reply.status)
            question = {
                "tokens": {"rmt": "RMT:SG:payments_aml:2026-10"},
                "context": context("payment-eu-sg"),
            }
            answered.append(node.ask("POST", "/verify", question).status)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield answered
    finally:
        stop.set()
        worker.join()


def head_of(node: TestNode) -> Any:
    return node.ask("GET", "/roots/latest").json()


def at(node: TestNode, folder: Path) -> TestNode:
    """Return the node as it is in another folder, on the same ports and with the same clients."""
    twin = TestNode.__new__(TestNode)
    twin.__dict__.update(node.__dict__)
    twin.folder = folder
    for name in ("approver", "operator", "partner"):
        for suffix in ("pem", "key"):
            source = node.folder / "pki" / f"{name}.{suffix}"
            shutil.copy(source, folder / "pki" / source.name)
    return twin


@pytest.fixture(scope="module")
def saved(template: TestNode, tmp_path_factory: pytest.TempPathFactory) -> tuple[TestNode, Path]:
    """A node that was copied under load, twice, and then stopped; and where the copies are."""
    folder = tmp_path_factory.mktemp("saved")
    node = template.copy(folder / "node")
    with node.running(), under_load(node) as answered:
        until(lambda: len(answered) > 3)
        before = len(answered)
        made = node.cli("backup", folder / "whole.tar", "--with-keys", "--json")
        assert made.returncode == 0, made.stderr
        (folder / "said.json").write_text(made.stdout)
        during = len(answered)
        plain = node.cli("backup", folder / "plain")
        assert plain.returncode == 0, plain.stderr
    assert during > before
    assert set(answered) == {200}
    return node, folder


def test_a_backup_says_which_head_it_is_of(saved):
    _, folder = saved
    said = json.loads((folder / "said.json").read_text())
    assert said["head"]["tree_size"] <= said["tree_size"]
    assert said["head"]["origin"] == said["origin"] == "fma.example/log"
    assert (said["keys"], said["member"], said["elsewhere"]) == (True, None, [])


def test_nobody_else_may_read_it_and_keys_are_in_it_only_when_asked_for(saved):
    _, folder = saved
    assert (folder / "whole.tar").stat().st_mode & 0o777 == 0o600
    assert (folder / "plain").stat().st_mode & 0o777 == 0o700
    with tarfile.open(folder / "whole.tar") as tar:
        whole = set(tar.getnames())
    plain = {str(path.relative_to(folder / "plain")) for path in (folder / "plain").rglob("*")}
    secret = {name for name in whole - plain if not name.startswith("data/")}
    assert {"keys/passphrase", "pki/node.key"} <= secret
    assert all(name.endswith((".key", "passphrase")) for name in secret)
    assert not any(name.endswith((".key", "passphrase")) for name in plain)
    for name in ("rtgf.toml", "keys/key_manifest.json", "pki/node.pem", "data/node.db"):
        assert name in plain
    assert not any(name.startswith(("root", "guard", "data/lock")) for name in whole | plain)


def test_what_is_restored_is_audited_and_signs_when_an_approver_says_so(saved, tmp_path):
    """The head that was signed at the time of the copy is part of the log that goes on."""
    node, folder = saved
    done = rtgf("restore", folder / "whole.tar", tmp_path / "back", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    back = at(node, tmp_path / "back")
    with back.running():
        assert head_of(back)["tree_size"] == said["head"]["tree_size"]
        assert back.ask("GET", "/readyz").status == 503
        back.revoke(TOKEN).problem(503, "RTGF_UNAVAILABLE")
        resumed = back.cli("log", "resume", "--reason", "restored")
        assert resumed.returncode == 0, resumed.stderr
        assert back.revoke(TOKEN).status == 200
        audited = back.cli("audit")
        assert audited.returncode == 0, audited.stdout + audited.stderr
        old, new = said["head"], head_of(back)
        assert new["tree_size"] > old["tree_size"]
        with back.client() as client:
            proof = client.consistency(old["tree_size"], new["tree_size"]).proof
        merkle.verify_consistency(
            old_size=old["tree_size"],
            new_size=new["tree_size"],
            old_root=hash_of(old["root_hash"]),
            new_root=hash_of(new["root_hash"]),
            proof=[hash_of(text) for text in proof],
        )
        checked = back.cli("decisions", "--check")
        assert checked.returncode == 0, checked.stderr


def test_with_its_guard_a_copy_knows_that_it_is_old(saved, tmp_path):
    node, folder = saved
    assert rtgf("restore", folder / "whole.tar", tmp_path / "back").returncode == 0
    shutil.copytree(node.folder / "guard", tmp_path / "back" / "guard")
    back = at(node, tmp_path / "back")
    with back.running(), back.client("operator") as operator:
        assert any("old copy" in check.detail for check in operator.ready().checks)


def test_with_its_guard_a_copy_that_is_not_old_goes_on(saved, tmp_path):
    """A stopped node is copied too."""
    node, _ = saved
    assert node.cli("backup", tmp_path / "now.tar", "--with-keys").returncode == 0
    assert rtgf("restore", tmp_path / "now.tar", tmp_path / "back").returncode == 0
    shutil.copytree(node.folder / "guard", tmp_path / "back" / "guard")
    back = at(node, tmp_path / "back")
    with back.running():
        assert back.revoke(TOKEN).status == 200
        assert back.cli("audit").returncode == 0


def test_a_copy_under_another_root_is_refused(saved, tmp_path):
    _, folder = saved
    done = rtgf("restore", folder / "plain", tmp_path / "back", "--root-key", "A" * 43)
    assert done.returncode == 10
    assert "RTGF_JWKS_SIGNATURE_INVALID" in done.stderr
    assert not (tmp_path / "back").exists()


def test_nothing_is_overwritten(saved, tmp_path):
    node, folder = saved
    assert node.cli("backup", folder / "whole.tar").returncode == 73
    (tmp_path / "mine").touch()
    assert rtgf("restore", folder / "whole.tar", tmp_path).returncode == 73


def test_what_is_cut_or_altered_is_refused_with_its_place(saved, tmp_path):
    _, folder = saved
    whole = (folder / "whole.tar").read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[: len(whole) // 2])
    altered = tmp_path / "altered.tar"
    place = whole.index(b"SQLite format 3")
    altered.write_bytes(
        whole[: place + 5000] + bytes([whole[place + 5000] ^ 1]) + whole[place + 5001 :]
    )
    shutil.copytree(folder / "plain", tmp_path / "less")
    gone = next((tmp_path / "less" / "data" / "objects").glob("*/*"))
    gone.unlink()
    other = tmp_path / "other.tar"
    other.write_text("not a tar")
    cases = {
        cut: (74, "RTGF_TXP_STORE_DAMAGED", f"cut.tar: byte {len(whole) // 2}"),
        altered: (74, "RTGF_TXP_STORE_DAMAGED", "altered.tar: data/"),
        tmp_path / "less": (74, "RTGF_TXP_STORE_DAMAGED", f"{gone.parent.name}/{gone.name}"),
        other: (65, "RTGF_INPUT_INVALID", "no backup"),
        tmp_path / "nothing": (66, "RTGF_NOT_FOUND", "nothing"),
    }
    for backup, (exit_code, code, where) in cases.items():
        done = rtgf("restore", backup, tmp_path / "back")
        assert (done.returncode, code in done.stderr) == (exit_code, True), done.stderr
        assert where in done.stderr
        assert not (tmp_path / "back").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_killed_backup_leaves_nothing_under_the_name_and_the_next_one_tidies(saved, tmp_path):
    node, _ = saved
    wanted, draft = tmp_path / "x.tar", tmp_path / ".x.tar.new"
    command = [sys.executable, "-m", "rtgf_node", "backup", str(wanted)]
    for part in ("lock", "copied/node.db", "whole"):
        with subprocess.Popen(
            command, cwd=node.folder, env={"PYTHONPATH": str(CONTEXTS.parents[2])}
        ) as process:
            until((draft / part).exists)
            process.send_signal(signal.SIGKILL)
        assert not wanted.exists(), part
        assert rtgf("restore", wanted, tmp_path / "back").returncode == 66
    assert draft.exists()
    assert node.cli("backup", wanted).returncode == 0
    assert rtgf("restore", wanted, tmp_path / "back").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "x.tar"]


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        ("node.db", "UPDATE leaves SET entry = zeroblob(9) WHERE idx = 3"),
        ("decisions.db", "DELETE FROM entries WHERE seq = 2"),
    ],
)
def test_a_damaged_store_is_not_copied(saved, tmp_path, file, statement):
    node, _ = saved
    ill = node.copy(tmp_path / "ill")
    with closing(sqlite3.connect(ill.folder / "data" / file)) as conn, conn:
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            conn.execute(f"DROP TRIGGER {name}")
        assert conn.execute(statement).rowcount == 1
    done = ill.cli("backup", tmp_path / "x.tar")
    assert done.returncode == 74
    assert f"RTGF_TXP_STORE_DAMAGED at {file}" in done.stderr
    assert not (tmp_path / "x.tar").exists()


def test_an_object_that_the_store_rests_on_is_missed(saved, tmp_path):
    node, _ = saved
    ill = node.copy(tmp_path / "ill")
    for path in (ill.folder / "data" / "objects").glob("*/*"):
        path.unlink()
    done = ill.cli("backup", tmp_path / "x.tar")
    assert done.returncode == 74
    assert "at data/objects/" in done.stderr
    assert not (tmp_path / "x.tar").exists()


def test_what_lies_outside_the_folder_is_named_and_a_store_there_is_copied(saved, tmp_path):
    node, _ = saved
    apart = node.copy(tmp_path / "node")
    (apart.folder / "data").rename(tmp_path / "store")
    shutil.copy(apart.folder / "pki" / "ca.pem", tmp_path / "ca.pem")
    text = apart.toml.read_text()
    text = text.replace("[node]", f'[node]\ndata_dir = "{tmp_path}/store"')
    text = text.replace('data_dir = "data"\n', "")
    apart.toml.write_text(
        text.replace('client_ca_file = "pki/ca.pem"', 'client_ca_file = "../ca.pem"')
    )
    made = apart.cli("backup", tmp_path / "x.tar", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["elsewhere"] == ["tls.client_ca_file"]
    done = rtgf("restore", tmp_path / "x.tar", tmp_path / "back")
    assert f"{tmp_path}/back/data, not {tmp_path}/store" in done.stdout
    assert "what tls.client_ca_file names" in done.stdout
    assert (tmp_path / "back" / "data" / "node.db").exists()
