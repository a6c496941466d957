"""`rtgf diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter

from rtgf_node.cli import connection, diff_text, output, policy_files
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_files import List, ListFiles, OwnLibrary
from rtgf_node.cli.verify import USAGE_EXIT, read
from rtgf_node.core import canonical_json, snapshot, terms_document, tokens
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.lists import difference as list_difference
from rtgf_node.core.policy import consequences, difference, plan
from rtgf_node.core.policy.difference import Rules
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot_agreement import check_agreement
from rtgf_node.core.snapshot_faults import unsealed
from rtgf_node.core.terms_document import is_terms
from rtgf_node.errors import Code, RtgfError

SAME_EXIT, DIFFERENT_EXIT = 0, 1
_SNAPSHOT_ALONE = frozenset({"valid_from", "valid_to", "control_id"})


class Side(NamedTuple):
    """One of the two things to compare: what kind it is, and its document."""

    kind: str
    rules: Rules


def diff(
    a: Annotated[str, Parameter(help="A file, or the id of a snapshot, terms or token.")],
    b: Annotated[str, Parameter(help="The newer one.")],
    *,
    reader: Annotated[
        str | None,
        Parameter(help="A and B are versions of a list, in the format of this reader."),
    ] = None,
    names: Annotated[
        bool,
        Parameter(negative="", help="With --reader: print the names of listed parties too."),
    ] = False,
    list_: ListFiles = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    own: OwnLibrary | None = None,
    as_json: AsJson = False,
) -> int:
    """Say what changed: clauses, parameters, names on a list, and which decisions are others now.

    Where it runs: with files anywhere, with no network; with ids anywhere that reaches the node,
    over HTTPS. It writes nothing. Exit code as of diff: 0 the same, 1 different, another for an
    error. Scenarios that screen names need the lists, by --list.

    Examples:
      rtgf diff eu-2026-10.json eu-2027-01.json
      rtgf diff RMT:EU:payments_aml:2026-10.1 RMT:EU:payments_aml:2027-01.1
      rtgf diff un-monday.xml un-tuesday.xml --reader un-xml
    """
    if reader is not None:
        return _lists(a, b, reader, names=names, as_json=as_json)
    if names:
        output.say("rtgf: --names goes with --reader and two files of a list")
        return USAGE_EXIT
    library = policy_files.library(own)
    documents = [_document(one, config, cert, key) for one in (a, b)]
    old, new = (_side(document, library) for document in documents)
    if {old.kind, new.kind} == {"snapshot", "token"}:
        # A token has members of its own; what is comparable is the clauses.
        old, new = (Side("clauses", _clauses_alone(side.rules)) for side in (old, new))
    elif {old.kind, new.kind} == {"terms", "token"}:
        old, new = (Side("terms", _terms_alone(side.rules)) for side in (old, new))
    elif old.kind != new.kind:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"nothing compares a {old.kind} document with a {new.kind} one"
        )
    answers = policy_files.answers(list_)
    found = difference.compare(old.rules, new.rules)
    scenarios = consequences.of_scenarios(old.rules, new.rules, answers)
    boundary = consequences.at_boundaries(old.rules, new.rules, library, answers)
    told = {
        "kind": old.kind,
        "a": old.rules.name,
        "b": new.rules.name,
        "same": found.is_empty and not any(one.differs for one in scenarios),
        "difference": found,
        "scenarios": scenarios,
        "boundaries": boundary,
    }
    lines = diff_text.rules(old.rules, new.rules, found, scenarios, boundary)
    output.result(told, "\n".join(lines), as_json=as_json)
    return SAME_EXIT if told["same"] else DIFFERENT_EXIT


def _lists(a: str, b: str, reader: str, *, names: bool, as_json: bool) -> int:
    old, new = (policy_files.read_list(path, reader, Path(path)) for path in (a, b))
    found = list_difference.compare(old.records, new.records)
    known = _names(old, new) if names else {}
    told: dict[str, Any] = {
        "kind": "list",
        "a": {"file": a, "content_sha256": old.content_sha256},
        "b": {"file": b, "content_sha256": new.content_sha256},
        "same": found.is_empty,
        "difference": found,
    }
    if names:
        touched = {*found.added, *found.removed, *found.changed}
        told["names"] = {one: known[one] for one in sorted(touched)}
    lines = diff_text.lists(old, new, found, known)
    output.result(told, "\n".join(lines), as_json=as_json)
    return SAME_EXIT if found.is_empty else DIFFERENT_EXIT


def _names(old: List, new: List) -> dict[str, tuple[str, ...]]:
    return {one.source_id: one.names for one in (*old.records, *new.records)}


def _document(
    given: str, config: Path | None, cert: Path | None, key: Path | None
) -> dict[str, JsonValue]:
    if Path(given).exists():
        data = read(Path(given), limit=snapshot.MAX_SNAPSHOT_BYTES)
    elif ":" in given:
        with connection.node(connection.settings(config), certificate=cert, key=key) as node:
            if given.startswith("terms:"):
                data = node.terms(given)
            else:
                is_snapshot = given.startswith("snapshot:")
                data = node.snapshot(given) if is_snapshot else node.token(given)
    else:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{given} is no file, and no id at a node")
    return canonical_json.parse_object(data, max_bytes=snapshot.MAX_SNAPSHOT_BYTES)


def _side(document: dict[str, JsonValue], library: Library) -> Side:
    """Return the rules in a document.

    Raises:
      RtgfError: it is no snapshot, no terms and no token, or does not fit its schema or itself.
    """
    if "@type" in document:
        body = canonical_json.canonical_bytes(unsealed(document))
        if is_terms(document):
            terms = terms_document.parse(body)
            for error in terms_document.disagreements(terms, max_ttl_sec=snapshot.ANY_TTL):
                raise error
            return Side("terms", difference.of_terms(terms))
        held = snapshot.parse(body)
        check_agreement(held, max_ttl_sec=snapshot.ANY_TTL)
        return Side("snapshot", difference.of_snapshot(held, library))
    token, _, computed = tokens.read(canonical_json.canonical_bytes(document))
    if computed != token.canonical_hash:
        raise RtgfError(
            Code.RTGF_TOKEN_CANONICAL_MISMATCH,
            f"{token.token_id} was altered after it was built",
            pointer="/canonical_hash",
        )
    if token.predicate_set is not None:
        plan.check(token.eval_plan, token.predicate_set)
    return Side("token", difference.of_token(document))


def _terms_alone(rules: Rules) -> Rules:
    """Return the one member that a terms document and its token both state."""
    members = {name: value for name, value in rules.members.items() if name == "terms"}
    return Rules(rules.name, {}, members, [], scenarios=(), at=rules.at)


def _clauses_alone(rules: Rules) -> Rules:
    """Return what a snapshot and a token both state: a token has no days of a clause apart."""
    clauses = {
        key: {name: value for name, value in stated.items() if name not in _SNAPSHOT_ALONE}
        for key, stated in rules.clauses.items()
    }
    return Rules(rules.name, clauses, {}, rules.predicates, scenarios=rules.scenarios, at=rules.at)
