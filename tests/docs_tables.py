"""The tables of the documentation that follow from the program.

A page holds each between two comments, `<!-- table: NAME -->` and `<!-- end -->`. `test_docs` fails
when a page and the program differ; `python -m tests.docs_tables` writes the pages anew.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import msgspec
from prometheus_client.metrics import MetricWrapperBase

from rtgf_node.alerts.catalogue import CATALOGUE
from rtgf_node.api import contract_document
from rtgf_node.errors import Code
from rtgf_node.settings import Config
from rtgf_node.telemetry import Metrics
from tests import conformance as proofs

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OPENAPI = DOCS / "openapi.json"
LIBRARY = ROOT / "rtgf_node/core/policy/library"
NO_TEMPLATE = {"manifest", "control_catalogue", "calendars"}
BLOCK = re.compile(
    r"(?P<head><!-- table: (?P<name>[a-z]+) -->\n)(?P<body>.*?)(?P<tail><!-- end -->)", re.DOTALL
)


def rows(heads: tuple[str, ...], body: Iterator[tuple[object, ...]]) -> str:
    """Return a markdown table."""
    lines = [heads, tuple("---" for _ in heads), *body]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def errors() -> str:
    """Every error code with its status, its exit code and its title."""
    body = ((f"`{c.name}`", c.value.status, c.value.exit_code, c.value.title) for c in Code)
    return rows(("code", "HTTP", "exit", "meaning"), body)


def settings() -> str:
    """Every setting with its default."""

    def one(section: str, kind: Any) -> Iterator[tuple[object, ...]]:
        for field in msgspec.structs.fields(kind):
            default = field.default
            if field.required:
                text = "needed"
            elif default is msgspec.NODEFAULT or default is None:
                text = "none"
            else:
                value = list(default) if isinstance(default, tuple) else default
                plain = str(value) if isinstance(value, Path) else value
                text = f"`{json.dumps(plain)}`"
            yield f"`{section}`", f"`{field.name}`", text

    def every() -> Iterator[tuple[object, ...]]:
        for field in msgspec.structs.fields(Config):
            if isinstance(field.type, type):
                yield from one(f"[{field.name}]", field.type)
            else:
                yield from one(f"[[{field.name}]]", get_args(field.type)[0])

    return rows(("table", "setting", "default"), every())


def metrics() -> str:
    """Every metric with its kind and labels, and whether this version moves it."""
    node = Metrics(version="0")
    source = "\n".join(path.read_text() for path in sorted((ROOT / "rtgf_node").rglob("*.py")))
    found: dict[str, tuple[object, ...]] = {}
    # Those that read the actors' figures at each scrape have no attribute, and always move.
    for family in node.registry.collect():
        stated = tuple(family.samples[0].labels) if family.samples else ()
        found[family.name] = _metric(family, getattr(family, "_labelnames", stated), moves=True)
    parts = [node, node.decisions, node.neighbours, node.push, node.alerts]
    for name, value in [pair for part in parts for pair in vars(part).items()]:
        if isinstance(value, MetricWrapperBase):
            family = next(iter(value.describe()))
            moves = re.search(rf"\.{name}\b(?! = )", source) is not None
            found[family.name] = _metric(family, value._labelnames, moves=moves)
    body = (found[name] for name in sorted(found))
    return rows(("metric", "kind", "labels", "what", "counted"), body)


def _metric(family: Any, labels: tuple[str, ...], *, moves: bool) -> tuple[object, ...]:
    name = family.name + ("_total" if family.type == "counter" else "")
    return (
        f"`{name}`",
        family.type,
        ", ".join(f"`{label}`" for label in labels),
        family.documentation,
        "yes" if moves else "not in this version",
    )


def alerts() -> str:
    """Every alert, with its runbook."""
    body = ((f"[{a.name}]({a.name}.md)", a.severity, a.sentence) for a in CATALOGUE.values())
    return rows(("alert", "severity", "what is so"), body)


def templates() -> str:
    """Every predicate template: parameters, what it reads of a context, what it says on failure."""

    def every() -> Iterator[tuple[object, ...]]:
        for path in sorted(LIBRARY.glob("*.json")):
            if path.stem in NO_TEMPLATE:
                continue
            document = json.loads(path.read_text())
            params = [
                f"`{name}`" + ("" if param.get("required", True) else "?")
                for name, param in document["params"].items()
            ]
            inputs = [
                f"`{name}`" + ("" if due else "?") for name, due in _inputs(document["inputs"])
            ]
            fail = document["on_fail"]
            yield (
                f"`{path.stem}`",
                ", ".join(params),
                ", ".join(inputs) or "nothing",
                f"{fail['decision']} `{fail['reason']}`",
            )

    return rows(("template", "parameters", "reads", "if it does not hold"), every())


def _inputs(part: Any) -> Iterator[tuple[str, bool]]:
    if isinstance(part, list):
        for item in part:
            yield from _inputs(item)
    elif "name" in part:
        yield part["name"], part["required"]
    else:
        for branch in ("then", "else"):
            for name, _ in _inputs(part.get(branch, [])):
                yield name, False


def controls() -> str:
    """Every control that a decision may ask for."""
    catalogue = json.loads((LIBRARY / "control_catalogue.json").read_text())["catalog"]
    listed = (
        (f"`{control['id']}`", control["title"])
        for group in catalogue["groups"]
        for control in group["controls"]
    )
    return rows(("control", "what is to be done"), listed)


def locked() -> dict[str, str]:
    """Return the locked version of every distribution."""
    text = (ROOT / "requirements.lock").read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ \\\n]+)", text, re.MULTILINE))


def licence(name: str) -> str:
    """Return the licence that the installed distribution states."""
    told = metadata.metadata(name)
    expression = told.get("License-Expression")
    if expression:
        return str(expression)
    prefix = "License :: OSI Approved :: "
    found = [c for c in told.get_all("Classifier") or [] if c.startswith(prefix)]
    if found:
        return ", ".join(c.removeprefix(prefix) for c in found)
    return str(told.get("License") or "not stated").splitlines()[0]


def requirements() -> Mapping[str, tuple[str, ...]]:
    """Return the names of the direct dependencies, by group."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(lines: list[str]) -> tuple[str, ...]:
        return tuple(re.split(r"[<>=!~ ;\[]", line)[0] for line in lines)

    return {
        "run": names(project["dependencies"]),
        "dev": names(project["optional-dependencies"]["dev"]),
    }


