"""`rtgf policy new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from rtgf_node.cli import output, policy_files
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_files import OwnLibrary
from rtgf_node.cli.verify import USAGE_EXIT
from rtgf_node.core import canonical_json, terms_draft, times
from rtgf_node.core.snapshot_draft import draft
from rtgf_node.core.snapshot_faults import TO_FILL
from rtgf_node.errors import Code, RtgfError
from rtgf_node.whole_file import write_whole


def new(
    file: Annotated[Path, Parameter(help="The file to write; it must not exist yet.")],
    *,
    domain: Annotated[str, Parameter(help="Such as payments_aml.")],
    issuer: Annotated[str, Parameter(help="The authority, such as did:web:fma.example.")],
    effective: Annotated[str, Parameter(help="Since when, such as 2027-01-01T00:00:00Z.")],
    expires: Annotated[str, Parameter(help="Until when.")],
    jurisdiction: Annotated[
        str | None, Parameter(help="Whose law or prices they are, such as EU.")
    ] = None,
    template: Annotated[
        list[str] | None,
        Parameter(negative="", help="A clause of this kind; repeat for several."),
    ] = None,
    terms: Annotated[
        terms_draft.Kind | None, Parameter(help="Write terms of this kind, and no snapshot.")
    ] = None,
    corridor: Annotated[str | None, Parameter(help="Of the terms, such as EU-SG.")] = None,
    name: Annotated[str | None, Parameter(help="Of the corridor's operation or the route.")] = None,
    own: OwnLibrary | None = None,
    as_json: AsJson = False,
) -> int:
    """Write a snapshot or terms to begin with: all members in place, texts that say what to fill.

    Where it runs: anywhere, with no network and no node; it writes FILE and overwrites nothing.

    Examples:
      rtgf policy new eu.json --jurisdiction EU --domain payments_aml \
        --issuer did:web:fma.example --template record_retention \
        --effective 2027-01-01T00:00:00Z --expires 2028-01-01T00:00:00Z
      rtgf policy new instant.json --terms Corridor --corridor EU-SG --name instant \
        --domain payments_aml --issuer did:web:fma.example \
        --effective 2027-01-01T00:00:00Z --expires 2028-01-01T00:00:00Z
    """
    if file.exists():
        raise RtgfError(Code.RTGF_EXISTS, f"{file} exists; name another file")
    for moment in (effective, expires):
        times.parse(moment)
    place = jurisdiction if terms in {None, "RevenueRules"} else corridor
    if place is None or (terms is None and not template):
        output.say(
            "rtgf: a snapshot takes --jurisdiction and --template, terms of revenue rules take"
            " --jurisdiction, all others --corridor and --name"
        )
        return USAGE_EXIT
    if terms is not None:
        document = terms_draft.draft(
            terms,
            place=place,
            domain=domain,
            name=name,
            effective=effective,
            expires=expires,
            issuer=issuer,
        )
    else:
        document = draft(
            jurisdiction=place,
            domain=domain,
            effective=effective,
            expires=expires,
            issuer=issuer,
            templates=template or [],
            library=policy_files.library(own),
        )
    body = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    write_whole(file, body)
    left = canonical_json.canonical_bytes(document).count(TO_FILL.encode())
    told = {"file": str(file), "id": document["id"], "to_fill": left}
    lines = [
        f"{file}: {document['id']}, {left} places to fill in, each beginning {TO_FILL.strip()!r}",
        f"then: rtgf policy check {file}",
    ]
    output.result(told, "\n".join(lines), as_json=as_json)
    return 0
