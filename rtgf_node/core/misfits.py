"""Everything in a document that does not fit its shape, for people who write documents by hand.

`shapes.fit` stops at the first misfit, which is enough for a door. Here each member is looked at by
itself, so that a writer sees all that is wrong at once, with the nearest name where one is unknown.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.shapes import pointer, pointer_of

LIKENESS = 0.6
"""From which share of equal characters on an unknown name is taken for a slip of a known one."""


class Misfit(Struct, frozen=True):
    """What is wrong at one place: why, and the name that may have been meant."""

    pointer: str
    detail: str
    nearest: str | None = None


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is most like, if any is like it at all."""
    if not isinstance(name, str):
        return None
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=LIKENESS)
    return close[0] if close else None


def misfits(value: JsonValue, shape: Any, *place: str | int) -> Iterator[Misfit]:  # noqa: ANN401 - any type
    """Yield everything in `value` that is not of `shape`, in the order of the shape's members.

    Nothing is yielded exactly when `shapes.fit` takes the value.
    """
    try:
        msgspec.convert(value, shape, strict=True)
    except msgspec.ValidationError as error:
        message = str(error)
    else:
        return
    inside = list(_inside(value, _bare(shape), place))
    if inside:
        yield from inside
        return
    choices = get_args(_bare(shape)) if get_origin(_bare(shape)) is Literal else ()
    detail = message.split(" - at ")[0]
    if choices:
        detail = f"expected one of {', '.join(map(str, choices))}"
    yield Misfit(pointer(*place) + pointer_of(message), detail, nearest(value, choices))


def _inside(value: JsonValue, shape: Any, place: tuple[str | int, ...]) -> Iterator[Misfit]:  # noqa: ANN401 - any type
    if isinstance(shape, type) and issubclass(shape, Struct) and isinstance(value, dict):
        fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
        for name in value:
            if name not in fields:
                known = ", ".join(fields)
                yield Misfit(
                    pointer(*place, name),
                    f"{name!r} is no member here; these are: {known}",
                    nearest(name, fields.keys() - value.keys()),
                )
        for name, field in fields.items():
            if name in value:
                yield from misfits(value[name], field.type, *place, name)
            elif field.required:
                yield Misfit(pointer(*place, name), f"the member {name!r} is missing")
    elif get_origin(shape) is tuple and isinstance(value, list):
        for index, item in enumerate(value):
            yield from misfits(item, get_args(shape)[0], *place, index)


def _bare(shape: Any) -> Any:  # noqa: ANN401 - any type
    """Return a shape without its bounds, and without the `None` of a member that may be absent."""
    if get_origin(shape) is Annotated:
        return _bare(get_args(shape)[0])
    if get_origin(shape) in {Union, types.UnionType}:
        kinds = [kind for kind in get_args(shape) if kind is not type(None)]
        return _bare(kinds[0]) if len(kinds) == 1 else shape
    return shape
