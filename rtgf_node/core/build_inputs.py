"""What a build is given, held against what its manifest says of it, and cut into pieces of work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from rtgf_node.core import identifiers, snapshot, tokens
from rtgf_node.core.assembly import Document
from rtgf_node.core.manifest import ImtTarget, Inputs, RmtTarget, RrmtTarget, SnapshotInput, Target
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.core.terms_document import TermsDocument
from rtgf_node.errors import Code, RtgfError

Entry = TypeVar("Entry", Snapshot, TermsDocument)
Key = TypeVar("Key")


LEAST_TARGETS: Final = 50
"""Corridors that are worth a piece of their own: what is asked and kept of one takes a moment."""


class Place(NamedTuple):
    """A jurisdiction in a domain: one entry of the queue of what is to be built."""

    name: str
    domain: str


def pieces(targets: Sequence[Target]) -> list[list[int]]:
    """Return the numbers of the targets, cut into pieces of work.

    Every RMT is one. All corridors that begin at one place in one domain are in one, with
    everything that rests on them and the prices of that place; where that is little, the next are
    in it too. The RMTs come first, because nothing that rests on them can be built when one of them
    cannot.
    """
    cut: dict[tuple[bool, str, str], list[int]] = {}
    for number, target in enumerate(targets):
        if isinstance(target, RmtTarget | RrmtTarget):
            later = isinstance(target, RrmtTarget)
            key = (later, target.jurisdiction, target.domain)
        else:
            key = (True, target.corridor.partition("-")[0], target.domain)
        cut.setdefault(key, []).append(number)
    made: list[list[int]] = []
    takes_more = False
    for key in sorted(cut):
        if takes_more:
            made[-1] += cut[key]
        else:
            made.append(cut[key])
        takes_more = key[0] and len(made[-1]) < LEAST_TARGETS
    return made


def rmt_targets(inputs: Inputs) -> dict[Place, RmtTarget]:
    """Return the RMTs to build, by their place.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if two targets are the same.
    """
    seen: set[tuple[type[Target], str, str]] = set()
    found: dict[Place, RmtTarget] = {}
    for target in inputs.targets:
        if isinstance(target, RmtTarget | RrmtTarget):
            place, name = target.jurisdiction, target.domain
        else:
            place = identifiers.corridor(target.corridor)
            name = target.domain if isinstance(target, ImtTarget) else target.name
        if isinstance(target, RmtTarget):
            found[Place(place, name)] = target
        if (type(target), place, name) in seen:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"two targets are {place} {name}; name each once",
                pointer="/targets",
            )
        seen.add((type(target), place, name))
    return found


def read_entries(
    stated: Sequence[SnapshotInput],
    held: Mapping[str, bytes],
    read: Callable[[bytes], Entry],
    of: Callable[[Entry], Key],
    *,
    member: str,
) -> dict[Key, Entry]:
    """Return the snapshots, or the terms, that the inputs name, by what they are of.

    Args:
      stated: how the inputs name them.
      held: their bytes by id.
      read: reads one and checks it.
      of: what one is of; the inputs have one of each.
      member: where in the inputs they are named.

    Raises:
      RtgfError: RTGF_BUILD_HASH_MISMATCH, RTGF_BUILD_SNAPSHOT_INVALID or RTGF_INPUT_INVALID.
    """
    found: dict[Key, Entry] = {}
    for index, one in enumerate(stated):
        pointer = f"/{member}/{index}"
        if one.id not in held:
            raise _missing(one.id, pointer)
        try:
            entry = read(held[one.id])
        except RtgfError as error:
            raise invalid(one.id, error) from error
        if (entry.id, entry.policy_snapshot_hash) != (one.id, one.policy_snapshot_hash):
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the inputs name {one.id} with {one.policy_snapshot_hash}, the bytes are"
                f" {entry.id} with {entry.policy_snapshot_hash}",
                pointer=pointer,
            )
        key = of(entry)
        if key in found:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"both {found[key].id} and {entry.id} are of one thing; build with the newer",
                pointer=pointer,
            )
        found[key] = entry
    return found


def read_snapshots(inputs: Inputs, held: Mapping[str, bytes]) -> dict[Place, Snapshot]:
    """Return the snapshots that the inputs name; see `read_entries`."""
    return read_entries(
        inputs.snapshots,
        held,
        # How old a copy may be was settled when it was taken in.
        lambda data: snapshot.read(data, max_ttl_sec=snapshot.ANY_TTL)[1],
        lambda entry: Place(entry.jurisdiction, entry.domain),
        member="snapshots",
    )


class Parents(NamedTuple):
    """Issued tokens that others rest on.

    Attributes:
      rmts: by their place.
      bases: IMTs and CORTs, by the beginning of their ids.
    """

    rmts: dict[Place, Document]
    bases: dict[str, Document]


def read_parents(inputs: Inputs, held: Mapping[str, bytes]) -> Parents:
    """Return the issued tokens that the inputs name, held to their digests.

    Raises:
      RtgfError: RTGF_BUILD_HASH_MISMATCH, RTGF_TOKEN_SCHEMA_INVALID or RTGF_INPUT_INVALID.
    """
    found = Parents({}, {})
    for index, stated in enumerate(inputs.parents):
        pointer = f"/parents/{index}"
        if stated.token_id not in held:
            raise _missing(stated.token_id, pointer)
        token, document, computed = tokens.read(held[stated.token_id])
        if (token.token_id, computed) != (stated.token_id, stated.canonical_hash):
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the bytes of {stated.token_id} have not the digest that the inputs name",
                pointer=pointer,
            )
        if token.type == "RMT" and token.jurisdiction is not None:
            found.rmts[Place(token.jurisdiction, token.domain)] = document
        elif token.type in {"IMT", "CORT"}:
            found.bases[token.token_id.rpartition(":")[0]] = document
        else:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"nothing rests on {token.token_id}", pointer=pointer
            )
    return found


def _missing(name: str, pointer: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_BUILD_HASH_MISMATCH, f"the bytes of {name} are missing", pointer=pointer
    )


def invalid(snapshot_id: str, error: RtgfError) -> RtgfError:
    """Return the refusal of a snapshot, with its reason inside."""
    return RtgfError(
        Code.RTGF_BUILD_SNAPSHOT_INVALID,
        f"{snapshot_id}: {error.detail}",
        pointer=error.pointer,
        causes=(error,),
    )
