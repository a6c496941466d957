"""`rtgf init` makes a whole node or nothing, and shows no secret."""

from __future__ import annotations

import json
import ssl
import stat

import pytest
from cryptography import x509

from rtgf_node import config
from rtgf_node.cli import node_folder as making
from rtgf_node.cli.node_settings import ROLES
from rtgf_node.core import base64url, canonical_json, digests
from rtgf_node.core.keys import KeySet
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_files, pki
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.store import open_store

AT = 1_795_341_600


def wish(**changes):
    honest = {
        "issuer": "did:web:fma.example",
        "url": "https://rtgf.fma.example:8443",
        "bind": "127.0.0.1:8443",
        "metrics_bind": "127.0.0.1:9464",
        "passphrase_file": None,
        "ca_days": 30,
    }
    return making.Wish(**{**honest, **changes})


def test_init_makes_a_node_and_says_what_is_what(rtgf, tmp_path):
    done = rtgf("init", "fma", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    folder = tmp_path / "fma"
    listed = {item["path"] for item in told["files"]}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    # The lock of the store is no file that anybody has to know.
    assert listed <= found
    assert found - listed <= {"data/lock", "data/node.db-wal", "data/node.db-shm", "data/.lock"}
    public = base64url.decode(told["root_public"])
    assert told["root_fingerprint"] == digests.sha256(public).removeprefix("sha256:")


def test_what_init_prints_holds_no_secret(rtgf, tmp_path):
    done = rtgf("init", "fma")
    secrets = [
        (tmp_path / "fma" / name).read_text().strip()
        for name in ("keys/passphrase", "root/passphrase")
    ]
    assert all(len(secret) >= 32 for secret in secrets)
    assert secrets[0] != secrets[1]
    assert not any(secret in done.stdout + done.stderr for secret in secrets)
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    fingerprint = next(line for line in done.stdout.splitlines() if line.startswith("fingerprint"))
    assert [len(group) for group in fingerprint.split()[1:]] == [4] * 16
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("  rtgf ")]
    assert len(commands) == 3


def test_every_secret_is_its_owners_alone(node_folder):
    secret = [
        *node_folder.glob("keys/*.key"),
        *node_folder.glob("root/*"),
        *node_folder.glob("pki/*.key"),
        node_folder / "keys/passphrase",
    ]
    assert len(secret) == 6 + 2 + 2 + len(ROLES) + 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    folders = [node_folder / name for name in ("keys", "root", "pki", "data")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_init_refuses_a_folder_that_holds_anything(rtgf, tmp_path):
    folder = tmp_path / "fma"
    folder.mkdir()
    (folder / "note").write_text("mine")
    done = rtgf("init", "fma")
    assert (done.returncode, done.stdout) == (73, "")
    assert "RTGF_EXISTS" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["note"]


def test_init_takes_an_empty_folder(tmp_path):
    folder = tmp_path / "fma"
    folder.mkdir()
    assert making.make(folder, wish(), at=AT).folder == str(folder)
    assert (folder / "rtgf.toml").is_file()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"issuer": "fma.example"}, "--issuer"),
        ({"url": "http://localhost:8443"}, "--url"),
        ({"metrics_bind": "0.0.0.0:9464"}, "metrics.bind"),
        ({"bind": "localhost"}, "http.bind"),
    ],
)
def test_a_wish_that_makes_no_node_is_named_and_leaves_nothing_behind(tmp_path, changes, named):
    with pytest.raises(RtgfError) as caught:
        making.make(tmp_path / "fma", wish(**changes), at=AT)
    assert caught.value.code is Code.RTGF_INPUT_INVALID
    assert str(caught.value).startswith(f"RTGF_INPUT_INVALID: {named}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_folder_can_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RtgfError, match="file/fma cannot be made") as caught:
        making.make(tmp_path / "file/fma", wish(), at=AT)
    assert caught.value.code is Code.RTGF_INPUT_INVALID


def test_the_settings_that_were_written_start_a_node(node_folder):
    told = config.load(node_folder / "rtgf.toml", environ={})
    provider = FileKeyProvider.open(
        told.keys.folder, told.keys.passphrase_file.read_bytes().strip()
    )
    uses = {key.use for key in provider.list()}
    assert uses == {"token", "log", "status", "receipt", "notify", "witness"}
    with open_store(told.node.data_dir):
        pass
    assert [role.roles for role in told.role] == [(role,) for role in ROLES]


def test_the_root_signed_exactly_the_online_keys(node_folder):
    told = config.load(node_folder / "rtgf.toml", environ={})
    files = key_files.load(told.keys, at=AT)
    published = KeySet.from_jwks(canonical_json.parse(files.jwks))
    manifest = canonical_json.parse(files.manifest)
    assert {key.kid for key in published} == {entry["kid"] for entry in manifest["keys"]}
    assert told.keys.root_kid not in published
    # Moved away, the sealed root still opens with its passphrase, and is the pinned one.
    root = FileKeyProvider.open(
        node_folder / "root", (node_folder / "root/passphrase").read_bytes().strip()
    )
    assert base64url.encode(root.signer("root").public) == told.keys.root_public


def test_certificates_belong_to_the_private_authority_and_name_their_holder(node_folder):
    home = node_folder / "pki"
    context = ssl.create_default_context(cafile=home / "ca.pem")
    for role in ROLES:
        context.load_cert_chain(home / f"{role}.pem", home / f"{role}.key")
        der = ssl.PEM_cert_to_DER_cert((home / f"{role}.pem").read_text())
        assert pki.identity(der) == f"urn:rtgf:{role}:first"


def test_the_nodes_certificate_is_for_its_url_and_loopback(tmp_path):
    making.make(tmp_path / "fma", wish(), at=AT)
    certificate = x509.load_pem_x509_certificate((tmp_path / "fma/pki/node.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "rtgf.fma.example"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_given_passphrase_seals_the_online_keys(tmp_path):
    given = tmp_path / "passphrase"
    given.write_text("correct horse battery staple\n")
    making.make(tmp_path / "fma", wish(passphrase_file=given), at=AT)
    told = config.load(tmp_path / "fma/rtgf.toml", environ={})
    assert told.keys.passphrase_file == given
    assert not (tmp_path / "fma/keys/passphrase").exists()
    assert len(FileKeyProvider.open(told.keys.folder, b"correct horse battery staple").list()) == 6