def runtime() -> str:
    """The dependencies of a running node."""
    held = locked()
    body = ((f"`{name}`", held[name], licence(name)) for name in requirements()["run"])
    return rows(("package", "version", "licence"), body)


def development() -> str:
    """The dependencies of whoever works on this project."""
    held = locked()
    body = ((f"`{name}`", held[name], licence(name)) for name in requirements()["dev"])
    return rows(("package", "version", "licence"), body)


def conformance() -> str:
    """What the contract asks for, and the files with its tests."""
    asked = proofs.conformance()
    return rows(("id", "what", "tests"), ((one.id, one.what, proofs.proof(one)) for one in asked))


TABLES: Mapping[str, Callable[[], str]] = {
    "errors": errors,
    "settings": settings,
    "metrics": metrics,
    "alerts": alerts,
    "templates": templates,
    "controls": controls,
    "runtime": runtime,
    "development": development,
    "conformance": conformance,
}


def openapi() -> bytes:
    """Return the OpenAPI document as it is kept for comparison: a line for each member."""
    return msgspec.json.format(contract_document.to_bytes(), indent=1) + b"\n"


def renewed(text: str) -> str:
    """Return a page with each of its tables as the program has it now."""

    def block(match: re.Match[str]) -> str:
        return match["head"] + "\n" + TABLES[match["name"]]() + "\n" + match["tail"]

    return BLOCK.sub(block, text)


def main() -> None:
    """Write the tables of every page, and the OpenAPI document."""
    OPENAPI.write_bytes(openapi())
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text()
        if text != (new := renewed(text)):
            path.write_text(new)


if __name__ == "__main__":
    main()
