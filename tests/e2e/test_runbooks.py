"""The runbooks: each has its parts, and every command in them is run, on a real node."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from rtgf_node.alerts.catalogue import CATALOGUE
from rtgf_node.cli.commands import run
from tests.nodes import TestNode

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
PAGES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.md"))}
INDEX = PAGES.pop("README")
BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
HEADS = ["What it means", "How to see it", "What to do", "When it is over"]
WITHOUT_AN_ALERT = {
    "determinism_failure",
    "jwks_rotation",
    "key_compromise",
    "lost_leader",
    "lost_majority",
    "restored_from_backup",
    "transparency_outage",
}

READS = re.compile(
    r"rtgf (status|events|sources|audit|revocations|builds (list|show)|keys list|quarantine list|"
    r"cluster status|library check|audit-trail verify|replay|"
    r"decisions (--check|--limit [0-9]+))\b.*|openssl x509 -in .*|df .*|du .*"
)
"""What changes nothing may be asked of a node that other tests use."""

REFUSED = {
    "rtgf log resume": 73,  # nothing is to be resumed
    "rtgf quarantine release": 66,  # nothing waits
    "rtgf decisions --restart": 73,  # the chain is whole
    "rtgf reinstate": 73,  # it is not suspended
    "rtgf cluster remove": 73,  # the node stands alone
    "rtgf cluster add": 73,
    "rtgf cluster promote": 73,
    "rtgf cluster transfer": 73,
    "rtgf cluster join": 66,  # it was given no seat
    "rtgf cluster leave": 73,  # it runs
    "rtgf serve": 73,
}
"""What the real program says to a good order at the wrong time: its words are understood."""


def commands(text: str) -> list[str]:
    blocks = (textwrap.dedent(match[2]) for match in BLOCK.finditer(text))
    return [line for block in blocks for line in block.splitlines()]


CHANGING = [name for name, text in PAGES.items() if not all(map(READS.fullmatch, commands(text)))]


@pytest.mark.parametrize("name", PAGES)
def test_a_runbook_has_its_parts(name):
    text = PAGES[name]
    assert text.startswith(f"# {name}\n\n")
    assert re.findall("^## (.*)$", text, re.MULTILINE) == HEADS
    assert commands(text), "it says how to see it"
    if name not in WITHOUT_AN_ALERT:
        alert = CATALOGUE[name]
        code = f" · `{alert.code.name}`" if alert.code else ""
        assert f"\n**{alert.severity}** · `{alert.prometheus}`{code}\n" in text


def test_there_is_one_for_each_alert_and_all_are_in_the_index():
    assert set(PAGES) == set(CATALOGUE) | WITHOUT_AN_ALERT
    assert [name for name in PAGES if f"]({name}.md)" not in INDEX] == []


@pytest.fixture
def order(monkeypatch, tmp_path, capsys) -> Callable[[TestNode, str], None]:
    """Give one order in a node's folder, as its operator does; it must end as it should."""
    for name in [one for one in os.environ if one.startswith("RTGF_")]:
        monkeypatch.delenv(name)

    def give(node: TestNode, line: str) -> None:
        wanted = next((code for said, code in REFUSED.items() if line.startswith(said)), 0)
        words = shlex.split(with_what_is_there(node, line, tmp_path))
        if words[0] == "rtgf" and words[1] != "serve":
            with monkeypatch.context() as patch:
                patch.chdir(node.folder)
                code, told = run(words[1:]), str(capsys.readouterr())
        else:
            own = f'rtgf() {{ {sys.executable} -m rtgf_node "$@"; }}\n'
            done = subprocess.run(
                ["bash", "-c", own + line],
                cwd=node.folder,
                env={**os.environ, "PYTHONPATH": str(FOLDER.parents[1])},
                capture_output=True,
                text=True,
                timeout=60,
            )
            code, told = done.returncode, done.stdout + done.stderr
        assert code == wanted, f"{line}\n{told}"

    return give


def with_what_is_there(node: TestNode, line: str, folder: Path) -> str:
    """Put what this node has in the place of what the page has as an example."""
    if "sha256:0054…" in line:
        with node.client("operator") as operator:
            line = line.replace("sha256:0054…", operator.builds()[0].build_id)
    kid = re.search(r"[a-z.]+:ed25519:\S+", line)
    if kid is not None:
        held = KID.get(node.folder)
        if held is None:
            keys = node.keys()
            held = KID[node.folder] = next(key.kid for key in keys if key.use == "token")
        line = line.replace(kid[0], held)
    if "/backup/fma-monday.tar" in line:
        copy = folder / "fma.tar"
        assert node.cli("backup", copy).returncode == 0
        line = line.replace("/backup/fma-monday.tar", str(copy)).replace(" fma", f" {folder}/fma")
    return line


KID: dict[Path, str] = {}
"""The key that a node signed tokens with at first."""


def test_every_order_that_changes_nothing_is_carried_out(published, order):
    given = {line for text in PAGES.values() for line in commands(text) if READS.fullmatch(line)}
    for line in sorted(given, key=lambda line: ("--manifest" not in line, line)):
        order(published, line)


@pytest.mark.parametrize("name", CHANGING)
def test_a_runbook_is_followed(own, order, name):
    for line in commands(PAGES[name]):
        order(own, line)
    for left in ("request.json", "signed.json", "evidence.tar", "node.csr"):
        (own.folder / left).unlink(missing_ok=True)
