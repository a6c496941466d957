"""What is shown fits the terminal it is shown on, and nothing of it is cut."""

from __future__ import annotations

import pytest

from rtgf_node.cli import layout
from rtgf_node.cli.commands import app
from tests.cli.test_commands import VERBS

HEADERS = ("token", "state", "digest")
DIGEST = "sha256:" + "0" * 64


def test_a_table_that_fits_is_one_line_a_row():
    shown = layout.table(HEADERS, [("RMT:EU:x:1", "issued", "sha256:0")], width=80)
    assert shown == "token       state   digest\nRMT:EU:x:1  issued  sha256:0"


def test_without_a_terminal_a_row_is_one_line_of_any_length():
    shown = layout.table(HEADERS, [("RMT:EU:x:1", None, DIGEST)])
    assert shown.splitlines()[1] == f"RMT:EU:x:1  -      {DIGEST}"


def test_columns_without_room_stand_below_their_row_with_their_names():
    shown = layout.table(HEADERS, [("RMT:EU:x:1", "", DIGEST)], width=76)
    # Wider than asked: an id is never broken.
    assert shown.splitlines() == ["token       state", "RMT:EU:x:1  -", f"    digest  {DIGEST}"]


def test_words_of_the_last_column_are_wrapped_below_each_other():
    rows = [("a", "ok", "memory not loaded, or too old to say that nothing was withdrawn")]
    shown = layout.table(("check", "state", "detail"), rows, width=50)
    assert shown.splitlines() == [
        "check  state  detail",
        "a      ok     memory not loaded, or too old to say",
        "              that nothing was withdrawn",
    ]


def test_long_lines_are_broken_between_words_and_set_in():
    assert layout.fitted("  because it is so and not otherwise", 20) == (
        "  because it is so\n    and not\n    otherwise"
    )
    assert layout.fitted(f"root  {DIGEST}", 40) == f"root\n  {DIGEST}"
    assert layout.fitted("x" * 200, None) == "x" * 200


def test_a_gap_shrinks_before_a_digest_is_moved_from_its_label():
    assert layout.fitted(f"root       {DIGEST}", 80) == f"root     {DIGEST}"


def test_a_command_is_broken_where_it_can_be_pasted():
    line = '  rtgf keys rotate signed.json --reason "quarterly rotation" --config fma/rtgf.toml'
    assert layout.command(line, 44) == (
        "  rtgf keys rotate signed.json \\\n"
        '      --reason "quarterly rotation" \\\n'
        "      --config fma/rtgf.toml"
    )


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_80_columns(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    app([*verb.split(), "--help"], result_action="return_value")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []
