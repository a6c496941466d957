"""A snapshot to begin with: every member and every parameter in its place, the values to be filled.

JSON has no comments, so the texts to fill say themselves what belongs there. `snapshot_check` finds
each one that is left; a draft in which all are filled, truly, passes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rtgf_node.core import identifiers
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.misfits import nearest
from rtgf_node.core.policy.parameters import COMPARISONS, ParameterSpec
from rtgf_node.core.policy.templates import Library, Template
from rtgf_node.core.snapshot import CONTEXT, MAX_TTL_SECONDS, TYPE
from rtgf_node.core.snapshot_faults import TO_FILL
from rtgf_node.errors import Code, RtgfError

Document = dict[str, JsonValue]

TTL_SECONDS: Final = 3_600
"""How old a cached copy of a draft's token may be, until its author says otherwise."""

_FORMS: Final = {
    "money": 'an object such as {"value": "1000.00", "currency": "EUR"}',
    "duration": "a duration such as P5Y, P30D or P3BD (business days)",
    "decimal": 'a decimal in quotes, such as "0.92"',
    "integer": "a whole number, without quotes",
    "boolean": "true or false, without quotes",
    "list": "a list of words",
    "jurisdictions": "a list of jurisdictions, such as EU and SG",
    "field_groups": "a list of groups of field names; of each group one field is enough",
    "control": "a control of the control catalogue",
    "string": "a word",
    "datasets": "a list of names of lists, as evidence_sources names them",
    "time": "a time of day, such as 17:00",
    "utc_offset": "an offset from UTC, such as +02:00",
}


def draft(
    *,
    jurisdiction: str,
    domain: str,
    effective: str,
    expires: str,
    issuer: str,
    templates: Sequence[str],
    library: Library,
) -> Document:
    """Return a snapshot with one clause and one scenario of each template, to be filled in.

    Raises:
      RtgfError: RTGF_INPUT_INVALID for a place or domain that is none;
        RTGF_MAP_PREDICATE_TEMPLATE_MISSING with the nearest name.
    """
    place, subject = identifiers.jurisdiction(jurisdiction), identifiers.domain(domain)
    version = effective[:7]
    chosen = [_template(name, library) for name in templates]
    return {
        "@context": CONTEXT,
        "@type": TYPE,
        "id": identifiers.snapshot_id(place, subject, version),
        "version": version,
        "jurisdiction": place,
        "domain": subject,
        "status": "illustrative",
        "issuer": issuer,
        "effective_date": effective,
        "expires_at": expires,
        "assurance_level": _fill("low, substantial or high"),
        "ttl_sec": TTL_SECONDS,
        "policy_max_ttl": MAX_TTL_SECONDS,
        "signature_threshold": 1,
        "normative_references": [
            {
                "id": "law",
                "instrument": _fill("the instrument as one cites it"),
                "title": _fill("its title"),
                "in_force": {"from": _fill("the day since when it is law, such as 2024-12-30")},
            }
        ],
        "clauses": [_clause(place, number, one, library) for number, one in enumerate(chosen, 1)],
        "evidence_sources": _sources(chosen),
        "scenarios": [_scenario(one) for one in chosen],
    }


def _template(name: str, library: Library) -> Template:
    found = library.templates.get(name)
    if found is None:
        meant = nearest(name, library.templates)
        hint = f"did you mean {meant}?" if meant else f"there are {', '.join(library.templates)}"
        raise RtgfError(
            Code.RTGF_MAP_PREDICATE_TEMPLATE_MISSING,
            f"the library {library.version} has no template {name!r}; {hint}",
        )
    return found


def _clause(place: str, number: int, template: Template, library: Library) -> Document:
    words = template.name.replace("_", "-")
    params: Document = {name: _fill(_form(spec, library)) for name, spec in template.params.items()}
    return {
        "clause_id": f"{place.lower()}.{words}-{number}",
        "kind": template.kinds[0] if len(template.kinds) == 1 else _one_of(template.kinds),
        "template": template.name,
        "params": params,
        "applies_to": _one_of(("originator", "beneficiary", "both")),
        "citation": {"ref": "law", "article": _fill("where in the law, such as Article 4")},
    }


def _form(spec: ParameterSpec, library: Library) -> str:
    choices = spec.choices
    if spec.type == "comparison":
        choices = COMPARISONS
    elif spec.type == "control":
        choices = tuple(sorted(library.controls))
    elif spec.type == "calendar":
        choices = tuple(sorted(library.calendars))
    form = _FORMS.get(spec.type, "one of")
    if choices:
        form = f"{'a list of' if spec.type == 'list' else 'one of'} {', '.join(choices)}"
    leave = "" if spec.required else " Leave it out if it is not needed."
    return f"{form}. {spec.description}{leave}"


def _sources(templates: Sequence[Template]) -> JsonValue:
    if not any("lists" in template.params for template in templates):
        return []
    return [
        {
            "provider": _fill("who publishes the list"),
            "dataset": _fill("the list's name, as the parameter lists names it"),
            "feed": {"max_age": "P2D", "min_records": 1},
            "authenticity": _one_of(("signed", "checksum", "tls_only")),
        }
    ]


def _scenario(template: Template) -> Document:
    """Return a test with the context of the template's own example, its outcome to be filled."""
    return {
        "name": _fill("what is tested, in words"),
        "context": dict(template.examples[0].context),
        "expect": {
            "decision": _one_of(("PERMIT", "PERMIT_WITH_CONTROLS", "DENY")),
            "reasons": [],
        },
    }


def _one_of(choices: Sequence[str]) -> str:
    return _fill(f"one of {', '.join(choices)}")


def _fill(what: str) -> str:
    return f"{TO_FILL}{what}"
