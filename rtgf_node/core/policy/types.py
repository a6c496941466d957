"""The types of the policy language. There is no conversion between any two of them.

A type is known for every part of an expression when it is compiled. `ANY` is what a member of an
undeclared object has: it may be compared and tested, and its type is checked when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple


class Type(Enum):
    """The types; a member's value is its name in a predicate's `inputs`."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    MONEY = "money"
    DURATION = "duration"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"
    PARTY = "party"
    OBJECT = "object"
    ANY = "any"


class Shape(NamedTuple):
    """The type of one expression, as far as it is known before it is evaluated.

    Attributes:
      type: the type.
      element: of a list, the type of its elements; None for an empty list literal, which any
        element fits.
      fields: the members it is known to have; None where nothing is known.
      closed: whether an object has no other members than those.
    """

    type: Type
    element: Type | None = None
    fields: Mapping[str, Shape] | None = None
    closed: bool = False

    def member(self, name: str) -> Shape | None:
        """Return the shape of the member `name`, or None when there can be no such member."""
        if self.type in _OPEN and not self.closed:
            return (self.fields or {}).get(name, ANY)
        return (self.fields or {}).get(name)

    def __str__(self) -> str:
        """Return the type's name, with its elements' for a list."""
        if self.type is Type.LIST and self.element is not None:
            return f"list of {self.element.value}"
        return self.type.value


STRING: Final = Shape(Type.STRING)
BOOLEAN: Final = Shape(Type.BOOLEAN)
INTEGER: Final = Shape(Type.INTEGER)
DECIMAL: Final = Shape(Type.DECIMAL)
DURATION: Final = Shape(Type.DURATION)
DATE: Final = Shape(Type.DATE)
DATETIME: Final = Shape(Type.DATETIME)
OBJECT: Final = Shape(Type.OBJECT)
ANY: Final = Shape(Type.ANY)
LIST: Final = Shape(Type.LIST, element=Type.ANY)
MONEY: Final = Shape(Type.MONEY, fields={"value": DECIMAL, "currency": STRING})

# Names as IVMS101 has them where it has one. Further members of a party are of type ANY.
PARTY: Final = Shape(
    Type.PARTY,
    fields={
        "name": STRING,
        "kind": STRING,
        "country": STRING,
        "account": STRING,
        "national_id": STRING,
        "place_of_birth": STRING,
        "date_of_birth": DATE,
    },
)

# Parties and objects may have members that are not declared; every other type has none.
_OPEN: Final = frozenset({Type.PARTY, Type.OBJECT, Type.ANY})

INPUT_SHAPES: Final[Mapping[str, Shape]] = {
    shape.type.value: shape
    for shape in (
        STRING,
        BOOLEAN,
        INTEGER,
        DECIMAL,
        MONEY,
        DURATION,
        DATE,
        DATETIME,
        LIST,
        PARTY,
        OBJECT,
        ANY,
    )
}
"""What an input may be declared as, by name."""

# ANY in these: two values that are compared must then turn out to be of one of them.
PLAIN: Final = frozenset({Type.STRING, Type.BOOLEAN, Type.INTEGER})
ORDERED: Final = frozenset(
    {Type.INTEGER, Type.DECIMAL, Type.MONEY, Type.DURATION, Type.DATE, Type.DATETIME}
)
SCALAR: Final = PLAIN | ORDERED


class Lookup(NamedTuple):
    """What a resolver is asked and what it answers.

    Attributes:
      arguments: the shape of every argument; all must be given.
      answer: the members of the answer that expressions may read.
    """

    arguments: Mapping[str, Shape]
    answer: Shape


def _answer(fields: Mapping[str, Shape]) -> Shape:
    return Shape(Type.OBJECT, fields=fields, closed=True)


LOOKUPS: Final[Mapping[str, Lookup]] = {
    "sanctions": Lookup(
        arguments={"party": PARTY, "lists": LIST, "threshold": DECIMAL},
        answer=_answer({"listed": BOOLEAN, "matches": LIST, "dataset_digests": LIST}),
    ),
    "proof": Lookup(
        arguments={"proof": STRING, "receipt": OBJECT, "subject": PARTY},
        answer=_answer({"valid": BOOLEAN}),
    ),
    "registry": Lookup(
        arguments={"token": STRING},
        answer=_answer({"found": BOOLEAN, "valid": BOOLEAN}),
    ),
}
"""The resolvers that the language knows, by name. Another name does not compile."""
