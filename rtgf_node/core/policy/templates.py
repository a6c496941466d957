"""The predicate library: which kinds of legal rule this node can decide, as versioned data.

A template says, once, what a kind of rule needs to know, what it compares and what follows when it
is not fulfilled. A clause of law only names a template and gives its parameters. The library is
handed in as bytes; nothing of it is used before each file has the digest that the manifest states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from rtgf_node.core import canonical_json, digests
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.jose import Signature
from rtgf_node.core.policy import calendars, catalogue, merge
from rtgf_node.core.policy.parameters import ParameterSpec
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError

MANIFEST = "manifest.json"
CATALOGUE = "control_catalogue.json"
CALENDARS = "calendars.json"
# What a library may have besides templates.
_NO_TEMPLATES = frozenset({CATALOGUE, CALENDARS})
# A clause that names this says that its authority knows of no template for it.
UNMAPPED = "unmapped"

ClauseKind = Literal["obligation", "prohibition", "control"]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of the library share."""


class Example(_Part, frozen=True):
    """A worked example: this clause, in this context, decided so; at any time, or at this one."""

    kind: ClauseKind
    params: dict[str, Any]
    context: dict[str, Any]
    decision: Literal["PERMIT", "PERMIT_WITH_CONTROLS", "DENY"]
    reasons: tuple[str, ...] = ()
    applies_to: Literal["originator", "beneficiary", "both"] = "both"
    at: str | None = None


class Template(_Part, frozen=True):
    """One kind of rule.

    Attributes:
      inputs, derive, logic, on_fail: trees in the language of `expansion`.
      at_least_one: parameters of which a clause must give one; else it would demand nothing.
      together: parameters that a clause gives both or neither of.
      fragments: trees that the others use by name.
    """

    name: str
    version: str
    title: str
    description: str
    kinds: tuple[ClauseKind, ...]
    params: dict[str, ParameterSpec]
    inputs: list[dict[str, Any]]
    logic: Any
    on_fail: dict[str, Any]
    examples: tuple[Example, ...]
    derive: list[dict[str, Any]] = field(default_factory=list)
    fragments: dict[str, Any] = field(default_factory=dict)
    at_least_one: tuple[str, ...] = ()
    together: tuple[str, ...] = ()


class _Manifest(_Part, frozen=True):
    version: str
    files: dict[str, str]
    signatures: tuple[Signature, ...] = ()


class _Calendars(_Part, frozen=True):
    calendars: dict[str, Any]


class Library(Struct, frozen=True):
    """The templates and the control catalogue, as one checked whole.

    Attributes:
      version: the library's version, as its manifest says.
      digest: the digest of the manifest without its signatures, and so of every file.
      templates: by name.
      controls: the title of each control in the catalogue, by id.
      calendars: the business-day calendars that clauses may name, as they stand in the library.
    """

    version: str
    digest: str
    templates: dict[str, Template]
    controls: dict[str, str]
    calendars: dict[str, JsonValue]

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Library:
        """Return the library in `files`, by file name, once every digest and every row is right.

        Who signed the manifest is `library_signature`'s.

        Raises:
          RtgfError: RTGF_BUILD_HASH_MISMATCH when a file is missing, added or changed;
            RTGF_MAP_EXPRESSION_INVALID when a file is not what it should be.
        """
        manifest_value = _read(files, MANIFEST)
        manifest = fit(manifest_value, _Manifest, code=Code.RTGF_MAP_EXPRESSION_INVALID)
        _check_digests(files, manifest)
        templates: dict[str, Template] = {}
        for name in sorted(manifest.files):
            if name in _NO_TEMPLATES:
                continue
            template = fit(_read(files, name), Template, code=Code.RTGF_MAP_EXPRESSION_INVALID)
            if f"{template.name}.json" != name:
                raise _malformed(name, f"it names the template {template.name!r}")
            _check_rows(template)
            templates[template.name] = template
        return cls(
            version=manifest.version,
            digest=_digest(manifest_value),
            templates=templates,
            controls=_controls(files),
            calendars=_calendars(files),
        )

    def template(self, name: str, kind: str) -> Template:
        """Return the template `name` for a clause of `kind`.

        Raises:
          RtgfError: RTGF_MAP_UNSUPPORTED_CLAUSE when no template is named, or the named one does
            not serve such clauses; RTGF_MAP_PREDICATE_TEMPLATE_MISSING when there is none so named.
        """
        if name in {"", UNMAPPED}:
            raise RtgfError(
                Code.RTGF_MAP_UNSUPPORTED_CLAUSE,
                f"the {kind} names no template; add one to the library, or have it waived",
            )
        found = self.templates.get(name)
        if found is None:
            raise RtgfError(
                Code.RTGF_MAP_PREDICATE_TEMPLATE_MISSING,
                f"the library {self.version} has no template {name!r}",
            )
        if kind not in found.kinds:
            raise RtgfError(
                Code.RTGF_MAP_UNSUPPORTED_CLAUSE,
                f"the template {name!r} serves {' and '.join(found.kinds)} clauses, not {kind}",
            )
        return found

    def filled(self, params: Mapping[str, JsonValue], template: Template) -> dict[str, JsonValue]:
        """Return a clause's parameters with each named calendar written out.

        A token carries the days themselves, so that whoever decides with it needs no library.
        """
        return {
            name: self.calendars[value]
            if isinstance(value, str) and template.params[name].type == "calendar"
            else value
            for name, value in params.items()
        }


