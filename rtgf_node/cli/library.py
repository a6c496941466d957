"""`rtgf library`: the predicate library as signed data."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from rtgf_node import policy_library
from rtgf_node.cli import output
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson
from rtgf_node.core import base64url, canonical_json
from rtgf_node.core.keys import SEED_BYTES, SeedSigner
from rtgf_node.core.policy import library_signature
from rtgf_node.core.policy.templates import MANIFEST, Library
from rtgf_node.errors import Code, RtgfError

app = App(name="library", help="The predicate library and the control catalogue as signed data.")

SeedFile = Annotated[Path, Parameter(name="--key", help="The file of the private library key.")]


def make_key(
    file: Annotated[Path, Parameter(help="Where the new private key is written.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Make a library key, and print its public half for `library.key` in the settings.

    Where it runs: on the machine of whoever answers for the library, offline; never on a node.

    Examples:
      rtgf library key ~/library.key
      rtgf library key ~/library.key --json
    """
    seed = secrets.token_bytes(SEED_BYTES)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise RtgfError(Code.RTGF_EXISTS, f"{file} exists; it is not overwritten") from error
    except OSError as error:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{file}: {error.strerror}") from error
    with os.fdopen(handle, "w") as out:
        out.write(base64url.encode(seed) + "\n")
    public = base64url.encode(SeedSigner("", seed).public)
    output.result({"key": public}, public, as_json=as_json)
    return 0


def sign(
    folder: Annotated[Path, Parameter(help="The folder with the library's files.")],
    *,
    key: SeedFile,
    version: Annotated[
        str | None, Parameter(help="The library's version. Default: as the manifest says.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check a library, then write its manifest anew, with the digest of every file, and sign it.

    Where it runs: on the machine of whoever answers for the library, offline; never on a node.

    Examples:
      rtgf library sign ./library --key ~/library.key
      rtgf library sign ./library --key ~/library.key --version 2027-01
    """
    files = policy_library.read(folder)
    seed = _seed(key)
    told = version or _version(files)
    files[MANIFEST] = library_signature.sign(files, version=told, seed=seed)
    library = Library.load(files)
    (folder / MANIFEST).write_bytes(files[MANIFEST])
    return _report(library, base64url.encode(SeedSigner("", seed).public), as_json=as_json)


def check(
    folder: Annotated[
        Path | None, Parameter(help="The folder with the library's files. Default: the program's.")
    ] = None,
    *,
    key: Annotated[
        str | None, Parameter(help="The public key that must have signed it. Default: the pinned.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check a library as a node does before it uses it.

    Where it runs: anywhere.

    Examples:
      rtgf library check
      rtgf library check ./library --key vsUArBAh-7pIkvFPXYRmu4Rq5yDORMusLEJUyNQZ6ok
    """
    opened = policy_library.configured(folder, key)
    public = policy_library.SHIPPED_KEY if folder is None or key is None else key
    return _report(opened.library, public, as_json=as_json)


def _report(library: Library, public: str, *, as_json: bool) -> int:
    document = {
        "version": library.version,
        "digest": library.digest,
        "templates": sorted(library.templates),
        "controls": sorted(library.controls),
        "calendars": sorted(library.calendars),
        "key": public,
    }
    text = (
        f"library {library.version}, {len(library.templates)} templates, signed by {public}\n"
        f"{library.digest}"
    )
    output.result(document, text, as_json=as_json)
    return 0


def _seed(file: Path) -> bytes:
    try:
        return base64url.decode(file.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise RtgfError(Code.RTGF_KEY_STORE_LOCKED, f"{file} cannot be read") from error


def _version(files: dict[str, bytes]) -> str:
    if MANIFEST not in files:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "a new library needs a --version")
    return str(canonical_json.parse_object(files[MANIFEST]).get("version", ""))


for _verb, _name in ((make_key, "key"), (sign, "sign"), (check, "check")):
    app.command(_verb, name=_name, **help_of(_verb))
