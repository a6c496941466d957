"""A compiled expression: what it will give, and the closure that gives it.

An expression is compiled once into closures that call each other; evaluating it is one call. What
is particular to one evaluation lives in its `Frame`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, NoReturn, TypeAlias

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.types import Shape, Type
from rtgf_node.core.policy.values import Value
from rtgf_node.errors import Code, RtgfError

Resolver: TypeAlias = Callable[[Mapping[str, JsonValue]], JsonValue]
"""Answers a LOOKUP. Raising anything means that it cannot answer, and the decision is DENY."""

MAX_DEPTH: Final = 32
"""Nested expressions. The templates of the library nest less than ten deep."""

MAX_NODES: Final = 512
"""Operators, variables and literals of one predicate, all its expressions together."""

MAX_STEPS: Final = 1_000_000
"""Steps that evaluating one predicate may take at worst: one for each node, one for each element
of a list and each character of a text that an operator walks through."""


def note(key: str, said: str) -> str:
    """Return the member of a trace that says what an operation gave.

    A key has nothing that JSON would escape: a pointer of known names, and an operator.
    """
    return f'"{key}":{said}'


class Frame:
    """One evaluation: the time, the resolvers, and the values read and worked out so far.

    Attributes:
      at: the time of the decision, handed in.
      resolvers: by the name that LOOKUP uses.
      slots: the values of inputs and of derived names, by the index that the compiler gave them.
      note: takes down what an operator gave, as a member of a trace: its place and name with a
        boolean, or with the digest of anything else.
    """

    __slots__ = ("at", "note", "resolvers", "slots")

    def __init__(
        self,
        at: int,
        resolvers: Mapping[str, Resolver],
        slots: list[Value],
        note: Callable[[str], object] = str,
    ) -> None:
        self.at = at
        self.resolvers = resolvers
        self.slots = slots
        self.note = note


Run: TypeAlias = Callable[[Frame], Value]
"""Evaluate on a frame; raises EvaluationError when that cannot be done."""


class NotLiteral:
    """Stands where an expression is not a literal."""


NOT_LITERAL: Final = NotLiteral()


class Node(NamedTuple):
    """A compiled expression.

    Attributes:
      shape: the type of its value.
      run: gives the value.
      label: what to call it in a reason: the path of its first variable, or the operator's name.
      literal: the value, when it is known already.
      probe: of a variable, gives the value or MISSING and does not mind if there is nothing.
      noted: whether `run` notes on the frame what it gives, as every operation must.
    """

    shape: Shape
    run: Run
    label: str
    literal: Value | NotLiteral = NOT_LITERAL
    probe: Run | None = None
    noted: bool = False


class Call(NamedTuple):
    """An operator with its compiled operands, about to become a node."""

    name: str
    args: tuple[Node, ...]
    pointer: str

    @property
    def notes(self) -> tuple[str, str]:
        """What is noted when the operation gives false, and when it gives true."""
        key = f"{self.pointer} {self.name}"
        return note(key, "false"), note(key, "true")

    @property
    def label(self) -> str:
        """What a reason calls this operation: by the first variable in it."""
        for arg in self.args:
            if isinstance(arg.literal, NotLiteral):
                return arg.label
        return self.name

    def refuse(self, detail: str, index: int | None = None) -> NoReturn:
        """Refuse the operation, or its operand `index`.

        Raises:
          RtgfError: RTGF_MAP_EXPRESSION_INVALID.
        """
        place = self.pointer if index is None else f"{self.pointer}/args/{index}"
        raise RtgfError(Code.RTGF_MAP_EXPRESSION_INVALID, f"{self.name}: {detail}", pointer=place)

    def expect(self, index: int, *types: Type) -> Type:
        """Return the type of operand `index`, which must be one of `types`.

        Raises:
          RtgfError: RTGF_MAP_EXPRESSION_INVALID.
        """
        found = self.args[index].shape
        if found.type not in types:
            names = " or ".join(type_.value for type_ in types)
            self.refuse(f"the operand is {found}, it should be {names}", index)
        return found.type

    def literal(self, index: int, class_: type[Value], what: str) -> Value:
        """Return the value of operand `index`, which must be a literal.

        Raises:
          RtgfError: RTGF_MAP_EXPRESSION_INVALID.
        """
        value = self.args[index].literal
        if type(value) is not class_:
            self.refuse(f"the operand must be {what}, written out", index)
        return value
