"""AuthZEN Authorization API 1.0: what is asked, and which token or local rule has to say it.

A request about a resource of the type `token` is decided by that token; its payment is put together
from the request. Any other is decided by the first of the node's local rules that it fits, and
refused where none does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from rtgf_node.core import canonical_json
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.shapes import fit, pointer
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire.authzen import (
    AccessAnswer,
    AccessBatch,
    AccessContext,
    AccessError,
    AccessRequest,
)

TOKEN: Final = "token"  # noqa: S105 - a type of resource
"""The type of resource that a token decides on; its id is the token's id or URI."""

MAX_EVALUATIONS: Final = 1000
"""Of one request, as many as `/verify/batch` takes."""

MAX_RULES: Final = 1000
"""Local rules; they are gone through one by one."""

ENTITIES: Final = ("subject", "action", "resource", "context")

_BAD: Final = Code.RTGF_VERIFY_BAD_REQUEST


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A local rule: a request that has all these members is decided so.

    A member that is an object is met by one that has its members; one that is a list, by any of its
    values.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    decision: bool
    when: dict[str, Any]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of local rules; the first that fits decides."""

    format: Literal["rtgf-authzen-rules/1"]
    rules: Annotated[tuple[Rule, ...], msgspec.Meta(max_length=MAX_RULES)]


NO_RULES: Final = Rules("rtgf-authzen-rules/1", ())


def read_rules(data: bytes) -> Rules:
    """Return the rules of a file.

    Raises:
      RtgfError: RTGF_JSON_INVALID, or RTGF_INPUT_INVALID with the place of what does not fit, or of
        a rule that asks about something a request has not.
    """
    rules = fit(canonical_json.parse(data), Rules, code=Code.RTGF_INPUT_INVALID)
    for number, rule in enumerate(rules.rules):
        unknown = sorted(rule.when.keys() - set(ENTITIES))
        if unknown:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"a request has {', '.join(ENTITIES)}",
                pointer=pointer("rules", number, "when", unknown[0]),
            )
    return rules


def read_request(document: JsonValue) -> AccessRequest:
    """Return one request.

    Raises:
      RtgfError: RTGF_VERIFY_BAD_REQUEST with the place of what is missing or of another type.
    """
    return fit(document, AccessRequest, code=_BAD)


def read_batch(body: bytes) -> tuple[AccessBatch, list[dict[str, JsonValue]]]:
    """Return a request of several, and each of them with what it takes from the whole.

    Raises:
      RtgfError: RTGF_JSON_INVALID, RTGF_VERIFY_BAD_REQUEST.
    """
    whole = canonical_json.parse_object(body)
    batch = fit(whole, AccessBatch, code=_BAD)
    if len(batch.evaluations) > MAX_EVALUATIONS:
        raise RtgfError(_BAD, f"send at most {MAX_EVALUATIONS}", pointer="/evaluations")
    shared = {name: whole[name] for name in ENTITIES if name in whole}
    return batch, [{**shared, **one} for one in batch.evaluations] or [whole]


def payment_of(request: AccessRequest) -> dict[str, JsonValue]:
    """Return the payment that a request is about, as `/evaluate` takes it.

    It is the context, with the properties of action and resource beside it, and the subject's as
    its originator.

    Raises:
      RtgfError: RTGF_VERIFY_BAD_REQUEST if two of them say different things of one member.
    """
    payment: dict[str, JsonValue] = dict(request.context)
    said: list[tuple[str, Mapping[str, JsonValue]]] = [
        ("action", request.action.properties),
        ("resource", request.resource.properties),
    ]
    if request.subject.properties:
        said.append(("subject", {"originator": request.subject.properties}))
    for entity, members in said:
        for name, value in members.items():
            if name in payment and not _same(payment[name], value):
                raise RtgfError(
                    _BAD, f"another value of {name!r} stands elsewhere", pointer=f"/{entity}"
                )
            payment[name] = value
    return payment


def by_rules(request: AccessRequest, rules: Rules) -> AccessAnswer:
    """Return what the local rules decide; nothing is permitted that no rule permits."""
    asked: dict[str, JsonValue] = msgspec.to_builtins(request)
    for rule in rules.rules:
        if _meets(asked, rule.when):
            return AccessAnswer(rule.decision, AccessContext(reasons=[], rule=rule.id))
    return AccessAnswer(decision=False, context=AccessContext(reasons=["NO_RULE"]))


def undecided(error: RtgfError) -> AccessAnswer:
    """Return the refusal of a request that cannot be decided; its reasons are the codes."""
    found = AccessError(error.code.value.status, error.sentence)
    codes = [error.code.name, *(cause.code.name for cause in error.causes)]
    return AccessAnswer(decision=False, context=AccessContext(reasons=codes, error=found))


def unknown_action(request: AccessRequest, actions: Collection[str]) -> AccessAnswer | None:
    """Return the refusal of an action that tokens say nothing of."""
    if request.action.name in actions:
        return None
    return AccessAnswer(decision=False, context=AccessContext(reasons=["ACTION_UNKNOWN"]))


def until_decisive(answers: Iterator[AccessAnswer], batch: AccessBatch) -> Iterator[AccessAnswer]:
    """Yield the answers up to the one that the request's semantic ends with."""
    ends_with = {"deny_on_first_deny": False, "permit_on_first_permit": True}
    end = ends_with.get(batch.options.evaluations_semantic)
    for answer in answers:
        yield answer
        if answer.decision is end:
            return


def _meets(value: JsonValue, wanted: JsonValue) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and _meets(value[name], inner) for name, inner in wanted.items()
        )
    if isinstance(wanted, list):
        return any(_meets(value, one) for one in wanted)
    return _same(value, wanted)


def _same(one: JsonValue, other: JsonValue) -> bool:
    """JSON's `true` is not its 1, as Python's is."""
    return type(one) is type(other) and canonical_json.canonical_bytes(
        one
    ) == canonical_json.canonical_bytes(other)
