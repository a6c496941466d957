"""Where the online signing keys live, and the three things one may ask of them.

The default keeps each key in a file of its own, sealed with a passphrase: Argon2id makes the key of
a secretbox (XSalsa20-Poly1305) from it. A file that somebody changed does not open. Who holds both
the folder and the passphrase can sign as this node; who holds one of them can only delete.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn, Protocol, TypeAlias, get_args

import msgspec
import nacl.exceptions
import nacl.pwhash.argon2id as argon2id
from nacl.secret import SecretBox
from nacl.signing import SigningKey

from rtgf_node.core import identifiers, times
from rtgf_node.core.keys import PublicKey, Signer
from rtgf_node.errors import Code, RtgfError
from rtgf_node.whole_file import sync_folder

Purpose: TypeAlias = Literal[
    "token", "log", "status", "receipt", "notify", "witness", "authority", "approver", "root"
]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
ONLINE: Final[tuple[Purpose, ...]] = ("token", "log", "status", "receipt", "notify", "witness")
"""What a node signs: each has a key of its own, which vouches for nothing else."""

LIFETIME_SECONDS: Final = 97 * 86_400
"""Rotation is due every 90 days; for 7 more, old and new both verify."""

MAX_KEY_FILE_BYTES: Final = 4096
"""A key file is about 700 bytes."""

MAX_KEYS: Final = 999
"""The most that a key id can count in one month; far more than a folder ever holds."""

FORMAT: Final = "rtgf-sealed-key-1"
_FILE_NAME = re.compile(rf"({'|'.join(PURPOSES)})-[0-9]{{4}}-[0-9]{{2}}-[0-9]{{3}}\.key")


class SealCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one guess at the passphrase costs: Argon2id passes, and bytes of memory.

    The upper bounds keep a forged file from taking the machine's memory when it is opened.
    """

    opslimit: Annotated[int, msgspec.Meta(ge=argon2id.OPSLIMIT_MIN, le=16)]
    memlimit: Annotated[int, msgspec.Meta(ge=argon2id.MEMLIMIT_MIN, le=1 << 30)]


MODERATE: Final = SealCost(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE)
"""About half a second and 256 MiB. One guess costs an attacker the same."""

FASTEST: Final = SealCost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)
"""No protection against guessing. For tests, and for passphrases of 32 random bytes or more."""


class KeyProvider(Protocol):
    """What holds private keys: files here, a hardware module or a cloud service elsewhere."""

    def public(self, kid: str) -> PublicKey:
        """Return the public half of `kid`, or raise RTGF_KID_UNKNOWN."""
        ...

    def sign(self, kid: str, message: bytes) -> bytes:
        """Return the Ed25519 signature of `kid` over `message`, or raise RTGF_KID_UNKNOWN."""
        ...

    def generate(self, purpose: Purpose, *, issuer: str, at: int) -> PublicKey:
        """Make a key that is valid from `at`, keep it, and return its public half."""
        ...


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key file. All of it but the ciphertext can be read by anyone, and proves nothing."""

    format: Literal["rtgf-sealed-key-1"]
    kid: str
    kdf: Literal["argon2id"]
    cost: SealCost
    salt: bytes
    cipher: Literal["xsalsa20-poly1305"]
    nonce: bytes
    ciphertext: bytes


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is inside: the seed with everything that is said of it, so that both are sealed."""

    kid: str
    use: Purpose
    created_at: int
    expires_at: int
    seed: bytes


class _ProviderSigner:
    """A `Signer` that asks its provider each time and holds no secret of its own."""

    def __init__(self, provider: KeyProvider, key: PublicKey) -> None:
        self._provider = provider
        self._key = key

    @property
    def kid(self) -> str:
        return self._key.kid

    @property
    def public(self) -> bytes:
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        return self._provider.sign(self._key.kid, message)

    def __repr__(self) -> str:
        return f"<signer {self._key.kid}>"


