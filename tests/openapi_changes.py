"""Which changes of an OpenAPI document break a client that keeps to the earlier one.

What a client sends by the old document must be taken by the new one, and what the new one answers
must fit the old one: the one schema must lie within the other. Schemas are compared by the keywords
that the documents of this project use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

METHODS = ("get", "put", "post", "delete", "patch")
LEAST = ("minimum", "minLength", "minItems")
MOST = ("maximum", "maxLength", "maxItems")
EXACT = ("pattern", "const")


def breaking(old: Json, new: Json) -> list[str]:
    """Return what breaks, a line each."""
    return list(dict.fromkeys(_changes(old, new)))


def _changes(old: Json, new: Json) -> Iterator[str]:
    sent, told = _Within(old, new), _Within(new, old, is_answer=True)
    for path, methods in old["paths"].items():
        for method in methods.keys() & set(METHODS):
            place, was = f"{method.upper()} {path}", methods[method]
            now = new["paths"].get(path, {}).get(method)
            if now is None:
                yield f"{place}: is gone"
                continue
            if was["operationId"] != now["operationId"]:
                yield f"{place}: has another operation id"
            yield from _roles(place, was, now)
            yield from _parameters(place, was, now, sent)
            yield from _bodies(place, was.get("requestBody"), now.get("requestBody"), sent)
            yield from _answers(place, was["responses"], now["responses"], told)


def _roles(place: str, old: Json, new: Json) -> Iterator[str]:
    was, now = set(old.get("x-roles", ())), set(new.get("x-roles", ()))
    if now and not (was and was <= now):
        yield f"{place}: may not be called by everybody any more who could"


def _parameters(place: str, old: Json, new: Json, sent: _Within) -> Iterator[str]:
    was = {(one["in"], one["name"]): one for one in old.get("parameters", [])}
    now = {(one["in"], one["name"]): one for one in new.get("parameters", [])}
    for key, one in now.items():
        name = f"{place} {key[1]}"
        if one["required"] and not was.get(key, {}).get("required"):
            yield f"{name}: is required now"
        if key in was:
            yield from sent.check(name, was[key]["schema"], one["schema"])
    for key in was.keys() - now.keys():
        yield f"{place} {key[1]}: is gone"


def _bodies(place: str, old: Json | None, new: Json | None, sent: _Within) -> Iterator[str]:
    was, now = (old or {}).get("content", {}), (new or {}).get("content", {})
    if now and not was:
        yield f"{place}: needs a body now"
    for media in was:
        if media in now:
            yield from sent.check(f"{place} body", was[media]["schema"], now[media]["schema"])
        else:
            yield f"{place}: takes no {media} any more"


def _answers(place: str, old: Json, new: Json, told: _Within) -> Iterator[str]:
    """Compare what is answered where nothing is wrong; a problem is a problem."""
    for status in sorted(status for status in {*old, *new} if status[0] in "23"):
        name = f"{place} {status}"
        if (status in old) != (status in new):
            yield f"{name}: is {'gone' if status in old else 'new'}"
            continue
        for header in old[status].get("headers", {}).keys() - new[status].get("headers", {}).keys():
            yield f"{name}: has no {header} any more"
        now = new[status].get("content", {})
        for media, body in old[status].get("content", {}).items():
            if media in now:
                yield from told.check(name, now[media]["schema"], body["schema"])
            else:
                yield f"{name}: is no {media} any more"


class _Within:
    """Says where values by a schema of one document do not fit one of the other."""

    def __init__(self, narrow: Json, wide: Json, *, is_answer: bool = False) -> None:
        self._documents = narrow, wide
        self._is_answer = is_answer
        self._seen: set[tuple[str, str]] = set()

    def check(self, place: str, narrow: Json, wide: Json) -> Iterator[str]:
        if "$ref" in narrow and "$ref" in wide:
            pair = (narrow["$ref"], wide["$ref"])
            if pair in self._seen:
                return
            self._seen.add(pair)
            place = pair[0].rpartition("/")[2]
        narrow, wide = (
            _resolved(schema, document)
            for schema, document in zip((narrow, wide), self._documents, strict=True)
        )
        if "anyOf" in narrow or "anyOf" in wide:
            for one in narrow.get("anyOf", [narrow]):
                if not any(self._fits(one, other) for other in wide.get("anyOf", [wide])):
                    yield f"{place}: may be something else than before"
            return
        yield from self._bounds(place, narrow, wide)
        yield from self._members(place, narrow, wide)
        if "items" in narrow and "items" in wide:
            yield from self.check(f"{place}[]", narrow["items"], wide["items"])

    def _fits(self, narrow: Json, wide: Json) -> bool:
        inside = _Within(*self._documents, is_answer=self._is_answer)
        inside._seen = set(self._seen)
        return not any(inside.check("", narrow, wide))

    @staticmethod
    def _bounds(place: str, narrow: Json, wide: Json) -> Iterator[str]:
        outside = [word for word in EXACT if word in wide and narrow.get(word) != wide[word]]
        outside += [w for w in LEAST if w in wide and narrow.get(w, float("-inf")) < wide[w]]
        outside += [w for w in MOST if w in wide and narrow.get(w, float("inf")) > wide[w]]
        if "enum" in wide and not set(narrow.get("enum", [None])) <= set(wide["enum"]):
            outside.append("enum")
        if "type" in wide and "enum" not in narrow and narrow.get("type") != wide["type"]:
            outside.append("type")
        for word in outside:
            yield f"{place}: has another {word}"

    def _members(self, place: str, narrow: Json, wide: Json) -> Iterator[str]:
        own, other = narrow.get("properties", {}), wide.get("properties", {})
        for name in own.keys() & other.keys():
            yield from self.check(f"{place}.{name}", own[name], other[name])
        for name in set(wide.get("required", ())) - set(narrow.get("required", ())):
            yield f"{place}.{name}: is needed, and may be missing"
        if self._is_answer:
            for name in other.keys() - own.keys():
                yield f"{place}.{name}: is gone"
        rest, allowed = narrow.get("additionalProperties"), wide.get("additionalProperties")
        if allowed is False and (rest is not False or own.keys() - other.keys()):
            yield f"{place}: has members that are refused"
        if isinstance(rest, dict) and isinstance(allowed, dict):
            yield from self.check(f"{place}.*", rest, allowed)


def _resolved(schema: Json, document: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Any = document
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
