"""`rtgf policy coverage`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rtgf_node.cli import connection, output, policy_files
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_files import OwnLibrary
from rtgf_node.cli.verify import USAGE_EXIT, read
from rtgf_node.client import Node
from rtgf_node.core import canonical_json, identifiers, snapshot, tokens
from rtgf_node.core.policy import coverage as covering
from rtgf_node.core.policy.coverage import Report
from rtgf_node.core.policy.coverage_page import page
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot_faults import unsealed
from rtgf_node.whole_file import write_whole

UNMAPPED_EXIT = 65
"""A clause is neither mapped nor waived: no build takes such a snapshot."""


def coverage(
    file: Annotated[Path | None, Parameter(help="A policy snapshot.")] = None,
    *,
    token: Annotated[
        list[Path] | None,
        Parameter(negative="", help="With FILE: a token that may carry its rules; repeatable."),
    ] = None,
    node: Annotated[
        bool, Parameter(negative="", help="All snapshots in force at the node, and its tokens.")
    ] = False,
    html: Annotated[
        Path | None, Parameter(help="Write the report here too, as one page of HTML.")
    ] = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    own: OwnLibrary | None = None,
    as_json: AsJson = False,
) -> int:
    """Say which clause of which law became which predicate in which tokens, and which did not.

    Where it runs: with FILE anywhere, with no network; with --node anywhere that reaches the node,
    over HTTPS. It writes nothing but the page that --html names. Exit code 0, or 65 if a clause is
    neither mapped nor waived.

    Examples:
      rtgf policy coverage eu.json --token rmt-eu.json --html coverage.html
      rtgf policy coverage --node
    """
    if (file is None) is not node:
        output.say("rtgf: name a FILE, or say --node")
        return USAGE_EXIT
    if file is not None:
        held = [_token(read(one, limit=tokens.MAX_TOKEN_BYTES)) for one in token or ()]
        library = policy_files.library(own)
        reports = [_report(read(file, limit=snapshot.MAX_SNAPSHOT_BYTES), held, library)]
    else:
        told = connection.settings(config)
        with connection.node(told, certificate=cert, key=key) as reached:
            reports = list(_of_node(reached, policy_files.library(own, told.library)))
    if html is not None:
        write_whole(html, page(reports).encode())
    text = "\n".join(covering.text(one) for one in reports)
    output.result({"snapshots": reports}, text, as_json=as_json)
    return UNMAPPED_EXIT if any(one.unmapped for one in reports) else 0


def _report(data: bytes, held: list[dict[str, Any]], library: Library) -> Report:
    document = canonical_json.parse_object(data, max_bytes=snapshot.MAX_SNAPSHOT_BYTES)
    entry = snapshot.parse(canonical_json.canonical_bytes(unsealed(document)))
    waived = {
        str(clause["clause_id"])
        for one in held
        if entry.jurisdiction in {one.get("jurisdiction"), *str(one.get("corridor")).split("-")}
        for clause in one.get("unmapped_clauses") or ()
    }
    return covering.report(entry, library, waived=waived, tokens=held)


def _of_node(node: Node, library: Library) -> Iterator[Report]:
    """Yield the report of each snapshot that a token in force rests on."""
    entries = [entry for entry in node.catalog_entries() if not entry.revoked]
    held = [_token(node.token(one.uri)) for one in entries if one.type in {"RMT", "IMT"}]
    snapshots: set[str] = set()
    for one in held:
        if one["type"] == "RMT":
            version = identifiers.split_token_id(one["token_id"]).version
            snapshots.add(identifiers.snapshot_id(one["jurisdiction"], one["domain"], version))
    for name in sorted(snapshots):
        yield _report(node.snapshot(name), held, library)


def _token(data: bytes) -> dict[str, Any]:
    tokens.parse(data)
    return canonical_json.parse_object(data, max_bytes=tokens.MAX_TOKEN_BYTES)
