"""A build manifest says everything a build depended on, and what came out of it.

The inputs part is the whole recipe: every snapshot and list by digest, the toolchain, the instant
of issue, the head of the log before it. Its digest is the build's id, so that whoever holds the
manifest and the inputs can build again anywhere and compare byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from rtgf_node.core import canonical_json, digests
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError

# The inputs of a full matrix of 14,400 tokens are about 3 MB; its artefact list as much again.
MAX_MANIFEST_BYTES = 16 << 20
MAX_TARGETS = 20_000  # a full matrix of 60 jurisdictions and 4 domains has 14,400

_CODE = Code.RTGF_INPUT_INVALID

Text = Annotated[str, Meta(min_length=1, max_length=500)]
Sha256 = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
Sha512 = Annotated[str, Meta(pattern=r"^sha512:[0-9a-f]{128}$")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Issue = Annotated[int, Meta(ge=1, le=999_999_999)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts share: they do not change, and unknown members are refused."""


class LogAnchor(_Part, frozen=True):
    """The log's head before the build's tokens are issued."""

    tree_size: Count
    root_hash: Sha256


class SnapshotInput(_Part, frozen=True):
    """A policy snapshot or a terms document, by the digest its authority signed."""

    id: Text
    policy_snapshot_hash: Sha256


class WaiverInput(_Part, frozen=True):
    """The clauses of a snapshot that an approver's waiver, by its digest, lets pass unmapped."""

    digest: Sha256
    policy_snapshot_hash: Sha256
    clause_ids: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=100)]


class DatasetInput(_Part, frozen=True):
    """A version of a list, by the digest of its content."""

    provider: Text
    dataset: Text
    version: Text
    content_sha256: Sha256


class RmtTarget(_Part, frozen=True, tag_field="type", tag="RMT"):
    """An RMT to build, with its issue number and its place in the status list."""

    jurisdiction: Text
    domain: Text
    issue: Issue
    status_idx: Count


class ImtTarget(_Part, frozen=True, tag_field="type", tag="IMT"):
    """An IMT to build, with its issue number and its place in the status list."""

    corridor: Text
    domain: Text
    issue: Issue
    status_idx: Count


class CortTarget(_Part, frozen=True, tag_field="type", tag="CORT"):
    """A CORT to build from terms, with its issue number and its place in the status list."""

    corridor: Text
    domain: Text
    name: Text
    issue: Issue
    status_idx: Count


class PsrtTarget(_Part, frozen=True, tag_field="type", tag="PSRT"):
    """A PSRT to build from terms, with its issue number and its place in the status list."""

    corridor: Text
    domain: Text
    name: Text
    issue: Issue
    status_idx: Count


class RrmtTarget(_Part, frozen=True, tag_field="type", tag="RRMT"):
    """An RRMT to build from terms, with its issue number and its place in the status list."""

    jurisdiction: Text
    domain: Text
    issue: Issue
    status_idx: Count


Target = RmtTarget | ImtTarget | CortTarget | PsrtTarget | RrmtTarget


class ParentInput(_Part, frozen=True):
    """A token that was issued before and that tokens of this build rest on."""

    token_id: Text
    canonical_hash: Sha512


class Inputs(_Part, frozen=True):
    """Everything a build depends on.

    Attributes:
      kid: the key that will sign first; the token names it.
      issued_at: the instant of issue, RFC 3339; the build reads no clock.
      rev_epoch: the revocation counter when the build was asked for.
      log_anchor: the log's head before it.
      transparency_log: where the log is read.
      status_list_uri: where the status list is read; each target has its reserved place in it.
    """

    compiler_version: Text
    schema_version: Text
    library_digest: Sha256
    catalogue_digest: Sha256
    issuer: Text
    kid: Text
    issued_at: Text
    rev_epoch: Count
    log_anchor: LogAnchor
    transparency_log: Text
    status_list_uri: Text
    snapshots: tuple[SnapshotInput, ...]
    datasets: tuple[DatasetInput, ...]
    targets: Annotated[tuple[Target, ...], Meta(min_length=1, max_length=MAX_TARGETS)]
    parents: tuple[ParentInput, ...] = ()
    waivers: tuple[WaiverInput, ...] = ()
    terms: tuple[SnapshotInput, ...] = ()


class Artefact(_Part, frozen=True):
    """One file that came out of a build."""

    name: Text
    sha256: Sha256


class Manifest(_Part, frozen=True):
    """A build, by what went in and what came out."""

    build_id: Sha256
    inputs: Inputs
    artefacts: tuple[Artefact, ...]


def catalogue_digest(library: Library) -> str:
    """Return the digest of the control catalogue: of its ids and titles."""
    controls: dict[str, JsonValue] = dict(library.controls)
    return digests.of_document(controls)


def build_id(inputs: dict[str, JsonValue]) -> str:
    """Return the id of the build with these inputs: their digest."""
    return digests.of_document(inputs)


def read_inputs(document: JsonValue) -> Inputs:
    """Return the inputs part of a manifest.

    Raises:
      RtgfError: RTGF_INPUT_INVALID with a JSON Pointer.
    """
    return fit(document, Inputs, code=_CODE)


def make(inputs: dict[str, JsonValue], artefacts: Mapping[str, bytes]) -> bytes:
    """Return the canonical manifest of a build."""
    listed = {name: digests.sha256(content) for name, content in artefacts.items()}
    return of_digests(inputs, listed)


def of_digests(inputs: dict[str, JsonValue], artefacts: Mapping[str, str]) -> bytes:
    """Return the canonical manifest of a build whose artefacts have these digests."""
    listed: list[JsonValue] = [
        {"name": name, "sha256": digest} for name, digest in sorted(artefacts.items())
    ]
    text = canonical_json.canonical_bytes(inputs)
    # What is most of it is written once.
    return b'{"artefacts":%b,"build_id":"%b","inputs":%b}' % (
        canonical_json.canonical_bytes(listed),
        digests.sha256(text).encode("ascii"),
        text,
    )


def parse(data: bytes) -> Manifest:
    """Return the manifest in `data`, its build id checked against its inputs.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is no manifest; RTGF_BUILD_HASH_MISMATCH if its build id
        is not the digest of its inputs.
    """
    document = canonical_json.parse(data, max_bytes=MAX_MANIFEST_BYTES)
    manifest = fit(document, Manifest, code=_CODE)
    assert isinstance(document, dict)
    inputs = document["inputs"]
    assert isinstance(inputs, dict)
    computed = build_id(inputs)
    if computed != manifest.build_id:
        raise RtgfError(
            Code.RTGF_BUILD_HASH_MISMATCH,
            f"the inputs have the digest {computed}, the manifest states {manifest.build_id}",
            pointer="/build_id",
        )
    names = [artefact.name for artefact in manifest.artefacts]
    if names != sorted(set(names)):
        raise RtgfError(_CODE, "artefacts are listed once each, by name", pointer="/artefacts")
    return manifest


def compare(a: bytes, b: bytes) -> list[str]:
    """Return the names of the artefacts in which two builds differ, sorted; `inputs` counts as one.

    Raises:
      RtgfError: as `parse`, if one of them is no manifest.
    """
    first, second = parse(a), parse(b)
    held_a = {artefact.name: artefact.sha256 for artefact in first.artefacts}
    held_b = {artefact.name: artefact.sha256 for artefact in second.artefacts}
    different = {
        name for name in held_a.keys() | held_b.keys() if held_a.get(name) != held_b.get(name)
    }
    if first.build_id != second.build_id:
        different.add("inputs")
    return sorted(different)
