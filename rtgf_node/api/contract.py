"""What the node promises over HTTP: every route, with what it takes and what it answers.

The modules `contract_*` are the promise, area by area; `contract_document` makes the OpenAPI
document of it. The types are those that the handlers decode and encode with. Tests compare it with
the routes there are, and with what a node answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from rtgf_node.api.answers import JSON
from rtgf_node.errors import Code
from rtgf_node.settings import Role

VERSION: Final = "1.0.0"
"""Of the promise (semver). A change that breaks clients needs a higher first number."""

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema (2020-12)."""


class Parameter(NamedTuple):
    """A part of the path, of the query, or a header.

    Attributes:
      name: as it stands in the rule, in the query, or in the head.
      summary: what it is.
      schema: what it may be.
      example: one that is right.
      is_required: parts of the path always are.
      is_header: whether it is one.
    """

    name: str
    summary: str
    schema: Schema
    example: str | int | None = None
    is_required: bool = False
    is_header: bool = False


class Either(NamedTuple):
    """One of several types.

    Attributes:
      kinds: the types.
      most: it is a list of one to so many of them; None if it is one.
    """

    kinds: tuple[Any, ...]
    most: int | None = None


class Content(NamedTuple):
    """A body.

    Attributes:
      shape: the type that it is decoded or encoded with, several of them, or a schema where it is
        no JSON.
      media: its media type.
      example: one such body.
    """

    shape: Any
    media: str = JSON
    example: Any = None


class Operation(NamedTuple):
    """A method of a route.

    Attributes:
      id: its name, for clients that are generated.
      method: `GET`, which answers HEAD too, or another one.
      rule: as the framework writes it.
      summary: what it does, in a line.
      answers: what is answered by status, where nothing is wrong.
      parameters: of the path, in its order, and of the query.
      body: what is sent.
      refusals: the codes of problems, besides those that any route may answer with.
      roles: of the certificate; one of them is needed. None are: it is public.
      media: further media types of the answer with status 200.
    """

    id: str
    method: str
    rule: str
    summary: str
    answers: Mapping[int, Content]
    parameters: tuple[Parameter, ...] = ()
    body: Content | None = None
    refusals: tuple[Code, ...] = ()
    roles: tuple[Role, ...] = ()
    media: tuple[Content, ...] = ()


class Area(NamedTuple):
    """Operations that belong together, under one heading."""

    title: str
    operations: tuple[Operation, ...]


TEXT: Final[Schema] = {"type": "string"}
BINARY: Final[Schema] = {"contentMediaType": "application/octet-stream"}
HTML: Final = Content(TEXT, "text/html")

JURISDICTION: Final = r"[A-Za-z]{2}"
NAME: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
"""Of a domain or a route."""

PLACE: Final[Schema] = {"type": "string", "pattern": f"^{JURISDICTION}$"}
CORRIDOR: Final[Schema] = {
    "type": "string",
    "pattern": f"^{JURISDICTION}(->|[.-]){JURISDICTION}$",
}
TYPE: Final[Schema] = {
    "type": "string",
    "pattern": "^([Rr][Mm][Tt]|[Ii][Mm][Tt]|[Cc][Oo][Rr][Tt]|[Pp][Ss][Rr][Tt]|[Rr][Rr][Mm][Tt])$",
}
"""Of a token, in any case."""

REFERENCE: Final[Schema] = {
    "type": "string",
    "pattern": (
        "^([Uu][Rr][Nn]:([Rr][Tt][Gg][Ff]|[Ll][Aa][Nn][Ee]2):[Tt][Oo][Kk][Ee][Nn]:)?"
        "[A-Za-z]{3,4}:[^:]+:[^:]+:[^:]+$"
    ),
}
"""A token id, or the URI of a token; without an issue number the newest is meant."""


def whole(least: int = 0, most: int = 2**53 - 1, default: int | None = None) -> Schema:
    """Return the schema of a whole number."""
    schema: Schema = {"type": "integer", "minimum": least, "maximum": most}
    return schema if default is None else {**schema, "default": default}


def path(name: str, summary: str, schema: Schema, example: str | int) -> Parameter:
    """Return a part of the path."""
    return Parameter(name, summary, schema, example, is_required=True)


AT: Final = Parameter(
    "at",
    "an earlier state: a time such as 2026-11-22T10:00:00Z, or a size of the log such as 4711",
    {
        "type": "string",
        "pattern": (
            r"^([1-9][0-9]{0,15}"
            r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)$"
        ),
    },
)
KEY: Final = Parameter(
    "Idempotency-Key",
    "the same key and request within 24 h gives the same answer and is done once",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    is_header=True,
)
LIMIT: Final = Parameter("limit", "entries on a page", whole(1, 1000), 100)

ONCE: Final = (Code.RTGF_IDEMPOTENCY_MISMATCH, Code.RTGF_CONFLICT)
"""What `KEY` can be refused with."""
