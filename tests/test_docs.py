"""What the documentation says of the program is so: tables, commands, routes, links, examples."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from unittest.mock import MagicMock

import msgspec
import pytest

from rtgf_node.api.app import build_app
from rtgf_node.cli.commands import app
from rtgf_node.core import snapshot
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.event import TYPES
from rtgf_node.core.keys import KeySet
from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.policy.applicability import CONDITIONS
from rtgf_node.settings import Config, Role
from tests import docs_tables

ROOT = docs_tables.ROOT
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "config").rglob("*.md")]
)
FENCE = re.compile(r"^```(?P<kind>[a-z]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, kind: str) -> list[str]:
    return [match["body"] for match in FENCE.finditer(page.read_text()) if match["kind"] == kind]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


# --- tables ---------------------------------------------------------------------------------------


@pages
def test_tables_are_those_of_the_program(page):
    text = page.read_text()
    assert docs_tables.renewed(text) == text, "run: .venv/bin/python -m tests.docs_tables"


def test_every_table_stands_on_a_page():
    text = "".join(page.read_text() for page in PAGES)
    found = {match["name"] for match in docs_tables.BLOCK.finditer(text)}
    assert found == set(docs_tables.TABLES)


def test_every_dependency_has_its_reason():
    text = (docs_tables.DOCS / "dependencies.md").read_text()
    reasons = set(re.findall(r"^- `([^`]+)`: \S", text, re.MULTILINE))
    assert reasons == {name for names in docs_tables.requirements().values() for name in names}


@pages
def test_every_file_of_the_program_that_is_named_exists(page):
    named = re.findall(r"`((?:rtgf_node|tests|config|scripts)/[\w./-]+)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_setting_is_explained_in_the_example():
    example = (ROOT / "config/rtgf.example.toml").read_text()
    missing = [
        name for name in settings() if not re.search(rf"\b{name.rpartition('.')[2]}\b", example)
    ]
    assert missing == []


def settings() -> Iterator[str]:
    for field in msgspec.structs.fields(Config):
        kind = field.type if isinstance(field.type, type) else get_args(field.type)[0]
        for inner in msgspec.structs.fields(kind):
            yield f"{field.name}.{inner.name}"


@pages
def test_every_setting_that_is_named_exists(page):
    known, tables = set(settings()), {name.partition(".")[0] for name in settings()}
    named = [name for name in INLINE.findall(prose(page)) if re.fullmatch(r"[a-z]+\.[a-z_]+", name)]
    named = [name for name in named if name.partition(".")[0] in tables]
    assert [name for name in named if name not in known and name not in LOOK_ALIKE] == []


LOOK_ALIKE = {"log.keys", "witness.key"}
"""Members of documents whose names have the form of a setting's."""


@pages
def test_settings_in_examples_are_taken(page):
    for body in blocks(page, "toml"):
        document = tomllib.loads(body)
        for table, value in document.items():
            for entry in value if isinstance(value, list) else [value]:
                assert {f"{table}.{name}" for name in entry} <= set(settings()), body


# --- commands -------------------------------------------------------------------------------------