def _digest(manifest: JsonValue) -> str:
    """Return the digest of a manifest without its signatures: another signer changes no token."""
    assert isinstance(manifest, dict)
    return digests.of_document({k: v for k, v in manifest.items() if k != "signatures"})


def _controls(files: Mapping[str, bytes]) -> dict[str, str]:
    try:
        return catalogue.controls(_read(files, CATALOGUE))
    except RtgfError as error:
        raise RtgfError(
            error.code, f"the library's {CATALOGUE}: {error.detail}", pointer=error.pointer
        ) from error


def _calendars(files: Mapping[str, bytes]) -> dict[str, JsonValue]:
    if CALENDARS not in files:
        return {}
    found = fit(_read(files, CALENDARS), _Calendars, code=Code.RTGF_MAP_EXPRESSION_INVALID)
    for name, value in found.calendars.items():
        try:
            calendars.read(value)
        except ValueError as error:
            raise _malformed(CALENDARS, f"{name}: {error}") from None
    return found.calendars


def _read(files: Mapping[str, bytes], name: str) -> JsonValue:
    if name not in files:
        raise RtgfError(Code.RTGF_BUILD_HASH_MISMATCH, f"the library has no file {name!r}")
    try:
        return canonical_json.parse(files[name])
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_MAP_EXPRESSION_INVALID,
            f"the library's {name}: {error.detail}",
            pointer=error.pointer,
            causes=(error,),
        ) from error


def _check_digests(files: Mapping[str, bytes], manifest: _Manifest) -> None:
    held = {name for name in files if name.endswith(".json")} - {MANIFEST}
    for name in sorted(held ^ set(manifest.files)):
        what = "is not in the manifest" if name in held else "is in the manifest but missing"
        raise RtgfError(Code.RTGF_BUILD_HASH_MISMATCH, f"the library's {name} {what}")
    for name, stated in sorted(manifest.files.items()):
        found = digests.sha256(files[name])
        if found != stated:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the library's {name} is {found}, the manifest says {stated}",
            )


def _check_rows(template: Template) -> None:
    """Hold the template to the merge registry: a parameter means one thing in one place."""
    for name, spec in template.params.items():
        found = merge.row(template.name, name)
        if found is None:
            continue  # Two unequal values of it will be a conflict; that is safe.
        if (found.type, found.kind) != (spec.type, spec.merge):
            raise _malformed(
                template.name,
                f"{name} is {spec.type}/{spec.merge}, the merge registry says "
                f"{found.type}/{found.kind}",
            )
        if spec.type == "rank" and found.order != spec.choices:
            raise _malformed(template.name, f"{name} orders its levels unlike the merge registry")
    for name in (*template.at_least_one, *template.together):
        if name not in template.params:
            raise _malformed(template.name, f"it declares no parameter {name!r}")


def _malformed(name: str, detail: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_MAP_EXPRESSION_INVALID, f"the library's {name} is not usable: {detail}"
    )


def manifest_of(files: Mapping[str, bytes], *, version: str) -> bytes:
    """Return the manifest that `files` should have, for whoever changes the library."""
    entries = {
        name: digests.sha256(data)
        for name, data in sorted(files.items())
        if name != MANIFEST and name.endswith(".json")
    }
    text = msgspec.json.encode({"version": version, "files": entries}, order="sorted")
    return msgspec.json.format(text, indent=2) + b"\n"
