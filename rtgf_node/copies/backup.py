"""Backups: of a node that goes on meanwhile, whole or not at all, and back into a folder.

The guard of what was signed last is in no backup: it is what knows that a copy is old. So a
restored node may be read and signs nothing, until it has the guard again or an approver orders it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from rtgf_node import __version__, config, start_checks
from rtgf_node.copies import backup_file
from rtgf_node.copies.backup_file import Entry, Manifest, Source
from rtgf_node.core import times
from rtgf_node.core.canonical_json import parse_object
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_files
from rtgf_node.settings import Config
from rtgf_node.store import backup as store_backup
from rtgf_node.store.backup import Held
from rtgf_node.store.database import FolderLock
from rtgf_node.store.objects import ObjectStore
from rtgf_node.whole_file import sync_folder

SETTINGS: Final = "rtgf.toml"
TAR: Final = ".tar"

_LEFT_OUT: Final = frozenset({"node.data_dir", "log.guard_file", "http.admin_socket"})
"""Settings whose paths are not copied as files: the store is copied as such, the guard never."""

_PUBLIC_OF_KEYS: Final = frozenset({key_files.MANIFEST, key_files.SIGNED_JWKS, key_files.KEY_SET})


def make(settings: Path, told: Config, to: Path, *, keys: bool, at: int) -> Manifest:
    """Write a backup of a node, read it again, and only then give it its name.

    Args:
      settings: the file that `told` was read from.
      told: the node's settings.
      to: a name that ends with `.tar` for one file; else a folder. Nothing is there yet.
      keys: copy the private keys and passphrases that the settings name, too.
      at: now.

    Raises:
      RtgfError: RTGF_EXISTS if `to` is taken; RTGF_NOT_FOUND if there is no node;
        RTGF_TXP_STORE_DAMAGED if the node's store is, or what was written is not what was read;
        RTGF_UNAVAILABLE if it cannot be written.
    """
    if to.exists():
        raise RtgfError(Code.RTGF_EXISTS, f"{to} is there already; it is not replaced")
    base = settings.resolve().parent
    data = _inside(base, told.node.data_dir) or "data"
    with _draft(to) as draft:
        copied = draft / "copied"
        copied.mkdir(mode=0o700)
        held, member = store_backup.copy(told.node.data_dir, copied)
        listed, elsewhere = _files(base, told, keys=keys)

        def sources() -> Iterator[Source]:
            yield Source(SETTINGS, settings, _is_closed(settings))
            yield from listed
            for path in sorted(copied.iterdir()):
                yield Source(_below(data, path.name), path, private=True)
            for name, path in store_backup.files(told.node.data_dir):
                yield Source(_below(data, name), path, private=True)

        def describe(entries: tuple[Entry, ...]) -> Manifest:
            _need_objects(held, data, {entry.name for entry in entries})
            head = held.head
            return Manifest(
                format="rtgf-backup/1",
                made_at=times.to_text(at),
                program=__version__,
                origin=told.log_origin(),
                tree_size=held.tree_size,
                root_hash=f"sha256:{held.root.hex()}",
                head=parse_object(head.document) if head is not None else None,
                decisions=held.decisions,
                data=data,
                keys=keys,
                member=member,
                elsewhere=elsewhere,
                files=entries,
            )

        whole = draft / "whole"
        manifest = backup_file.write(whole, sources(), describe, tar=to.suffix == TAR)
        if backup_file.read(whole) != manifest:
            raise RtgfError(Code.RTGF_TXP_STORE_DAMAGED, f"{to} was not written as it was made")
        _name(whole, to)
    return manifest


def restore(backup: Path, folder: Path, *, root_public: str | None, at: int) -> Manifest:
    """Put a backup into a new or empty folder, whole or not at all.

    Every byte is held against the manifest, the log is hashed again, its newest head must have been
    signed with a key that the pinned root vouches for.

    Args:
      backup: what `make` wrote.
      folder: where to.
      root_public: the pinned root, base64url; None for the one in the settings of the backup.
      at: now.

    Raises:
      RtgfError: RTGF_EXISTS if the folder holds anything; as `backup_file.read`, and
        RTGF_TXP_STORE_DAMAGED, RTGF_JWKS_SIGNATURE_INVALID or RTGF_TXP_ROOT_SIGNATURE_INVALID if
        what is in it does not fit together; RTGF_UNAVAILABLE if it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RtgfError(
            Code.RTGF_EXISTS, f"{folder} is not empty; nothing was changed, choose another folder"
        )
    with _draft(folder) as draft:
        whole = draft / "whole"
        whole.mkdir(mode=0o755)
        manifest = backup_file.read(backup, whole)
        held = store_backup.check(whole / manifest.data)
        _compare(manifest, held)
        objects = ObjectStore(whole / manifest.data / "objects")
        for digest in sorted(held.objects):
            objects.check(digest)
        _check_head(whole, held, root_public, at=at)
        if folder.exists():
            folder.rmdir()
        _name(whole, folder)
    return manifest


