"""The pages that the node serves about itself: plain HTML, nothing from elsewhere, no script."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import quote, urlencode

from rtgf_node.api.answers import kept, ready
from rtgf_node.api.exchange import Answered

MAX_AGE: Final = 3600
"""Seconds a cache may hold a page: it changes with a new version of the node only."""

STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0}"
    "td,th{border:1px solid #8888;padding:.2rem .5rem;text-align:left;vertical-align:top}"
    "pre{background:#8881;padding:.5rem;overflow-x:auto}"
    "h3{margin-top:2.5rem}:root{color-scheme:light dark}"
)

POLICY: Final = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing is loaded, nothing runs; this one style is shown."""

_JSON: Final = "application/json"


def page(title: str, body: str) -> Answered:
    """Answer with a page.

    Args:
      title: of the page, as plain text.
      body: as HTML.
    """
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1>{body}</html>\n"
    )
    return ready(
        text.encode(),
        cache=kept(MAX_AGE),
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": POLICY},
    )


def of_document(document: Mapping[str, Any], *, url: str) -> Answered:
    """Answer with an OpenAPI document as a page.

    Args:
      document: as `contract_document` makes it.
      url: of the node, for the examples.
    """
    info = document["info"]
    found: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found.setdefault(operation["tags"][0], []).append((path, method.upper(), operation))
    parts = [
        f"<p>Version {escape(info['version'])} of the interface. "
        '<a href="openapi.json">As an OpenAPI document</a>. '
        '<a href="errors">Every code of a problem</a>.</p>',
        f"<p>{marked(info['description'])}</p>",
        _contents(found),
    ]
    for tag, operations in found.items():
        parts.append(f"<h2>{escape(tag)}</h2>")
        parts += [_operation(*each, url=url) for each in operations]
    parts.append("<h2>Types</h2>")
    parts += [
        _type(name, shape) for name, shape in sorted(document["components"]["schemas"].items())
    ]
    return page(info["title"], "".join(parts))


def _contents(found: Mapping[str, list[tuple[str, str, dict[str, Any]]]]) -> str:
    rows = [
        (
            escape(tag),
            f'<a href="#{operation["operationId"]}">{method} {escape(path)}</a>',
            escape(operation["summary"]),
        )
        for tag, operations in found.items()
        for path, method, operation in operations
    ]
    return _table(("", "route", ""), rows)


def _operation(path: str, method: str, operation: dict[str, Any], *, url: str) -> str:
    parts = [
        f'<h3 id="{operation["operationId"]}">{method} {escape(path)}</h3>',
        f"<p>{marked(_sentence(operation['summary']))} "
        f"{marked(operation.get('description', ''))}</p>",
    ]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [
            (
                f"<code>{escape(one['name'])}</code>",
                one["in"] + ("" if one["required"] else ", optional"),
                marked(one["description"]),
                _shape(one["schema"]),
            )
            for one in parameters
        ]
        parts.append(_table(("parameter", "in", "what", "form"), rows))
    body = operation.get("requestBody")
    if body is not None:
        sent = [
            f"<code>{media}</code> {_shape(b['schema'])}" for media, b in body["content"].items()
        ]
        parts.append(f"<p>Body: {', '.join(sent)}</p>")
    parts.append(f"<pre>{escape(_curl(path, method, operation, url=url))}</pre>")
    parts.append(_answers(operation["responses"]))
    return "".join(parts)


def _answers(responses: Mapping[str, Any]) -> str:
    rows = []
    common = []
    for status, response in responses.items():
        if "$ref" in response:
            common.append(status)
            continue
        content = response.get("content", {})
        shown = ", ".join(
            f"<code>{media}</code> {_shape(body['schema'])}"
            for media, body in content.items()
            if not media.startswith("application/problem")
        )
        codes = [
            f'<a href="errors/{code}">{code}</a>'
            for media, body in content.items()
            if media.startswith("application/problem")
            for code in body["schema"]["properties"]["code"]["enum"]
        ]
        words = "" if codes and not shown else escape(response["description"])
        rows.append((status, words, " ".join([shown, *codes])))
    table = _table(("status", "", "with"), rows)
    return f"{table}<p>As everywhere: {', '.join(common)}.</p>"


def _curl(path: str, method: str, operation: dict[str, Any], *, url: str) -> str:
    """Return a command that asks for it, with the examples as they stand."""
    words = ["curl", "--cacert", "ca.pem"]
    roles = operation.get("x-roles")
    if roles:
        words += ["--cert", f"{roles[0]}.pem", "--key", f"{roles[0]}.key"]
    query = {}
    for one in operation.get("parameters", []):
        example = one.get("example")
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(str(example), safe="/:"))
        elif one["required"]:
            query[one["name"]] = example
    if method != "GET":
        words += ["-X", method]
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        words += [
            "-H",
            f"Content-Type: {media if '*' not in media else 'application/octet-stream'}",
        ]
        example = body.get("example")
        words += ["--data-binary", "@FILE" if example is None else json.dumps(example)]
    words.append(f"{url}{path}" + (f"?{urlencode(query, safe=':')}" if query else ""))
    return shlex.join(words)


def _type(name: str, shape: Mapping[str, Any]) -> str:
    needed = shape.get("required", ())
    rows = [
        (
            f"<code>{escape(member)}</code>",
            "" if member in needed else "optional",
            _shape(one),
        )
        for member, one in shape.get("properties", {}).items()
    ]
    table = _table(("member", "", "form"), rows) if rows else f"<p>{_shape(shape)}</p>"
    return (
        f'<h3 id="type-{escape(name)}">{escape(name)}</h3>'
        f"<p>{marked(shape.get('description', ''))}</p>{table}"
    )


def _shape(schema: Mapping[str, Any]) -> str:
    """Return a schema in a few words of HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_shape(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(one))}</code>" for one in schema["enum"])
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {_shape(schema.get('items', {}))}"
    words = [escape(kind) if isinstance(kind, str) else " or ".join(kind)]
    if "minimum" in schema:
        words.append(f"from {schema['minimum']}")
    if "maximum" in schema:
        words.append(f"to {schema['maximum']}")
    if "pattern" in schema:
        words.append(f"<code>{escape(schema['pattern'])}</code>")
    return " ".join(words) if words != [""] else "anything"


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def marked(text: str) -> str:
    """Return text as HTML; what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts))
