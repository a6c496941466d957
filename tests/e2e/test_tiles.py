"""The log as files, over HTTP and as an export, and read by a client that is not ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rtgf_node.core import checkpoint, merkle, tiles
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.store import open_store
from tests import public_log
from tests.nodes import ORIGIN, PATIENCE_SECONDS, TestNode

LEAVES = 1000
"""More than three full tiles."""

LOG_CLIENT = Path(__file__).resolve().parents[1] / "go"
BUILD_SECONDS = 300


@pytest.fixture(scope="module")
def node(template, tmp_path_factory):
    """A running, published node with a thousand leaves; its tests may append."""
    made = template.copy(tmp_path_factory.mktemp("tiles") / "node")
    with open_store(made.folder / "data") as store:
        public_log.grow(store, LEAVES, make=public_log.real_event)
    with made.running():
        wait_signed(made, LEAVES)
        yield made


def wait_signed(node: TestNode, leaves: int) -> int:
    """The size of the first signed head over so many leaves."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (size := int(node.ask("GET", "/checkpoint").body.split(b"\n")[1])) < leaves:
        assert time.monotonic() < deadline, "no head covers what was appended"
        time.sleep(0.02)
    return size


def verifier_key(node: TestNode) -> str:
    (key,) = node.ask("GET", "/.well-known/rtgf").json()["log"]["keys"]
    return key


def append(node: TestNode) -> int:
    """Append something and return the size of a head that covers it."""
    before = wait_signed(node, 0)
    listed = node.ask("GET", "/catalog?limit=1000&type=IMT").json()["tokens"]
    token = next(entry for entry in listed if not entry["revoked"])
    assert node.revoke(token["uri"]).status == 200
    return wait_signed(node, before + 1)


def test_every_tile_and_bundle_gives_the_signed_root(node):
    """RTGF-CT-60: the root of the note, from the files alone."""
    signed = checkpoint.open_note(node.ask("GET", "/checkpoint").body, [verifier_key(node)])
    assert signed.origin == ORIGIN
    read = {}
    for path in tiles.covering(signed.size):
        reply = node.ask("GET", f"/{path}")
        assert (reply.status, reply.headers["content-type"]) == (200, "application/octet-stream")
        read[path] = reply.body
    assert tiles.tree_root(signed.size, read.__getitem__) == signed.root
    leaves = []
    for path, data in read.items():
        if path.level is None:
            entries = tiles.decode_bundle(data, path.width)
            leaves += [merkle.leaf_hash(entry) for entry in entries]
            assert all(canonical_bytes(json.loads(entry)) == entry for entry in entries[:3])
    assert merkle.root_hash(leaves) == signed.root


@pytest.mark.parametrize("path", ["/tile/0/000", "/tile/entries/002"])
def test_a_full_piece_is_kept_for_a_year(node, path):
    reply = node.ask("GET", path)
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reply.headers["access-control-allow-origin"] == "*"
    again = node.ask("GET", path, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    head = node.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(reply.body))
    assert head.headers["etag"] == reply.headers["etag"]


@pytest.mark.parametrize("path", ["/tile/0/000.p/1", "/tile/entries/002.p/255", "/tile/1/000.p/3"])
def test_a_partial_piece_is_kept_for_a_minute(node, path):
    reply = node.ask("GET", path)
    assert reply.status == 200
    assert reply.headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize(
    "path",
    [
        "/tile/x",
        "/tile/0",
        "/tile/0/1",
        "/tile/0/0000",
        "/tile/00/000",
        "/tile/64/000",
        "/tile/-1/000",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/",
        "/tile/0/x000/000",
        "/tile/data/000",
        "/tile/entries/..%2f000",
        "/tile/0/%30%30%30%00",
        "/tile/0/000/",
    ],
)
def test_a_path_that_is_none(node, path):
    reply = node.ask("GET", path)
    reply.problem(400, "RTGF_INPUT_INVALID")
    assert reply.headers["cache-control"] == "no-store"


def test_other_questions_are_refused(node):
    node.ask("GET", "/tile/0/000?x=1").problem(400, "RTGF_BAD_REQUEST")
    node.ask("POST", "/tile/0/000", {}).problem(405, "RTGF_METHOD_NOT_ALLOWED")
    node.ask("GET", "/tile/").problem(404, "RTGF_NOT_FOUND")


@pytest.mark.parametrize("path", ["/tile/0/999", "/tile/1/000", "/tile/9/000", "/tile/entries/003"])
def test_what_the_signed_tree_has_not(node, path):
    reply = node.ask("GET", path)
    reply.problem(404, "RTGF_TXP_PROOF_NOT_FOUND")
    assert reply.headers["cache-control"] == "no-store"


def test_the_typed_client_reads_them(node):
    with node.client() as client:
        assert client.checkpoint() == node.ask("GET", "/checkpoint").body
        hashes = client.tile(0, 1)
        entries = tiles.decode_bundle(client.entry_bundle(1), 256)
        assert b"".join(map(merkle.leaf_hash, entries)) == hashes
        assert client.tile(0, 1, width=7) == hashes[: 7 * 32]
        assert tiles.decode_bundle(client.entry_bundle(1, width=7), 7) == entries[:7]


# --- exports ------------------------------------------------------------------------------------


