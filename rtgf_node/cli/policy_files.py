"""What the commands about rules read: the library, and lists in their own formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from rtgf_node import policy_library
from rtgf_node.cli.verify import read
from rtgf_node.core.list_answers import ListAnswers
from rtgf_node.core.lists import record
from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.misfits import nearest
from rtgf_node.core.policy.templates import Library
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import LibraryConfig

MAX_LIST_BYTES = 256 << 20
"""A file of a list. The largest public one has about 100 MB."""

ListFiles = Annotated[
    list[str] | None,
    Parameter(
        name="--list",
        negative="",
        help="A list to screen with, as NAME=READER:PATH; repeat for several. PATH is a file, or"
        " the folder of a set of files.",
    ),
]


class List(NamedTuple):
    """A list that was read from files: its records, and the digest of what they say."""

    name: str
    content_sha256: str
    records: tuple[record.Record, ...]


@Parameter(name="*")
@dataclass(frozen=True)
class OwnLibrary:
    """A library that a node uses in place of the program's own."""

    library: Annotated[
        Path | None,
        Parameter(help="The folder of the node's own predicate library. Default: the program's."),
    ] = None
    library_key: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="The public key that signed it."),
    ] = None


def library(own: OwnLibrary | None = None, told: LibraryConfig | None = None) -> Library:
    """Return the templates and the control catalogue: named, configured, or this program's.

    Raises:
      RtgfError: the folder cannot be read, or was not signed by that key.
    """
    folder, key = (own.library, own.library_key) if own is not None else (None, None)
    if folder is None and told is not None:
        folder, key = told.folder, key or told.key
    return policy_library.configured(folder, key).library


def answers(given: Sequence[str] | None) -> ListAnswers:
    """Return what answers the questions of rules with the lists that were named.

    Raises:
      RtgfError: RTGF_INPUT_INVALID for a name that cannot be understood; the reader's refusal.
    """
    lists = map(named_list, given or ())
    return ListAnswers(
        {one.name: (one.content_sha256, NameIndex.build(one.records)) for one in lists}
    )


def named_list(given: str) -> List:
    """Return the list that `NAME=READER:PATH` names.

    Raises:
      RtgfError: RTGF_INPUT_INVALID, or RTGF_SANCTIONS_UNREADABLE.
    """
    name, equals, rest = given.partition("=")
    reader, colon, path = rest.partition(":")
    if not (name and equals and reader and colon and path):
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"{given!r} names no list; write NAME=READER:PATH, such as un-sc=un-xml:un.xml",
        )
    return read_list(name, reader, Path(path))


def read_list(name: str, reader_id: str, path: Path) -> List:
    """Return a list from its publisher's file, or from the folder of its files.

    Raises:
      RtgfError: RTGF_INPUT_INVALID, or RTGF_SANCTIONS_UNREADABLE.
    """
    reader = READERS.get(reader_id)
    if reader is None:
        meant = nearest(reader_id, READERS)
        hint = f"; did you mean {meant}?" if meant else ""
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"there is no reader {reader_id!r}{hint} There are {', '.join(READERS)}",
        )
    if reader.parts:
        files = {part: _part(path, part) for part in reader.parts}
        result = reader.read({part: read(at, limit=MAX_LIST_BYTES) for part, at in files.items()})
    else:
        result = reader.read(read(path, limit=MAX_LIST_BYTES))
    return List(
        name, record.content_digest(result.records, reader.id, reader.version), result.records
    )


def _part(folder: Path, part: str) -> Path:
    """Return the one file of a set whose name ends in the part's."""
    found = sorted(
        path for path in folder.glob("*") if path.stem == part or path.stem.endswith(f"_{part}")
    )
    if len(found) != 1:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"{folder} must hold one file {part}.*, it holds {len(found)}",
        )
    return found[0]
