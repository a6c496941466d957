"""Making a node's folder: authority, certificates, keys, empty log and settings, whole or not."""

from __future__ import annotations

import ipaddress
import secrets
import shutil
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from rtgf_node import config
from rtgf_node.cli import node_settings
from rtgf_node.cli.node_settings import Identity
from rtgf_node.core import base64url, digests, jose, signed_keys
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_files, pki
from rtgf_node.keys.key_provider import FASTEST, MODERATE, ONLINE, FileKeyProvider, SealCost
from rtgf_node.setting_forms import Did, HttpsUrl
from rtgf_node.store import create_store
from rtgf_node.whole_file import sync_folder, write_whole

ROOT_LIFETIME_SECONDS = 20 * 365 * 86_400
"""A root is replaced by a ceremony and a new pin, not by the calendar."""

PASSPHRASE_BYTES = 32
MAX_PASSPHRASE_BYTES = 4096
"""A passphrase file is a line of text."""

SECRET = 0o600
PUBLIC = 0o644


class Wish(NamedTuple):
    """What the operator wants the node to be."""

    issuer: str
    url: str
    bind: str
    metrics_bind: str
    passphrase_file: Path | None
    ca_days: int


class Made(msgspec.Struct, frozen=True):
    """One thing that was made: its path in the folder, its mode, and what it is."""

    path: str
    mode: str
    meaning: str


class Folder(msgspec.Struct, frozen=True):
    """The finished folder: what is in it, and the root key's public half to be pinned."""

    folder: str
    issuer: str
    url: str
    root_kid: str
    root_public: str
    """base64url, as settings and `rtgf audit --root-key` take it."""
    root_fingerprint: str
    """sha256 of the public key, in hex: what people compare."""
    files: list[Made]


MEANINGS = (
    ("rtgf.toml", "the settings"),
    ("root/*.key", "ROOT KEY, sealed: move root/ to an offline medium, then delete it here"),
    ("root/passphrase", "opens the root key: keep it apart from the medium that holds the key"),
    ("keys/passphrase", "opens the keys below; whoever reads it and them can sign as this node"),
    ("keys/key_manifest.json", "which online keys there are and for what, signed by the root"),
    ("keys/jwks.jws", "the key set for partners, signed by the root"),
    ("keys/*.key", "{name} signing key, sealed"),
    ("pki/ca.pem", "certificate of the private CA: give it to everybody who connects"),
    ("pki/ca.key", "key of the private CA: makes new certificates, best kept off this machine"),
    ("pki/node.pem", "certificate of the node"),
    ("pki/node.key", "key of the node's certificate"),
    ("pki/*.pem", "certificate of the {name}"),
    ("pki/*.key", "key of the {name}'s certificate: hand it over and delete it here"),
    ("data/node.db", "the empty log and registry"),
)
"""What each file is, for whoever made it."""


def make(folder: Path, wish: Wish, *, at: int) -> Folder:
    """Make a node in `folder`. It appears under its name only when all of it is there.

    Raises:
      RtgfError: RTGF_EXISTS if the folder holds anything; RTGF_INPUT_INVALID if the wish makes no
        node, or the folder cannot be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RtgfError(
            Code.RTGF_EXISTS, f"{folder} is not empty; nothing was changed, choose another folder"
        )
    _check(wish)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent.resolve()))
    except OSError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"{folder} cannot be made: {error.strerror}"
        ) from error
    try:
        made = _fill(draft, wish, at=at)
        draft.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return msgspec.structs.replace(made, folder=str(folder))


def _check(wish: Wish) -> None:
    """Refuse in the options' own words what no settings can say."""
    for option, value, form, example in (
        ("--issuer", wish.issuer, Did, "did:web:rtgf.fma.example"),
        ("--url", wish.url, HttpsUrl, "https://rtgf.fma.example"),
    ):
        try:
            msgspec.convert(value, form)
        except msgspec.ValidationError as error:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"{option}: {value!r} is not of the form {example}"
            ) from error