def _compare(manifest: Manifest, held: Held) -> None:
    head = parse_object(held.head.document) if held.head is not None else None
    stated = (manifest.tree_size, manifest.root_hash, manifest.head, manifest.decisions)
    if stated != (held.tree_size, f"sha256:{held.root.hex()}", head, held.decisions):
        raise RtgfError(
            Code.RTGF_TXP_STORE_DAMAGED,
            f"the manifest is of a log of {manifest.tree_size} entries, the store is not that log; "
            "use another backup",
            pointer=backup_file.MANIFEST,
        )


def _check_head(folder: Path, held: Held, root_public: str | None, *, at: int) -> None:
    if held.head is None:
        return
    # Not the environment's: this is about what is in the backup.
    pinned = config.load(folder / SETTINGS, environ={}).keys
    if root_public is not None:
        pinned = msgspec.structs.replace(pinned, root_public=root_public)
    root, said = key_files.pinned_root(pinned), held.keys
    if said is None:
        raise RtgfError(Code.RTGF_TXP_STORE_DAMAGED, "its log has a signed head and no keys")
    files = key_files.verified(said.manifest, said.jwks_jws, root, at=at)
    start_checks.check_foreign_head(files, held.head.document)


def _need_objects(held: Held, data: str, names: set[str]) -> None:
    store = ObjectStore(Path())
    for digest in sorted(held.objects):
        name = _below(data, f"objects/{store.path(digest)}")
        if name not in names:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"the store rests on the object {digest}, which is not there; restore it first",
                pointer=name,
            )


# --- what is copied beside the store --------------------------------------------------------------


def _files(base: Path, told: Config, *, keys: bool) -> tuple[list[Source], tuple[str, ...]]:
    """Return the files that the settings name, and the settings whose files lie elsewhere."""
    listed: dict[str, Source] = {}
    elsewhere: list[str] = []
    for setting, path in _paths(told):
        if setting in _LEFT_OUT or not path.exists():
            continue
        if _inside(base, path) is None:
            elsewhere.append(setting)
            continue
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            secret = _is_secret(setting, file)
            name = _inside(base, file)
            if file.is_file() and name is not None and (keys or not secret):
                listed.setdefault(name, Source(name, file, secret or _is_closed(file)))
    return sorted(listed.values()), tuple(dict.fromkeys(elsewhere))


def _is_closed(file: Path) -> bool:
    return not file.stat().st_mode & 0o004


def _is_secret(setting: str, file: Path) -> bool:
    if setting == "keys.folder":
        return file.name not in _PUBLIC_OF_KEYS
    return setting.endswith(("key_file", "passphrase_file"))


def _paths(value: msgspec.Struct, inside: str = "") -> Iterator[tuple[str, Path]]:
    """Yield every path in the settings with the name of its setting."""
    for field in value.__struct_fields__:
        inner, name = getattr(value, field), f"{inside}{field}"
        for one in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(one, Path):
                yield name, one
            elif isinstance(one, msgspec.Struct):
                yield from _paths(one, f"{name}.")


def _inside(base: Path, path: Path) -> str | None:
    """Return the name of a path in the node's folder, None if it lies elsewhere."""
    plain = Path(os.path.normpath(path))
    return plain.relative_to(base).as_posix() if plain.is_relative_to(base) else None


def _below(data: str, name: str) -> str:
    return name if data == "." else f"{data}/{name}"


# --- whole or not at all --------------------------------------------------------------------------


@contextmanager
def _draft(to: Path) -> Iterator[Path]:
    """Give a folder beside `to` to work in, and take it away; what a kill left there goes first."""
    draft = to.absolute().parent / f".{to.name}.new"
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o700, exist_ok=True)
        lock = FolderLock(draft / "lock")
        try:
            for left in draft.iterdir():
                if left.is_dir():
                    shutil.rmtree(left)
                elif left.name != "lock":
                    left.unlink()
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            lock.release()
    except (OSError, sqlite3.OperationalError) as error:
        raise RtgfError(Code.RTGF_UNAVAILABLE, f"{to} was not made: {error}") from error


def _name(whole: Path, to: Path) -> None:
    """Give what is complete its name; what has that name by now is not replaced."""
    if whole.is_dir():
        whole.rename(to)
    else:
        os.link(whole, to)
    sync_folder(to.absolute().parent)
