"""A builder in a process of its own: `python -m rtgf_node.building.worker`.

It reads a request from standard input, then the numbers of some targets, again and again, and
writes what came of each such piece to standard output. Nothing else is touched but the record files
that the request names; those are read only when a scenario screens a name, and proven by their
content digest. No network, no clock, no setting.

Messages are msgpack behind their length, since most of them is bytes that other programs made. An
empty one ends a build. Each build is a new child's; when it is gone, an empty message answers. The
process itself has read nothing, and waits for the next until its input ends or nothing has come for
long.
"""

from __future__ import annotations

import gc
import os
import select
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from rtgf_node.core import canonical_json, manifest
from rtgf_node.core.build import Build, Part
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.lists import record_file
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.manifest import MAX_MANIFEST_BYTES, Inputs
from rtgf_node.core.policy.rule import Predicate
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.core.tokens import Token
from rtgf_node.errors import Code, RtgfError

LENGTH: Final = struct.Struct(">I")
"""What stands before a message: its length in bytes."""

STANDBY_SECONDS: Final = 900.0
"""Without a build a process ends after these: it holds some 15 MB of its own."""

_SHAPES: Final = (Inputs, Snapshot, Token, Predicate)
"""What every build reads; msgspec finds out how when it first meets a type, not in each child."""

_GOES_ON: Final = 0
_OVER: Final = 1


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """What a build needs.

    Attributes:
      inputs: the canonical inputs part of the manifest.
      snapshots: the snapshots' bytes by id.
      parents: issued tokens' bytes by token id.
      library: the predicate library's files by name.
      datasets: the path of each list's record file by content digest.
      terms: the terms documents' bytes by id.
    """

    inputs: bytes
    snapshots: dict[str, bytes]
    parents: dict[str, bytes]
    library: dict[str, bytes]
    datasets: dict[str, str]
    terms: dict[str, bytes] = {}


class Problem(Struct, frozen=True, omit_defaults=True):
    """A failure as it crosses from the worker to its parent."""

    code: str
    detail: str
    pointer: str | None = None
    causes: list[Problem] = []


class Failure(Struct, frozen=True):
    """An entry that cannot be built, why, and the number of the target that showed it."""

    jurisdiction: str
    domain: str
    target: int
    problem: Problem


class Answer(Struct, frozen=True, omit_defaults=True):
    """What came of a piece, or the reason why nothing can be built from the request."""

    part: Part | None = None
    failures: list[Failure] = []
    error: Problem | None = None


def encode_request(
    inputs: dict[str, JsonValue],
    *,
    snapshots: Mapping[str, bytes],
    parents: Mapping[str, bytes],
    library: Mapping[str, bytes],
    datasets: Mapping[str, str],
    terms: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    """Return the bytes of a request; the same request always has the same bytes."""
    request = Request(
        inputs=canonical_json.canonical_bytes(inputs),
        snapshots=dict(snapshots),
        parents=dict(parents),
        library=dict(library),
        datasets=dict(datasets),
        terms=dict(terms),
    )
    return msgspec.msgpack.encode(request, order="deterministic")


def decode_inputs(data: bytes) -> tuple[dict[str, JsonValue], Inputs]:
    """Return the inputs part of the manifest in a request, as a document and read.

    Raises:
      RtgfError: RTGF_INPUT_INVALID.
    """
    document = _document(_request(data).inputs)
    return document, manifest.read_inputs(document)


def same_work(one: bytes, other: bytes) -> bool:
    """Tell whether two requests ask for the same of the same, whenever each was made.

    Raises:
      RtgfError: RTGF_INPUT_INVALID.
    """
    first, second = (
        msgspec.structs.replace(_request(each), inputs=_timeless(each)) for each in (one, other)
    )
    return first == second


def _timeless(data: bytes) -> bytes:
    document, _ = decode_inputs(data)
    # The instant, and what the log was then.
    return canonical_json.canonical_bytes(
        {name: document[name] for name in document.keys() - {"issued_at", "log_anchor"}}
    )


def begin(data: bytes) -> Build:
    """Return the build that a request asks for, its inputs checked.

    Raises:
      RtgfError: nothing can be built from it.
    """
    request = _request(data)
    return Build(
        _document(request.inputs),
        snapshots=request.snapshots,
        parents=request.parents,
        library=Library.load(request.library),
        datasets=Indexes(request.datasets),
        terms=request.terms,
    )


def answer(build: Build, piece: Iterable[int]) -> Answer:
    """Return what comes of the targets with these numbers."""
    try:
        part = build.make(piece)
    except RtgfError as error:
        return Answer(error=problem_of(error))
    failures = [
        Failure(place.name, place.domain, target, problem_of(error))
        for (place, target), error in build.failures.items()
    ]
    return Answer(part, failures)


def _request(data: bytes) -> Request:
    try:
        return msgspec.msgpack.decode(data, type=Request)
    except msgspec.MsgspecError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"the build request cannot be read: {error}"
        ) from error


def _document(data: bytes) -> dict[str, JsonValue]:
    return canonical_json.parse_object(data, max_bytes=MAX_MANIFEST_BYTES)


class Indexes(Mapping[str, NameIndex]):
    """Name indexes by content digest; each is made of its record file when first asked for."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths

    def __getitem__(self, content_sha256: str) -> NameIndex:
        path = Path(self._paths[content_sha256])
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the records of {content_sha256} cannot be read ({error.strerror}); fetch the"
                " list again",
            ) from error
        return NameIndex.build(record_file.read(data, content_sha256))

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def problem_of(error: RtgfError) -> Problem:
    """Return a failure as it crosses between processes."""
    return Problem(
        error.code.name, error.detail, error.pointer, [problem_of(each) for each in error.causes]
    )


def error_of(problem: Problem) -> RtgfError:
    """Return the failure that crossed, as it was raised."""
    return RtgfError(
        Code[problem.code],
        problem.detail,
        pointer=problem.pointer,
        causes=tuple(error_of(each) for each in problem.causes),
    )


def _message(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH.size)
    return source.read(LENGTH.unpack(head)[0]) if head else None


def _serve(source: BinaryIO, sink: BinaryIO) -> int:
    """Answer every piece of one build."""
    request = _message(source)
    if request is None:
        return _OVER
    encode = msgspec.msgpack.Encoder(order="deterministic").encode
    refused: Answer | None = None
    try:
        build = begin(request)
    except RtgfError as error:
        refused = Answer(error=problem_of(error))
    while piece := _message(source):
        numbers = msgspec.msgpack.decode(piece, type=list[int])
        _say(sink, encode(refused or answer(build, numbers)))
    return _OVER if piece is None else _GOES_ON


def _say(sink: BinaryIO, message: bytes) -> None:
    sink.write(LENGTH.pack(len(message)))
    sink.write(message)
    sink.flush()


def main() -> int:
    """Serve one build after another, each in a child that ends with it."""
    # Documents have no cycles, and go when the last of whoever holds them does.
    gc.disable()
    for shape in _SHAPES:
        msgspec.msgpack.Decoder(shape)
    while any(select.select([sys.stdin], [], [], STANDBY_SECONDS)):
        child = os.fork()
        if child == 0:
            # There is nothing to tidy up.
            os._exit(_serve(sys.stdin.buffer, sys.stdout.buffer))
        _, status = os.waitpid(child, 0)
        if status:
            return abs(os.waitstatus_to_exitcode(status))
        # Only now is more sent: the child may read ahead.
        _say(sys.stdout.buffer, b"")
    return 0


if __name__ == "__main__":
    sys.exit(main())
