"""The OpenAPI 3.1 document, made of the contract."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from rtgf_node.api import (
    contract,
    contract_admin,
    contract_authzen,
    contract_cluster,
    contract_log,
    contract_questions,
    contract_reads,
    contract_watching,
)
from rtgf_node.api.contract import KEY, Area, Content, Either, Operation, Parameter, Schema
from rtgf_node.api.parameters import CONSISTENCY
from rtgf_node.api.problems import MEDIA_TYPE, status_of
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import Code
from rtgf_node.wire import Problem

AREAS: Final = (
    contract_questions.QUESTIONS,
    contract_authzen.AUTHZEN,
    contract_reads.REGISTRY,
    contract_log.LOG,
    contract_log.REVOCATION,
    contract_reads.ABOUT,
    contract_admin.INTAKE,
    contract_admin.BUILDS,
    contract_admin.OPERATION,
    contract_watching.WATCHING,
    contract_cluster.CLUSTER,
)

ABOUT: Final = (
    "Every GET answers HEAD too, has an ETag and honours If-None-Match; what is public may be read"
    " from any origin. Bodies are gzipped for whoever takes that. Unknown query parameters and"
    " unknown members of bodies are refused; answers may gain members. X-Request-ID comes back, or"
    " is made. Any route may answer with the problems of `components/responses`; RTGF_METHOD_NOT_"
    "ALLOWED (405) has an Allow header."
)

_SCHEMAS: Final = "#/components/schemas/{name}"
_HEADERS: Final[Schema] = {
    "X-Request-ID": {
        "description": "the id of the request, as in the log and in `instance` of a problem",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Cache-Control": {
        "description": "how long it may be kept",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "changes with the content",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[^"]+"$'},
    },
    "Retry-After": {
        "description": "seconds to wait",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Policy": {
        "description": "the limit: `q` requests at once, and as many again in `w` seconds",
        "schema": {"type": "string", "pattern": '^"[a-z]+";q=[0-9]+;w=[0-9]+$'},
    },
    "RateLimit": {
        "description": "`r` requests are left, and `t` seconds pass until all are again",
        "schema": {"type": "string", "pattern": '^"[a-z]+";r=[0-9]+;t=[0-9]+$'},
    },
    "WWW-Authenticate": {
        "description": "of a bearer token that is not taken (RFC 6750)",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "the answer was given before under the same Idempotency-Key",
        "schema": {"const": "true"},
    },
}
_LIMITS: Final = ("RateLimit-Policy", "RateLimit")

EVERYWHERE: Final[Mapping[int, tuple[str, tuple[Code, ...]]]] = {
    401: ("Unauthenticated", (Code.RTGF_UNAUTHENTICATED,)),
    403: ("Forbidden", (Code.RTGF_FORBIDDEN,)),
    408: ("Timeout", (Code.RTGF_REQUEST_TIMEOUT,)),
    413: ("TooLarge", (Code.RTGF_BODY_TOO_LARGE,)),
    429: ("TooManyRequests", (Code.RTGF_VERIFY_RATE_LIMIT,)),
    431: ("HeadTooLarge", (Code.RTGF_HEAD_TOO_LARGE,)),
    500: (
        "Fault",
        tuple(code for code in Code if status_of(code) == 500 and code.value.exit_code != 78),
    ),
    503: ("Unavailable", tuple(code for code in Code if status_of(code) == 503)),
}
"""Answers that are the same for every route, by status: a name, and the codes."""

WITH_A_BODY: Final[Mapping[int, tuple[str, tuple[Code, ...]]]] = {
    415: ("WrongMediaType", (Code.RTGF_MEDIA_TYPE,)),
}


def operations(areas: Iterable[Area] = AREAS) -> list[Operation]:
    """Return every operation, in the order of the document."""
    return [operation for area in areas for operation in area.operations]


def path_of(rule: str) -> str:
    """Return a rule of the framework as OpenAPI writes it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def document() -> Schema:
    """Return the document. It is the same on every node of this version."""
    shapes = _Shapes(operations())
    paths: dict[str, dict[str, Any]] = {}
    for area in AREAS:
        for operation in area.operations:
            entry = _operation(operation, area.title, shapes)
            paths.setdefault(path_of(operation.rule), {})[operation.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "RTGF node",
            "version": contract.VERSION,
            "description": ABOUT,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": area.title} for area in AREAS],
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "headers": _HEADERS,
            "responses": {
                name: _problem(status, codes)
                for status, (name, codes) in (*EVERYWHERE.items(), *WITH_A_BODY.items())
            },
            "securitySchemes": {
                "certificate": {
                    "type": "mutualTLS",
                    "description": "a client certificate whose URI names who asks; the settings"
                    " give it roles",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "of the issuer in the settings; names who asks, for the limits",
                },
            },
        },
    }


def to_bytes() -> bytes:
    """Return the document in canonical form."""
    return canonical_bytes(document())


class _Shapes:
    """The types of all bodies as JSON Schemas."""

    def __init__(self, found: Iterable[Operation]) -> None:
        kinds: list[Any] = [Problem]
        for one in found:
            bodies = [*one.answers.values(), *one.media, *([one.body] if one.body else [])]
            for shape in (body.shape for body in bodies if not isinstance(body.shape, dict)):
                kinds += shape.kinds if isinstance(shape, Either) else [shape]
        # The same type stands in several routes; dict[...] has no identity of its own.
        unique = list({repr(kind): kind for kind in kinds}.values())
        made, components = msgspec.json.schema_components(unique, ref_template=_SCHEMAS)
        self._of = dict(zip(map(repr, unique), map(_tidied, made), strict=True))
        self.components = {_short(name): _tidied(shape) for name, shape in components.items()}

    def of(self, body: Content) -> Schema:
        """Return the schema of a body."""
        if isinstance(body.shape, dict):
            return dict(body.shape)
        if not isinstance(body.shape, Either):
            return dict(self._of[repr(body.shape)])
        either: Schema = {"anyOf": [self._of[repr(kind)] for kind in body.shape.kinds]}
        if body.shape.most is None:
            return either
        return {"type": "array", "items": either, "minItems": 1, "maxItems": body.shape.most}


