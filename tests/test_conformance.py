"""What the contract asks for has a test or a reason, and the list of it is the contract's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import conformance
from tests.conformance import Asked

TITLE = "[CT-00]\nwhat = 'something'\n"


def test_nothing_is_forgotten():
    assert [one.id for one in conformance.conformance() if one.forgotten] == []


def test_the_ids_are_those_of_the_contract(shared: Path):
    text = (shared / "spec" / "conformance.md").read_text()
    scenarios, _, rest = text.partition("## Requirements of the draft")
    wanted: set[str] = set()
    for row in re.findall(r"^\| CT-([^|]+)\|", scenarios, re.MULTILINE):
        numbers = [int(number) for number in re.findall("[0-9]+", row)]
        whole = range(numbers[0], numbers[-1] + 1) if "…" in row else numbers
        wanted |= {f"CT-{number:02}" for number in whole}
    requirements = rest.partition("\n## ")[0]
    wanted |= {f"REQ-{number}" for number in re.findall(r"\b0[0-9]{2}\b", requirements)}
    assert {one.id for one in conformance.conformance()} == wanted
    assert len(wanted) > 50


@pytest.mark.parametrize(
    "text",
    [
        '"""RTGF-CT-00."""\ndef test_a(): ...',
        'class TestA:\n    """RTGF-CT-00."""\n    def test_a(self): ...',
        'async def test_a():\n    """What RTGF-CT-00 says."""',
    ],
)
def test_an_id_is_named_by_a_test_its_class_or_its_module(tmp_path, text):
    (tmp_path / "conformance.toml").write_text(TITLE)
    (tmp_path / "test_a.py").write_text(text)
    ((_, _, _, (test,)),) = conformance.conformance(tmp_path)
    assert test.endswith("::test_a")
    assert conformance.main(tmp_path) == 0


@pytest.mark.parametrize(
    "text",
    ["", '"""RTGF-CT-00."""', "# RTGF-CT-00\ndef test_a(): ...", 'def a(): """RTGF-CT-00."""'],
)
def test_what_is_no_test_proves_nothing(tmp_path, text, capsys):
    (tmp_path / "conformance.toml").write_text(TITLE)
    (tmp_path / "test_a.py").write_text(text)
    assert conformance.main(tmp_path) == 1
    assert "forgotten: CT-00" in capsys.readouterr().out


def test_what_is_open_is_said_with_its_reason(tmp_path, capsys):
    (tmp_path / "conformance.toml").write_text(TITLE + "open = 'it is late'")
    assert conformance.main(tmp_path) == 0
    assert "OPEN: it is late" in capsys.readouterr().out
    assert conformance.proof(Asked("CT-00", "x", "it is late", ())) == "**open**: it is late"


def test_an_id_that_nothing_asks_for_is_found(tmp_path, capsys):
    (tmp_path / "conformance.toml").write_text(TITLE + "open = 'it is late'")
    (tmp_path / "test_a.py").write_text('def test_a():\n    """RTGF-CT-99."""')
    assert conformance.main(tmp_path) == 1
    assert "forgotten: CT-99" in capsys.readouterr().out