class FileKeyProvider:
    """Sealed key files in one folder, all opened once. Get one by `create` or `open`."""

    def __init__(
        self,
        folder: Path,
        box: SecretBox,
        cost: SealCost,
        salt: bytes,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._folder = folder
        self._box = box
        self._cost = cost
        self._salt = salt
        self._randomness = randomness
        self._public: dict[str, PublicKey] = {}
        self._private: dict[str, SigningKey] = {}

    def __repr__(self) -> str:
        return f"<FileKeyProvider {self._folder} with {len(self._public)} keys>"

    @classmethod
    def create(
        cls,
        folder: Path,
        passphrase: bytes,
        *,
        cost: SealCost = MODERATE,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> FileKeyProvider:
        """Begin an empty key store in `folder`, which is made if it is not there.

        Raises:
          RtgfError: RTGF_EXISTS if the folder holds keys already; RTGF_INPUT_INVALID if the
            passphrase is empty.
        """
        if not passphrase:
            raise RtgfError(Code.RTGF_INPUT_INVALID, "the passphrase of the key store is empty")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if next(_key_files(folder), None) is not None:
            raise RtgfError(
                Code.RTGF_EXISTS, f"{folder} holds keys already; open it, or take another folder"
            )
        # One salt for the folder, so that opening it costs one Argon2id and not one for each key.
        # Each file has a random nonce of 24 bytes, which is what keeps the boxes apart.
        salt = randomness(argon2id.SALTBYTES)
        return cls(folder, _box(passphrase, salt, cost), cost, salt, randomness)

    @classmethod
    def open(
        cls,
        folder: Path,
        passphrase: bytes,
        *,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> FileKeyProvider:
        """Unseal every key in `folder`.

        Raises:
          RtgfError: RTGF_KEY_STORE_LOCKED if there is no key, a file may be read by others, the
            passphrase is wrong, or a file was changed. Nothing is opened by halves.
        """
        boxes: dict[tuple[bytes, SealCost], SecretBox] = {}
        provider: FileKeyProvider | None = None
        for path in sorted(_key_files(folder)):
            envelope = _read(path)
            seal = (envelope.salt, envelope.cost)
            if seal not in boxes:
                boxes[seal] = _box(passphrase, envelope.salt, envelope.cost)
            if provider is None:
                provider = cls(folder, boxes[seal], envelope.cost, envelope.salt, randomness)
            provider._enrol(_unseal(path, envelope, boxes[seal]), path)
        if provider is None:
            _locked(f"{folder} holds no keys; make them with `rtgf init`")
        return provider

    def public(self, kid: str) -> PublicKey:
        """Return the public half of `kid`.

        Raises:
          RtgfError: RTGF_KID_UNKNOWN.
        """
        key = self._public.get(kid)
        if key is None:
            raise RtgfError(Code.RTGF_KID_UNKNOWN, f"the key store holds no key {kid!r}")
        return key

    def sign(self, kid: str, message: bytes) -> bytes:
        """Return the signature of `kid` over `message` (Ed25519, RFC 8032).

        Raises:
          RtgfError: RTGF_KID_UNKNOWN.
        """
        self.public(kid)
        return self._private[kid].sign(message).signature

    def generate(
        self, purpose: Purpose, *, issuer: str, at: int, lifetime_seconds: int = LIFETIME_SECONDS,
        number: int | None = None,
    ) -> PublicKey:  # fmt: skip
        """Make a key of the next number, or this, and return its public half once it is kept.

        Raises:
          RtgfError: RTGF_INPUT_INVALID for an unknown purpose or an issuer that is no `did:web`;
            RTGF_EXISTS if there is such a key, or somebody wrote the same file meanwhile.
        """
        if purpose not in PURPOSES:
            detail = f"{purpose!r} is no purpose of a key; there are {', '.join(PURPOSES)}"
            raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
        month = times.to_text(at)[:7]
        taken = [int(kid[-3:]) for kid in self._public if kid.rsplit(":", 2)[1] == month]
        kid = identifiers.key_id(issuer, month, number or 1 + max(taken, default=0))
        if kid in self._public:
            raise RtgfError(Code.RTGF_EXISTS, f"the key {kid} is here; give another number")
        sealed = _Sealed(
            kid=kid,
            use=purpose,
            created_at=at,
            expires_at=at + lifetime_seconds,
            seed=self._randomness(32),
        )
        nonce = self._randomness(SecretBox.NONCE_SIZE)
        envelope = _Envelope(
            format=FORMAT,
            kid=kid,
            kdf="argon2id",
            cost=self._cost,
            salt=self._salt,
            cipher="xsalsa20-poly1305",
            nonce=nonce,
            ciphertext=self._box.encrypt(msgspec.json.encode(sealed), nonce).ciphertext,
        )
        path = self._folder / _file_name(sealed)
        _write(path, msgspec.json.format(msgspec.json.encode(envelope)) + b"\n")
        self._enrol(sealed, path)
        return self._public[kid]

    def refresh(self) -> None:
        """Unseal the keys that another process has made in the folder meanwhile.

        Raises:
          RtgfError: RTGF_KEY_STORE_LOCKED as `open`, or if one is sealed with another passphrase.
        """
        held = {_file_name(key) for key in self._public.values()}
        for path in sorted(_key_files(self._folder)):
            if path.name not in held:
                envelope = _read(path)
                if (envelope.salt, envelope.cost) != (self._salt, self._cost):
                    _locked(f"{path} is sealed unlike the others; make it with `rtgf keys prepare`")
                self._enrol(_unseal(path, envelope, self._box), path)

    def signer(
        self, purpose: Purpose, *, at: int | None = None, among: Container[str] | None = None
    ) -> Signer:
        """Return what signs with the newest key of `purpose`, valid at `at`, with an id in `among`.

        Raises:
          RtgfError: RTGF_KID_UNKNOWN if there is none.
        """
        keys = [
            key
            for key in self._public.values()
            if key.use == purpose
            and (at is None or key.created_at <= at <= key.expires_at)
            and (among is None or key.kid in among)
        ]
        if not keys:
            when = "" if at is None else f" that is valid at {times.to_text(at)}"
            when += "" if among is None else " that the root has published"
            raise RtgfError(
                Code.RTGF_KID_UNKNOWN,
                f"the key store holds no {purpose} key{when}; restore the key files",
            )
        return _ProviderSigner(self, max(keys, key=lambda key: (key.created_at, key.kid)))

    def list(self) -> tuple[PublicKey, ...]:
        """Return the public half of every key, in the order of their ids."""
        return tuple(self._public[kid] for kid in sorted(self._public))

    def _enrol(self, sealed: _Sealed, path: Path) -> None:
        private = SigningKey(sealed.seed)
        if sealed.kid in self._public:
            _locked(f"{path}: the key {sealed.kid} is there twice")
        self._private[sealed.kid] = private
        self._public[sealed.kid] = PublicKey(
            kid=sealed.kid,
            public=bytes(private.verify_key),
            use=sealed.use,
            created_at=sealed.created_at,
            expires_at=sealed.expires_at,
        )


def _file_name(key: PublicKey | _Sealed) -> str:
    """Return the name of a key's file: its purpose, month and number."""
    return "-".join([key.use, *key.kid.rsplit(":", 2)[1:]]) + ".key"


def _key_files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for count, path in enumerate(folder.glob("*.key")):
            if count >= MAX_KEYS:
                _locked(f"{folder} holds more than {MAX_KEYS} keys")
            if _FILE_NAME.fullmatch(path.name) is not None:
                yield path


def _box(passphrase: bytes, salt: bytes, cost: SealCost) -> SecretBox:
    return SecretBox(
        argon2id.kdf(
            SecretBox.KEY_SIZE, passphrase, salt, opslimit=cost.opslimit, memlimit=cost.memlimit
        )
    )


def _read(path: Path) -> _Envelope:
    try:
        # Not through a link: that would let whoever may write here choose another file's owner.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        _locked(f"{path} cannot be read: {error.strerror or error}")
    if stat.S_IMODE(mode) & 0o077:
        _locked(f"{path} may be read by others; run: chmod 600 {path}")
    if len(data) > MAX_KEY_FILE_BYTES:
        _locked(f"{path} is larger than {MAX_KEY_FILE_BYTES} bytes; it is no key file")
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
    except msgspec.DecodeError as error:
        _locked(f"{path} is no key file: {error}")
    if len(envelope.salt) != argon2id.SALTBYTES or len(envelope.nonce) != SecretBox.NONCE_SIZE:
        _locked(f"{path} is no key file: its salt or nonce has the wrong length")
    return envelope


def _unseal(path: Path, envelope: _Envelope, box: SecretBox) -> _Sealed:
    try:
        sealed = msgspec.json.decode(box.decrypt(envelope.ciphertext, envelope.nonce), type=_Sealed)
    except nacl.exceptions.CryptoError:
        _locked(f"{path} does not open: the passphrase is wrong, or the file was changed")
    except msgspec.DecodeError:
        # The message could hold what was inside.
        _locked(f"{path} holds something else than a key")
    if sealed.kid != envelope.kid or path.name != _file_name(sealed) or len(sealed.seed) != 32:
        _locked(f"{path} holds the key {sealed.kid}; put back the file that belongs here")
    return sealed


def _write(path: Path, data: bytes) -> None:
    """Write a new file whole or not at all, readable by its owner only."""
    draft = path.with_suffix(".draft")
    with suppress(FileNotFoundError):
        draft.unlink()
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, never replaces a key that is there.
        path.hardlink_to(draft)
    except FileExistsError:
        raise RtgfError(Code.RTGF_EXISTS, f"{path} exists already; it is not replaced") from None
    finally:
        draft.unlink()
    sync_folder(path.parent)


def _locked(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_KEY_STORE_LOCKED, detail) from None
