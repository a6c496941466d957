"""The control catalogue: what a decision may ask for besides, in a subset of the OSCAL format.

Of an OSCAL catalog (NIST, version 1.1) it has `uuid`, `metadata`, and groups of controls with ids
and titles; every such catalogue is a valid OSCAL catalog, and whatever else one may have is
refused, because nothing here would read it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from rtgf_node.core import times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError

_UUID = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[45][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$"
# OSCAL's token type, in ASCII: parameters name controls, and those are ASCII words.
_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$"
_INVALID = Code.RTGF_MAP_EXPRESSION_INVALID

Token = Annotated[str, Meta(pattern=_IDENTIFIER)]
Text = Annotated[str, Meta(min_length=1, max_length=1_000)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What all parts share: they do not change, and unknown members are refused."""


class _Metadata(_Part, frozen=True):
    title: Text
    last_modified: Text
    version: Text
    oscal_version: Literal["1.1.0", "1.1.1", "1.1.2", "1.1.3"]


class _Control(_Part, frozen=True):
    id: Token
    title: Text


class _Group(_Part, frozen=True):
    id: Token
    title: Text
    controls: Annotated[tuple[_Control, ...], Meta(min_length=1, max_length=1_000)]


class _Catalogue(_Part, frozen=True):
    uuid: Annotated[str, Meta(pattern=_UUID)]
    metadata: _Metadata
    groups: Annotated[tuple[_Group, ...], Meta(min_length=1, max_length=200)]


class _File(_Part, frozen=True):
    catalog: _Catalogue


def controls(document: JsonValue) -> dict[str, str]:
    """Return the title of each control, by its id.

    Raises:
      RtgfError: RTGF_MAP_EXPRESSION_INVALID with a pointer when it is no such catalogue, or an id
        stands there twice.
    """
    catalogue = fit(document, _File, code=_INVALID).catalog
    try:
        times.parse(catalogue.metadata.last_modified)
    except RtgfError as error:
        place = "/catalog/metadata/last-modified"
        raise RtgfError(_INVALID, error.detail, pointer=place) from error
    found: dict[str, str] = {}
    groups: set[str] = set()
    for number, group in enumerate(catalogue.groups):
        place = f"/catalog/groups/{number}"
        if group.id in groups:
            raise _twice(group.id, f"{place}/id")
        groups.add(group.id)
        for index, control in enumerate(group.controls):
            if control.id in found:
                raise _twice(control.id, f"{place}/controls/{index}/id")
            found[control.id] = control.title
    return found


def _twice(name: str, place: str) -> RtgfError:
    return RtgfError(_INVALID, f"{name!r} stands in the catalogue twice", pointer=place)