def _short(name: str) -> str:
    """Return `evidence.Evidence` for a name that two modules have."""
    return ".".join(name.split(".")[-2:])


def _tidied(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema with short names, and of each description what stands before its list."""
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidy = {name: _tidied(item) for name, item in value.items()}
    if isinstance(tidy.get("$ref"), str):
        tidy["$ref"] = (
            tidy["$ref"].rpartition("/")[0] + "/" + _short(value["$ref"].rpartition("/")[2])
        )
    if isinstance(tidy.get("description"), str):
        tidy["description"] = " ".join(tidy["description"].partition("\n\nAttributes:")[0].split())
    return tidy


_BY_ROLE: Final[list[Schema]] = [{"certificate": []}]
_BY_ANYBODY: Final[list[Schema]] = [{}, {"certificate": []}, {"bearer": []}]


def _operation(operation: Operation, tag: str, shapes: _Shapes) -> Schema:
    made: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag],
        "responses": _responses(operation, shapes),
        "security": _BY_ROLE if operation.roles else _BY_ANYBODY,
    }
    if operation.roles:
        made["description"] = f"Needs a certificate with the role {' or '.join(operation.roles)}."
        made["x-roles"] = list(operation.roles)
    known = (*operation.parameters, _CONSISTENCY, *([_HELD] if _is_kept(operation) else []))
    rule = re.findall(r"<(?:\w+:)?(\w+)>", operation.rule)
    made["parameters"] = [_parameter(one, one.name in rule) for one in known]
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": _content(operation.body, shapes)}
    return made


def _is_kept(operation: Operation) -> bool:
    """Whether clients may hold the answer, and ask whether it is still right."""
    return operation.method == "GET" and operation.answers[200].media != "text/event-stream"


def _parameter(parameter: Parameter, in_path: bool) -> Schema:
    made: Schema = {
        "name": parameter.name,
        "in": "header" if parameter.is_header else "path" if in_path else "query",
        "description": parameter.summary,
        "required": parameter.is_required,
        "schema": parameter.schema,
    }
    return made if parameter.example is None else {**made, "example": parameter.example}


def _content(body: Content, shapes: _Shapes) -> Schema:
    made: Schema = {"schema": shapes.of(body)}
    if body.example is not None:
        made["example"] = body.example
    return {body.media: made}


def _responses(operation: Operation, shapes: _Shapes) -> Schema:
    is_kept = _is_kept(operation)
    made: dict[int, Schema] = {}
    for status, body in operation.answers.items():
        content = _content(body, shapes)
        for other in operation.media if status == 200 else ():
            content |= _content(other, shapes)
        names = ["X-Request-ID", "Cache-Control", *_LIMITS]
        if is_kept and status == 200:
            names.append("ETag")
        if KEY in operation.parameters:
            names.append("Idempotency-Replayed")
        made[status] = {
            "description": _WORDS[status],
            "headers": _named(names),
            "content": content,
        }
    if is_kept:
        made[304] = {"description": "what If-None-Match names is still right"}
    for status, codes in _refusals(operation).items():
        problem = _problem(status, codes)
        if status in made:
            made[status]["content"] |= problem["content"]
        else:
            made[status] = problem
    common = {**EVERYWHERE, **(WITH_A_BODY if operation.body is not None else {})}
    for status, (name, codes) in common.items():
        if status in made:
            made[status]["content"] |= _problem(status, codes)["content"]
        else:
            made[status] = {"$ref": f"#/components/responses/{name}"}
    return {str(status): made[status] for status in sorted(made)}


_CONSISTENCY: Final = Parameter(
    CONSISTENCY,
    "`strong`: with all that the cluster committed before it was asked; else as this node has it",
    {"type": "string", "enum": ["strong", "local"]},
)
_HELD: Final = Parameter(
    "If-None-Match",
    "the ETag of what is held: 304 if it is still right",
    {"type": "string"},
    is_header=True,
)

_WORDS: Final = {
    200: "the answer",
    201: "it is taken in",
    202: "it has begun, or waits for a second person",
    409: "what is held says otherwise",
    503: "not now",
}


def _refusals(operation: Operation) -> dict[int, tuple[Code, ...]]:
    """Return the codes of the problems of this route, by status."""
    codes = {Code.RTGF_BAD_REQUEST, *operation.refusals}
    if "<" in operation.rule:
        codes.add(Code.RTGF_NOT_FOUND)
    found: dict[int, tuple[Code, ...]] = {}
    for code in Code:
        if code in codes:
            found[status_of(code)] = (*found.get(status_of(code), ()), code)
    return found


def _problem(status: int, codes: tuple[Code, ...]) -> Schema:
    names = [code.name for code in codes]
    headers = ["X-Request-ID", "Cache-Control", *_LIMITS]
    if status in {429, 503}:
        headers.append("Retry-After")
    if status in {401, 403}:
        headers.append("WWW-Authenticate")
    shape = {
        "$ref": _SCHEMAS.format(name="Problem"),
        "properties": {"code": {"enum": names}, "status": {"const": status}},
    }
    return {
        "description": " · ".join(names),
        "headers": _named(headers),
        "content": {MEDIA_TYPE: {"schema": shape}},
    }


def _named(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