def export(node: TestNode, folder: Path, *more: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RTGF_")}
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        [sys.executable, "-m", "rtgf_node", "export", folder, "--config", node.toml, *more],
        env={**clean, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_SECONDS,
    )


def check_folder(node: TestNode, folder: Path) -> int:
    """Read the folder as a stranger with the log's key; return the size of its checkpoint."""
    signed = checkpoint.open_note((folder / "checkpoint").read_bytes(), [verifier_key(node)])

    def read(path):
        return (folder / str(path)).read_bytes()

    assert tiles.tree_root(signed.size, read) == signed.root
    leaves = []
    for path in tiles.covering(signed.size):
        assert read(path) == node.ask("GET", f"/{path}").body
        if path.level is None:
            leaves += map(merkle.leaf_hash, tiles.decode_bundle(read(path), path.width))
    assert merkle.root_hash(leaves) == signed.root
    return signed.size


def test_an_export_holds_what_the_node_serves(node, tmp_path):
    folder = tmp_path / "www"
    done = export(node, folder, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert check_folder(node, folder) == report["tree_size"] >= LEAVES
    listed = node.ask("GET", "/catalog?limit=1000").json()["tokens"]
    assert report["tokens"] == len(listed) > 0
    for entry in listed:
        path = f"tokens/{entry['type']}/{entry['slug']}"
        assert (folder / path).read_bytes() == node.ask("GET", f"/{path}").body
    for path in ("jwks.json", ".well-known/jwks.json", ".well-known/jwks.jws"):
        assert (folder / path).read_bytes() == node.ask("GET", f"/{path}").body
    assert json.loads((folder / "revocations.json").read_bytes())["signatures"]
    size = append(node)
    again = export(node, folder)
    assert again.returncode == 0, again.stderr
    assert f"{size} leaves, {report['tree_size']} of them were there" in again.stdout
    assert check_folder(node, folder) == size


def test_a_folder_with_another_log_is_left_alone(node, tmp_path):
    assert export(node, tmp_path / "www").returncode == 0
    before = (tmp_path / "www" / "tile/0/000").stat().st_mtime_ns
    (tmp_path / "www" / "checkpoint").write_bytes(b"other.example\n1\n")
    done = export(node, tmp_path / "www")
    assert done.returncode == 74
    assert "RTGF_TXP_ROOT_SIGNATURE_INVALID" in done.stderr
    assert (tmp_path / "www" / "tile/0/000").stat().st_mtime_ns == before


# --- a client that is not ours ------------------------------------------------------------------


@pytest.fixture(scope="module")
def log_client(tmp_path_factory):
    """The Go program beside these tests, built; its modules come from the module proxy."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no Go on this machine")
    # Modules lie in Go's own cache; where that would be inside this tree, elsewhere.
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True).stdout.strip()
    environ = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    if not cache or Path(cache).is_relative_to(LOG_CLIENT.parents[1]):
        environ["GOMODCACHE"] = str(tmp_path_factory.mktemp("modules"))
        environ["GOFLAGS"] += " -modcacherw"
    build = {"cwd": LOG_CLIENT, "env": environ, "capture_output": True, "text": True}
    try:
        fetched = subprocess.run([go, "mod", "download"], **build, timeout=BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"Go's module proxy did not answer within {BUILD_SECONDS} s")
    if fetched.returncode != 0:
        pytest.skip(f"golang.org/x/mod cannot be had here: {fetched.stderr.strip()[-300:]}")
    program = tmp_path_factory.mktemp("go") / "logclient"
    made = subprocess.run([go, "build", "-o", program, "."], **build, timeout=BUILD_SECONDS)
    assert made.returncode == 0, made.stderr
    return program


def ask_as_client(program: Path, node: TestNode, *more: str | Path, key: str | None = None):
    address = ["-url", node.url, "-ca", node.folder / "pki" / "ca.pem"]
    return subprocess.run(
        [program, *address, "-key", key or verifier_key(node), *more],
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE_SECONDS,
    )


def test_gos_own_packages_verify_every_entry_and_growth(node, log_client, tmp_path):
    """RTGF-CT-60, RTGF-CT-63: golang.org/x/mod/sumdb reads the live node over TLS."""
    size = wait_signed(node, LEAVES)
    first = ask_as_client(log_client, node, "-save", tmp_path / "seen")
    assert first.returncode == 0, first.stderr
    assert f"included {size}\n" in first.stdout
    grown = append(node)
    second = ask_as_client(log_client, node, "-seen", tmp_path / "seen")
    assert second.returncode == 0, second.stderr
    assert f"consistent {size} {grown}\n" in second.stdout
    assert f"included {grown}\n" in second.stdout


def test_gos_own_packages_refuse_another_key(node, log_client):
    other = checkpoint.verifier_key(ORIGIN, node.key_store().signer("token").public)
    refused = ask_as_client(log_client, node, key=other)
    assert refused.returncode == 1
    assert "checkpoint" in refused.stderr


def test_gos_own_packages_refuse_a_history_that_is_not_extended(node, log_client, tmp_path):
    forged = checkpoint.Checkpoint(ORIGIN, 500, bytes(32))
    signer = node.key_store().signer("log")
    (tmp_path / "seen").write_bytes(checkpoint.sign_note(forged, ORIGIN, signer))
    refused = ask_as_client(log_client, node, "-seen", tmp_path / "seen")
    assert refused.returncode == 1
    assert "growth from 500" in refused.stderr
