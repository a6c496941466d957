"""A planned build: what the builders are given, and what the compiler has to know beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import trio

from rtgf_node.actors.build_record import BuildRecord
from rtgf_node.building.worker import decode_inputs, same_work
from rtgf_node.core import digests, manifest
from rtgf_node.core.build import BuildOutput
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.canonical_json import parse_object
from rtgf_node.errors import RtgfError
from rtgf_node.wire import Document


class Work(NamedTuple):
    """A planned build.

    Attributes:
      failures: entries of the queue that cannot be built, and why; they are not in it.
      accepted: gives the digest of the conflicts that a token's corridor was last published with.
    """

    build_id: str
    targets: int
    request: bytes
    content_digests: tuple[str, ...]
    failures: Mapping[Place, RtgfError]
    accepted: Callable[[Document], str | None]

    def going_on(self, left: bytes | None) -> Work:
        """Return this work under the request that is left of it, if that asked for the same."""
        if left is None or not same_work(left, self.request):
            return self
        document, _ = decode_inputs(left)
        return self._replace(build_id=manifest.build_id(document), request=left)

    def new_conflict(self, token: Document) -> Document | None:
        """Return the token's conflicts if nobody has accepted just these for its corridor yet."""
        if not token.get("effective_conflicts"):
            return None
        conflict: Document = {
            "corridor": token["corridor"],
            "domain": token["domain"],
            "conflicts": token["effective_conflicts"],
        }
        return None if self.accepted(token) == digests.of_document(conflict) else conflict


async def select(
    build: BuildRecord, work: Work, output: BuildOutput, mapped: Callable[[Document], None]
) -> tuple[list[str], list[Document]]:
    """Return the tokens to publish, by their artefacts, and the conflicts that go with them.

    What is published and what is held is noted in `build`, and `mapped` is told each token.
    """
    accepted: list[Document] = []
    names, held = list[str](), set[str]()
    for name in output.token_names():
        await trio.lowlevel.checkpoint()
        token: Document = parse_object(output.artefacts[name])
        mapped(token)
        conflict = work.new_conflict(token)
        refused = conflict is not None and not build.asked.accept_conflicts
        if refused or not held.isdisjoint(token["derived_from"]):
            held.add(token["token_id"])
            build.held.append(token["token_id"])
            continue
        if conflict is not None:
            accepted.append(conflict)
        build.issued.append(token["token_id"])
        names.append(name)
    return names, accepted


def id_of(left: bytes | None) -> str | None:
    """Return the id of the build whose request is left; None if none is."""
    return None if left is None else manifest.build_id(decode_inputs(left)[0])
