"""One build in one fresh process: `python -m rtgf_node.build_worker`.

A request is read from standard input, the answer is written to standard output, and nothing else is
touched but the record files that the request names; those are read only when a scenario screens a
name, and proven by their content digest. No network, no clock, no setting. The exit status is 0 for
a build, 1 for a refusal, which is then the answer.

Request and answer are msgpack, since most of both is bytes that other programs made.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from rtgf_node.core import canonical_json
from rtgf_node.core.build import BuildOutput, build
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.lists import record_file
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.manifest import MAX_MANIFEST_BYTES
from rtgf_node.core.policy.templates import Library
from rtgf_node.errors import Code, RtgfError

EXIT_BUILT = 0
EXIT_REFUSED = 1


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """What a build needs.

    Attributes:
      inputs: the canonical inputs part of the manifest.
      snapshots: the snapshots' bytes by id.
      parents: issued RMTs' bytes by token id.
      library: the predicate library's files by name.
      datasets: the path of each list's record file by content digest.
    """

    inputs: bytes
    snapshots: dict[str, bytes]
    parents: dict[str, bytes]
    library: dict[str, bytes]
    datasets: dict[str, str]


class Problem(Struct, frozen=True, omit_defaults=True):
    """A failure as it crosses from the worker to its parent."""

    code: str
    detail: str
    pointer: str | None = None
    causes: list[Problem] = []


class Answer(Struct, frozen=True, omit_defaults=True):
    """What came of a request: a build, or the reason why not."""

    manifest: bytes = b""
    artefacts: dict[str, bytes] = {}
    error: Problem | None = None


def encode_request(
    inputs: dict[str, JsonValue],
    *,
    snapshots: Mapping[str, bytes],
    parents: Mapping[str, bytes],
    library: Mapping[str, bytes],
    datasets: Mapping[str, str],
) -> bytes:
    """Return the bytes of a request; the same request always has the same bytes."""
    request = Request(
        inputs=canonical_json.canonical_bytes(inputs),
        snapshots=dict(snapshots),
        parents=dict(parents),
        library=dict(library),
        datasets=dict(datasets),
    )
    return msgspec.msgpack.encode(request, order="deterministic")


def decode_answer(data: bytes) -> BuildOutput:
    """Return the build in a worker's answer.

    Raises:
      RtgfError: the refusal in it, as the worker raised it.
      msgspec.DecodeError: it is no answer.
    """
    answer = msgspec.msgpack.decode(data, type=Answer)
    if answer.error is not None:
        raise _error(answer.error)
    return BuildOutput(answer.manifest, answer.artefacts)


def answer(data: bytes) -> tuple[bytes, int]:
    """Return the answer to a request and the exit status that goes with it."""
    try:
        output = _build(data)
    except RtgfError as error:
        return _encode(Answer(error=_problem(error))), EXIT_REFUSED
    return _encode(Answer(manifest=output.manifest, artefacts=output.artefacts)), EXIT_BUILT


def _build(data: bytes) -> BuildOutput:
    try:
        request = msgspec.msgpack.decode(data, type=Request)
    except msgspec.MsgspecError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"the build request cannot be read: {error}"
        ) from error
    return build(
        canonical_json.parse_object(request.inputs, max_bytes=MAX_MANIFEST_BYTES),
        snapshots=request.snapshots,
        parents=request.parents,
        library=Library.load(request.library),
        datasets=_Indexes(request.datasets),
    )


class _Indexes(Mapping[str, NameIndex]):
    """Name indexes by content digest; each is read and built when it is first asked for."""

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


def _encode(answer: Answer) -> bytes:
    return msgspec.msgpack.encode(answer, order="deterministic")


def _problem(error: RtgfError) -> Problem:
    return Problem(
        error.code.name, error.detail, error.pointer, [_problem(each) for each in error.causes]
    )


def _error(problem: Problem) -> RtgfError:
    return RtgfError(
        Code[problem.code],
        problem.detail,
        pointer=problem.pointer,
        causes=tuple(_error(each) for each in problem.causes),
    )


def main() -> int:
    """Answer the one request on standard input."""
    output, status = answer(sys.stdin.buffer.read())
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
