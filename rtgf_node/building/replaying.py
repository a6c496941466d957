"""Repeat a build from its manifest, anywhere: fetch the inputs by digest, build, compare."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from rtgf_node import __version__
from rtgf_node.building.worker import Indexes
from rtgf_node.client import Node
from rtgf_node.core import canonical_json, digests, manifest, tokens
from rtgf_node.core.assembly import Document
from rtgf_node.core.build import Build, Note, UnbuildableError, finish
from rtgf_node.core.build_inputs import pieces
from rtgf_node.core.manifest import MAX_MANIFEST_BYTES
from rtgf_node.core.policy.templates import Library
from rtgf_node.errors import Code, RtgfError

MANIFEST: Final = "build_manifest.json"
TELL_EVERY: Final = 1_000
"""Targets between two words about how far it is."""


class Inputs(Protocol):
    """Where the inputs of a build come from. What it gives is checked against its digest."""

    def snapshot(self, snapshot_id: str, digest: str) -> bytes:
        """Return a policy snapshot as it was signed."""
        ...

    def terms(self, terms_id: str, digest: str) -> bytes:
        """Return a terms document as it was signed."""
        ...

    def parent(self, token_id: str, digest: str) -> bytes:
        """Return an issued token."""
        ...

    def records(self, digest: str) -> bytes:
        """Return the records of a list."""
        ...


class NodeInputs:
    """The inputs as a node serves them."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def snapshot(self, snapshot_id: str, digest: str) -> bytes:
        """`GET /snapshots/{id}`."""
        return self._node.snapshot(snapshot_id)

    def terms(self, terms_id: str, digest: str) -> bytes:
        """`GET /terms/{id}`."""
        return self._node.terms(terms_id)

    def parent(self, token_id: str, digest: str) -> bytes:
        """`GET /tokens`."""
        return self._node.token(token_id)

    def records(self, digest: str) -> bytes:
        """`GET /admin/datasets/{digest}/records`."""
        return self._node.dataset_records(digest)


class FolderInputs:
    """The inputs as files of one folder, each under the hex digits of its digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def snapshot(self, snapshot_id: str, digest: str) -> bytes:
        """Return the file of that digest."""
        return self._read(digest)

    def terms(self, terms_id: str, digest: str) -> bytes:
        """Return the file of that digest."""
        return self._read(digest)

    def parent(self, token_id: str, digest: str) -> bytes:
        """Return the file of that digest."""
        return self._read(digest)

    def records(self, digest: str) -> bytes:
        """Return the file of that digest."""
        return self._read(digest)

    def _read(self, digest: str) -> bytes:
        path = self._folder / file_name(digest)
        try:
            return path.read_bytes()
        except OSError as error:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the input {digest} is not in {self._folder} ({error.strerror}); make the folder"
                " with rtgf replay --save",
            ) from error


class Difference(msgspec.Struct, frozen=True):
    """An artefact that came out otherwise: its digest then and now; None where it was not made."""

    name: str
    stated: str | None
    computed: str | None


class Replayed(msgspec.Struct, frozen=True):
    """What came of a replay. It is the same build if nothing is different."""

    build_id: str
    manifest_digest: str
    compiler_version: str
    replayed_by: str
    artefacts: int
    different: list[Difference]


def replay(
    data: bytes,
    source: Inputs,
    *,
    library: Library,
    save: Path | None,
    tell: Callable[[str], None],
) -> Replayed:
    """Build from the manifest `data` and compare.

    Args:
      data: the manifest.
      source: of its inputs.
      library: the predicate library; it must be the one that the manifest names.
      save: a folder to keep the inputs in, for `FolderInputs`.
      tell: told how far it is, now and then.

    Raises:
      RtgfError: the manifest or an input is not what it says, or cannot be had.
      UnbuildableError: what was built then cannot be built now.
    """
    stated = manifest.parse(data)
    document = canonical_json.parse_object(data, max_bytes=MAX_MANIFEST_BYTES)["inputs"]
    assert isinstance(document, dict)
    inputs = stated.inputs
    with tempfile.TemporaryDirectory(prefix="rtgf-replay-") as name:
        folder = save or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        keep = _Keeper(folder)
        snapshots = {
            one.id: keep(digest, source.snapshot(one.id, digest))
            for one in inputs.snapshots
            if (digest := one.policy_snapshot_hash)
        }
        terms = {
            one.id: keep(digest, source.terms(one.id, digest))
            for one in inputs.terms
            if (digest := one.policy_snapshot_hash)
        }
        parents = {
            one.token_id: keep(one.canonical_hash, source.parent(one.token_id, one.canonical_hash))
            for one in inputs.parents
        }
        for one in inputs.datasets:
            keep(one.content_sha256, source.records(one.content_sha256))
        build = Build(
            document,
            snapshots=snapshots,
            terms=terms,
            parents=parents,
            library=library,
            datasets=Indexes(
                {one.content_sha256: str(keep.path(one.content_sha256)) for one in inputs.datasets}
            ),
        )
        made, found = _rebuild(build, document, tell)
    listed = {one.name: one.sha256 for one in stated.artefacts}
    different = [
        Difference(name, listed.get(name), found.get(name))
        for name in sorted(listed.keys() | found.keys())
        if listed.get(name) != found.get(name)
    ]
    if not different and made != data:
        different = [Difference(MANIFEST, digests.sha256(data), digests.sha256(made))]
    return Replayed(
        build_id=stated.build_id,
        manifest_digest=digests.sha256(data),
        compiler_version=inputs.compiler_version,
        replayed_by=f"rtgf-node/{__version__}, {tokens.SCHEMA_VERSION}",
        artefacts=len(listed),
        different=different,
    )


def file_name(digest: str) -> str:
    """Return the name of the file of an input."""
    digests.check_form(digest)
    return digest.partition(":")[2]


class _Keeper:
    """Writes inputs to a folder, under the names that `FolderInputs` looks for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, digest: str, content: bytes) -> bytes:
        self.path(digest).write_bytes(content)
        return content

    def path(self, digest: str) -> Path:
        return self._folder / file_name(digest)


def _rebuild(
    build: Build, document: Document, tell: Callable[[str], None]
) -> tuple[bytes, dict[str, str]]:
    """Return the manifest and the digests of the artefacts; the artefacts themselves are let go."""
    found: dict[str, str] = {}
    notes: list[Note] = []
    done, told, total = 0, 0, len(build.inputs.targets)
    for piece in pieces(build.inputs.targets):
        part = build.make(piece)
        found |= {name: digests.sha256(content) for name, content in part.artefacts.items()}
        notes += part.notes
        done += len(piece)
        if done - told >= TELL_EVERY:
            told = done
            tell(f"built {done} of {total}")
    if build.failures:
        raise UnbuildableError(build.failures)
    made, reports = finish(document, found, notes)
    return made, found | {name: digests.sha256(content) for name, content in reports.items()}
