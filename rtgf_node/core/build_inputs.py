"""What a build is given, held against what its manifest says of it, and cut into pieces of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rtgf_node.core import canonical_json, identifiers, snapshot, tokens
from rtgf_node.core.assembly import Document
from rtgf_node.core.manifest import ImtTarget, Inputs, RmtTarget, RrmtTarget, Target
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.errors import Code, RtgfError


class Place(NamedTuple):
    """A jurisdiction in a domain: one entry of the queue of what is to be built."""

    name: str
    domain: str


def pieces(targets: Sequence[Target]) -> list[list[int]]:
    """Return the numbers of the targets, cut into pieces of work.

    Every RMT is one. All corridors that begin at one place in one domain are one, with everything
    that rests on them and the prices of that place. The RMTs come first, because nothing that rests
    on them can be built when one of them cannot.
    """
    cut: dict[tuple[bool, str, str], list[int]] = {}
    for number, target in enumerate(targets):
        if isinstance(target, RmtTarget | RrmtTarget):
            later = isinstance(target, RrmtTarget)
            key = (later, target.jurisdiction, target.domain)
        else:
            key = (True, target.corridor.partition("-")[0], target.domain)
        cut.setdefault(key, []).append(number)
    return [cut[key] for key in sorted(cut)]


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


def read_snapshots(inputs: Inputs, held: Mapping[str, bytes]) -> dict[Place, Snapshot]:
    """Return the snapshots that the inputs name, out of their bytes by id.

    Raises:
      RtgfError: RTGF_BUILD_HASH_MISMATCH, RTGF_BUILD_SNAPSHOT_INVALID or RTGF_INPUT_INVALID.
    """
    found: dict[Place, Snapshot] = {}
    for index, stated in enumerate(inputs.snapshots):
        place = f"/snapshots/{index}"
        if stated.id not in held:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the bytes of {stated.id} are missing",
                pointer=place,
            )
        try:
            # How old a copy may be was settled when it was taken in.
            _, entry = snapshot.read(held[stated.id], max_ttl_sec=snapshot.ANY_TTL)
        except RtgfError as error:
            raise invalid(stated.id, error) from error
        if entry.id != stated.id or entry.policy_snapshot_hash != stated.policy_snapshot_hash:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the inputs name {stated.id} with {stated.policy_snapshot_hash}, the bytes are"
                f" {entry.id} with {entry.policy_snapshot_hash}",
                pointer=place,
            )
        where = Place(entry.jurisdiction, entry.domain)
        if where in found:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"two snapshots of {where.name} {where.domain}; build with the newest",
                pointer=place,
            )
        found[where] = entry
    return found


def read_parents(inputs: Inputs, held: Mapping[str, bytes]) -> dict[Place, Document]:
    """Return the issued RMTs that the inputs name, all parents held to their digests.

    Raises:
      RtgfError: RTGF_BUILD_HASH_MISMATCH, RTGF_TOKEN_SCHEMA_INVALID or RTGF_INPUT_INVALID.
    """
    found: dict[Place, Document] = {}
    for index, stated in enumerate(inputs.parents):
        place = f"/parents/{index}"
        if stated.token_id not in held:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the bytes of {stated.token_id} are missing",
                pointer=place,
            )
        token = tokens.parse(held[stated.token_id])
        document = canonical_json.parse_object(held[stated.token_id])
        if (token.token_id, tokens.canonical_hash(document)) != (
            stated.token_id,
            stated.canonical_hash,
        ):
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the bytes of {stated.token_id} have not the digest that the inputs name",
                pointer=place,
            )
        if token.type not in {"RMT", "IMT", "CORT"}:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"nothing rests on {token.token_id}", pointer=place
            )
        if token.type == "RMT" and token.jurisdiction is not None:
            found[Place(token.jurisdiction, token.domain)] = document
    return found


def invalid(snapshot_id: str, error: RtgfError) -> RtgfError:
    """Return the refusal of a snapshot, with its reason inside."""
    return RtgfError(
        Code.RTGF_BUILD_SNAPSHOT_INVALID,
        f"{snapshot_id}: {error.detail}",
        pointer=error.pointer,
        causes=(error,),
    )
