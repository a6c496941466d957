"""Sealed keys: they sign, they survive a restart, and they do not leak or open by half."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.core.keys import verify_signature
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_provider
from rtgf_node.keys.key_provider import FASTEST, FileKeyProvider

ISSUER = "did:web:rtgf.eu.example"
AT = 1_794_000_000  # 2026-11
PASSPHRASE = b"correct horse battery staple"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def provider(folder: Path) -> FileKeyProvider:
    return FileKeyProvider.create(folder, PASSPHRASE, cost=FASTEST)


def locked(folder: Path, passphrase: bytes = PASSPHRASE) -> str:
    with pytest.raises(RtgfError) as caught:
        FileKeyProvider.open(folder, passphrase)
    assert caught.value.code is Code.RTGF_KEY_STORE_LOCKED
    return caught.value.detail


def test_a_generated_key_signs_and_verifies(provider):
    key = provider.generate("token", issuer=ISSUER, at=AT)
    assert key.kid == "rtgf.eu.example:ed25519:2026-11:001"
    assert (key.use, key.created_at) == ("token", AT)
    verify_signature(key.public, b"message", provider.sign(key.kid, b"message"))
    assert provider.public(key.kid) == key


def test_keys_survive_a_restart(provider, folder):
    keys = [provider.generate(use, issuer=ISSUER, at=AT) for use in key_provider.ONLINE]
    again = FileKeyProvider.open(folder, PASSPHRASE)
    assert again.list() == tuple(keys)
    assert again.sign(keys[1].kid, b"x") == provider.sign(keys[1].kid, b"x")
    assert sorted(path.name for path in folder.iterdir()) == [
        "log-2026-11-002.key",
        "notify-2026-11-005.key",
        "receipt-2026-11-004.key",
        "status-2026-11-003.key",
        "token-2026-11-001.key",
        "witness-2026-11-006.key",
    ]


def test_numbers_go_on_after_a_restart_and_begin_anew_each_month(provider, folder):
    provider.generate("token", issuer=ISSUER, at=AT)
    again = FileKeyProvider.open(folder, PASSPHRASE)
    assert again.generate("log", issuer=ISSUER, at=AT).kid.endswith("2026-11:002")
    assert again.generate("log", issuer=ISSUER, at=AT + 31 * 86400).kid.endswith("2026-12:001")
    assert len(FileKeyProvider.open(folder, PASSPHRASE).list()) == 3


def test_a_number_is_not_given_twice_when_a_key_is_gone(provider, folder):
    provider.generate("token", issuer=ISSUER, at=AT)
    provider.generate("log", issuer=ISSUER, at=AT)
    (folder / "token-2026-11-001.key").unlink()
    again = FileKeyProvider.open(folder, PASSPHRASE)
    assert again.generate("status", issuer=ISSUER, at=AT).kid.endswith(":003")


def test_the_newest_key_of_a_purpose_signs(provider):
    old = provider.generate("token", issuer=ISSUER, at=AT)
    new = provider.generate("token", issuer=ISSUER, at=AT + 86400)
    provider.generate("log", issuer=ISSUER, at=AT + 2 * 86400)
    signer = provider.signer("token")
    assert (signer.kid, signer.public) == (new.kid, new.public)
    verify_signature(new.public, b"m", signer.sign(b"m"))
    assert provider.signer("token", at=AT + 60).kid == old.kid


def test_a_purpose_without_a_key_is_refused(provider):
    key = provider.generate("token", issuer=ISSUER, at=AT)
    for ask in (
        lambda: provider.signer("log"),
        lambda: provider.signer("token", at=key.expires_at + 1),
        lambda: provider.sign("rtgf.eu.example:ed25519:2026-11:009", b"m"),
        lambda: provider.public("nobody"),
    ):
        with pytest.raises(RtgfError) as caught:
            ask()
        assert caught.value.code is Code.RTGF_KID_UNKNOWN


def test_an_unknown_purpose_never_becomes_a_file_name(provider, folder):
    with pytest.raises(RtgfError):
        provider.generate("../../etc/passwd", issuer=ISSUER, at=AT)
    assert list(folder.iterdir()) == []


def test_files_are_for_the_owner_alone(provider, folder):
    provider.generate("token", issuer=ISSUER, at=AT)
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    assert "chmod 600" in locked(folder)


def test_a_wrong_passphrase_opens_nothing(provider, folder):
    provider.generate("token", issuer=ISSUER, at=AT)
    assert "passphrase is wrong" in locked(folder, b"wrong")


def test_an_empty_folder_and_an_empty_passphrase_are_refused(folder):
    assert "holds no keys" in locked(folder)
    with pytest.raises(RtgfError):
        FileKeyProvider.create(folder, b"", cost=FASTEST)


def test_a_folder_with_keys_is_not_created_again(provider, folder):
    provider.generate("token", issuer=ISSUER, at=AT)
    with pytest.raises(RtgfError) as caught:
        FileKeyProvider.create(folder, PASSPHRASE, cost=FASTEST)
    assert caught.value.code is Code.RTGF_EXISTS


def test_a_key_file_that_exists_is_never_replaced(provider, folder):
    provider.generate("token", issuer=ISSUER, at=AT)
    (path,) = folder.iterdir()
    before = path.read_bytes()
    other = FileKeyProvider(folder, provider._box, FASTEST, provider._salt, lambda n: bytes(n))
    with pytest.raises(RtgfError) as caught:
        other.generate("token", issuer=ISSUER, at=AT)
    assert caught.value.code is Code.RTGF_EXISTS
    assert path.read_bytes() == before
    assert [item.name for item in folder.iterdir()] == [path.name]


def test_a_file_under_another_files_name_is_refused(provider, folder):
    """An old key cannot be passed off as a newer one by renaming its file."""
    provider.generate("token", issuer=ISSUER, at=AT)
    (folder / "token-2026-11-001.key").rename(folder / "log-2026-11-001.key")
    assert "belongs here" in locked(folder)


def test_a_link_is_not_followed(provider, folder, tmp_path):
    provider.generate("token", issuer=ISSUER, at=AT)
    path = folder / "token-2026-11-001.key"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in locked(folder)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("kid", "rtgf.eu.example:ed25519:2026-11:002"),
        ("nonce", "AAAA"),
        ("cost", {"opslimit": 3, "memlimit": 1 << 40}),
        ("format", "rtgf-sealed-key-0"),
        ("extra", 1),
    ],
)
def test_a_changed_envelope_is_refused(provider, folder, member: str, value: object):
    provider.generate("token", issuer=ISSUER, at=AT)
    (path,) = folder.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {member: value}))
    locked(folder)


@given(st.data())
@settings(max_examples=25)
def test_no_changed_byte_of_a_file_changes_a_key(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("keys")
    provider = FileKeyProvider.create(folder, PASSPHRASE, cost=FASTEST)
    provider.generate("token", issuer=ISSUER, at=AT)
    (path,) = folder.iterdir()
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 127))
    path.write_bytes(raw)
    opened, refused = provider.list(), None
    try:
        opened = FileKeyProvider.open(folder, PASSPHRASE).list()
    except RtgfError as error:
        refused = error.code
    assert opened == provider.list()
    assert refused in {None, Code.RTGF_KEY_STORE_LOCKED}


def test_secrets_show_nowhere(folder):
    seed = bytes(range(32))
    provider = FileKeyProvider.create(
        folder, PASSPHRASE, cost=FASTEST, randomness=lambda n: seed[:n]
    )
    provider.generate("token", issuer=ISSUER, at=AT)
    signer = provider.signer("token")
    (path,) = folder.iterdir()
    shown = f"{provider!r} {provider} {signer!r} {provider.list()!r}".encode() + path.read_bytes()
    for secret in (seed, seed.hex().encode(), PASSPHRASE):
        assert secret not in shown


def test_entropy_comes_from_whoever_makes_the_store(tmp_path):
    def made(folder: Path) -> bytes:
        provider = FileKeyProvider.create(
            folder, PASSPHRASE, cost=FASTEST, randomness=lambda size: b"\7" * size
        )
        return provider.generate("token", issuer=ISSUER, at=AT).public

    assert made(tmp_path / "a") == made(tmp_path / "b")


def test_the_default_cost_is_moderate_or_more():
    assert key_provider.MODERATE.memlimit >= 256 << 20
    assert key_provider.MODERATE.opslimit >= 3