def _fill(draft: Path, wish: Wish, *, at: int) -> Folder:
    for name, mode in (("pki", 0o700), ("root", 0o700), ("keys", 0o700), ("authorities", 0o755)):
        (draft / name).mkdir(mode=mode)
    _make_certificates(draft / "pki", wish, at=at)
    passphrase, cost = _passphrase(wish.passphrase_file)
    if wish.passphrase_file is None:
        write_whole(draft / "keys/passphrase", passphrase + b"\n", mode=SECRET)
    root = _make_root(draft / "root", wish.issuer, at=at)
    provider = FileKeyProvider.create(draft / "keys", passphrase, cost=cost)
    keys = KeySet(provider.generate(use, issuer=wish.issuer, at=at) for use in ONLINE)
    _make_statements(draft / "keys", keys, root)
    create_store(draft / "data").close()
    given = wish.passphrase_file
    identity = Identity(
        issuer=wish.issuer,
        url=wish.url,
        bind=wish.bind,
        metrics_bind=wish.metrics_bind,
        root_kid=root.kid,
        root_public=base64url.encode(root.public),
        passphrase_file="keys/passphrase" if given is None else str(given.resolve()),
    )
    write_whole(draft / "rtgf.toml", node_settings.text(identity).encode(), mode=PUBLIC)
    try:
        # What was written must be what a start accepts; the environment of this shell is not asked.
        config.load(draft / "rtgf.toml", environ={})
    except RtgfError as error:
        # Without its place: the draft is gone when this is read.
        raise RtgfError(Code.RTGF_INPUT_INVALID, error.detail) from error
    return Folder(
        folder=str(draft),
        issuer=wish.issuer,
        url=wish.url,
        root_kid=root.kid,
        root_public=identity.root_public,
        root_fingerprint=digests.sha256(root.public).removeprefix("sha256:"),
        files=_described(draft),
    )


def _make_certificates(folder: Path, wish: Wish, *, at: int) -> None:
    """Make the private CA, the node's certificate, and one for a first client of each role."""
    ca = pki.create_ca(f"rtgf private CA {at}", now=at, days=wish.ca_days)
    pki.write(ca, folder / "ca.pem", folder / "ca.key")
    names, addresses = ["localhost"], ["127.0.0.1"]
    host = urlsplit(wish.url).hostname or "localhost"
    try:
        addresses.append(str(ipaddress.ip_address(host)))
    except ValueError:
        names.append(host)
    node = pki.issue(
        ca,
        "rtgf node",
        san_dns=sorted(set(names)),
        san_ips=sorted(set(addresses)),
        now=at,
        server=True,
    )
    pki.write(node, folder / "node.pem", folder / "node.key")
    for role in node_settings.ROLES:
        client = pki.issue(ca, role, san_uris=[node_settings.role_uri(role)], now=at, client=True)
        pki.write(client, folder / f"{role}.pem", folder / f"{role}.key")


def _make_root(folder: Path, issuer: str, *, at: int) -> Signer:
    """Make the root key, sealed; it signs once, now, and is then to be moved away."""
    passphrase = _new_passphrase()
    write_whole(folder / "passphrase", passphrase + b"\n", mode=SECRET)
    provider = FileKeyProvider.create(folder, passphrase, cost=FASTEST)
    # A name of its own below the issuer's, so that no online key ever has the same id.
    provider.generate(
        "root", issuer=f"{issuer}:root", at=at, lifetime_seconds=ROOT_LIFETIME_SECONDS
    )
    return provider.signer("root")


def _make_statements(folder: Path, keys: KeySet, root: Signer) -> None:
    """Write what the root says of the online keys: the manifest, and the key set for partners."""
    manifest = jose.sign_document(
        {"keys": [dict(key_files.manifest_entry(key)) for key in keys]},
        [root],
        typ=key_files.MANIFEST_TYP,
    )
    write_whole(folder / key_files.MANIFEST, canonical_bytes(manifest), mode=PUBLIC)
    jwks = jose.sign_compact(canonical_bytes(keys.to_jwks()), root, typ=signed_keys.TYP)
    write_whole(folder / key_files.SIGNED_JWKS, jwks.encode(), mode=PUBLIC)


def _new_passphrase() -> bytes:
    return base64url.encode(secrets.token_bytes(PASSPHRASE_BYTES)).encode()


def _passphrase(file: Path | None) -> tuple[bytes, SealCost]:
    """Return the passphrase of the key store, and what a guess at it must cost."""
    if file is None:
        # Of 32 random bytes: no guess will ever hit, so it need not be made expensive.
        return _new_passphrase(), FASTEST
    try:
        with file.open("rb") as opened:
            passphrase = opened.read(MAX_PASSPHRASE_BYTES).strip()
    except OSError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"{file} cannot be read: {error.strerror}"
        ) from error
    return passphrase, MODERATE


def _described(draft: Path) -> list[Made]:
    """Return every file that was made with what it is, the most important first."""
    left = sorted(str(path.relative_to(draft)) for path in draft.rglob("*") if path.is_file())
    made: list[Made] = []
    for pattern, meaning in MEANINGS:
        for name in [name for name in left if fnmatch(name, pattern)]:
            left.remove(name)
            path = draft / name
            mode = f"{path.stat().st_mode & 0o777:04o}"
            subject = path.stem.partition("-")[0]
            made.append(Made(path=name, mode=mode, meaning=meaning.format(name=subject)))
    return made