def verbs(command: Any = app, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in command:
        if not name.startswith("-"):
            inner = (*path, name)
            below = list(verbs(command[name], *inner))
            yield from below or [(inner, command[name])]


VERBS = dict(verbs())
GROUPS = {path[:1] for path in VERBS if len(path) > 1}


def called(page: Path) -> Iterator[list[str]]:
    """Yield the words of every `rtgf …` on a page, in the running text and in examples."""
    for body in blocks(page, "sh"):
        for line in body.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["rtgf"]:
                yield words[1:]
    for code in INLINE.findall(prose(page)):
        if code.startswith("rtgf "):
            yield shlex.split(code)[1:]


@pages
def test_every_command_that_is_named_exists(page):
    for words in called(page):
        path = next((p for p in VERBS if list(p) == words[: len(p)]), None)
        assert path is not None or tuple(words) in GROUPS, f"rtgf {' '.join(words)}"
        if path is not None:
            names = {
                name
                for argument in VERBS[path].assemble_argument_collection()
                for name in argument.names
            }
            flags = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert flags <= names, f"rtgf {' '.join(words)}"


def test_every_command_is_described():
    text = "".join(page.read_text() for page in PAGES)
    assert [path for path in VERBS if f"rtgf {' '.join(path)}" not in text] == []


@pages
def test_every_flag_that_is_named_exists(page):
    known = {
        name
        for command in VERBS.values()
        for argument in command.assemble_argument_collection()
        for name in argument.names
    }
    named = {code for code in INLINE.findall(prose(page)) if re.fullmatch(r"--[a-z-]+", code)}
    assert named <= known | {"--lists", "--quick"}


# --- routes ---------------------------------------------------------------------------------------


def routes() -> set[tuple[str, str]]:
    desk = MagicMock()
    desk.config.http.send_timeout_seconds = 1.0
    served: Any = build_app(desk)
    return {
        (method, rule.rule)
        for rule in served.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def test_every_route_is_described_and_every_described_route_exists():
    text = FENCE.sub("", (docs_tables.DOCS / "http.md").read_text())
    pattern = r"(?:### |`)(GET|POST) (/[^\s`?]*)"
    described = set(re.findall(pattern, text))
    exact = {(method, path) for method, path in described if not _is_example(path)}
    assert exact == routes()


def _is_example(path: str) -> bool:
    return path == "/tokens/RMT/eu-payments_aml-2026-10.1"


@pages
def test_routes_that_are_named_elsewhere_exist(page):
    named = set(re.findall(r"`(GET|POST) (/[^\s`?]*)", prose(page)))
    assert {entry for entry in named if not _is_example(entry[1])} <= routes()


# --- links and examples ---------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", head.lower()) for head in heads]
    return {head.replace(" ", "-") for head in plain}


@pages
def test_every_link_leads_somewhere(page):
    for match in LINK.finditer(prose(page)):
        target = match["target"]
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert path.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(path), target


@pages
def test_json_examples_are_json(page):
    for body in blocks(page, "json"):
        for document in re.split(r"\n(?=\{)", body):
            json.loads(document)


def test_the_python_of_an_authority_signs_a_snapshot(tmp_path, monkeypatch):
    (body,) = blocks(docs_tables.DOCS / "formats.md", "python")
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(body, "formats.md", "exec"), names)
    keys = KeySet.from_jwks(parse((tmp_path / "eu.jwks.json").read_bytes()))
    taken = snapshot.accept(
        (tmp_path / "snapshot.json").read_bytes(),
        keys=keys,
        issuers=[names["issuer"]],
        at=names["now"],
    )
    assert taken.jurisdiction == "EU"


def test_words_that_are_listed_are_all_of_them():
    formats = (docs_tables.DOCS / "formats.md").read_text()
    operating = (docs_tables.DOCS / "operating.md").read_text()
    assert [name for name in TYPES if f"`{name}`" not in formats] == []
    assert [name for name in CONDITIONS if f"`{name}`" not in formats] == []
    assert [name for name in READERS if f"`{name}`" not in operating] == []
    assert [name for name in get_args(Role) if f"`{name}`" not in operating] == []


def test_log_lines_that_are_listed_are_written():
    text = (docs_tables.DOCS / "operating.md").read_text().partition("## Log lines")[2]
    table = text.partition("| event | meaning |\n| --- | --- |\n")[2].partition("\n\n")[0]
    listed = [name for row in table.splitlines() for name in INLINE.findall(row.split("|")[1])]
    source = "".join(path.read_text() for path in sorted((ROOT / "rtgf_node").rglob("*.py")))
    assert listed
    assert [name for name in listed if f'"{name}"' not in source] == []


# --- what is not built ----------------------------------------------------------------------------

ABSENT = {
    "a cluster": not any(path[0] == "cluster" for path in VERBS),
    "a dashboard": [path.name for path in (ROOT / "tui").glob("*.py")] == ["__init__.py"],
    "witnesses": "witness" not in (ROOT / "rtgf_node/node.py").read_text(),
    "CORT, PSRT and RRMT": '"CORT"' not in (ROOT / "rtgf_node/actors/terms_planner.py").read_text(),
    "rotation of the online keys": ("keys", "rotate") not in VERBS,
    "a command for backups": ("backup",) not in VERBS,
    "backups that are encrypted": '"age"' not in (ROOT / "rtgf_node/copies/backup.py").read_text(),
    "rules for Prometheus": not (ROOT / "config/slo.toml").exists(),
    "release a quarantined list": not any("release" in path for path in VERBS),
}
"""What the README says is missing, and whether it is."""


@pytest.mark.parametrize("claim", ABSENT)
def test_what_is_said_to_be_missing_is_missing(claim):
    text = (ROOT / "README.md").read_text().partition("## Not built yet")[2].partition("\n## ")[0]
    assert (claim in text) == ABSENT[claim]
