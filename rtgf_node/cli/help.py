"""Help texts from docstrings: purpose, where it runs, examples; and how help looks."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any, TypedDict

from cyclopts.help import HelpEntry, HelpPanel
from rich.console import Console, ConsoleOptions

from rtgf_node.cli import layout

EXAMPLES = "\n\nExamples:\n"
WIDEST = 100
"""Columns beyond which lines are harder to read than to wrap."""
WIDEST_NAME = 24
"""Columns of names that have what they mean beside them; below longer ones it stands below."""


class Help(TypedDict):
    """What a command's help says besides its parameters."""

    help: str
    help_epilogue: str


def help_of(command: Callable[..., int]) -> Help:
    """Return the help of a command: its paragraphs as running text, then its examples."""
    text, _, examples = (inspect.getdoc(command) or "").partition(EXAMPLES)
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    shown = "\n".join(layout.command(line, layout.PAGE) for line in examples.splitlines())
    return {"help": "\n\n".join(paragraphs), "help_epilogue": f"Examples:\n{shown}"}


class TwoColumns:
    """Names at the left, what they mean at the right, within the width of the terminal."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print the title of a panel and its entries."""
        if not panel.entries:
            return
        said = [(_name(entry), _meaning(entry)) for entry in panel.entries]
        if panel.format == "command":
            # One sentence tells them apart; the rest is in their own help.
            said = [(name, meaning.partition(". ")[0].rstrip(".")) for name, meaning in said]
        column = max((len(name) for name, _ in said if len(name) <= WIDEST_NAME), default=0)
        width = min(options.max_width, WIDEST)
        lines = ["", f"{panel.title}:"]
        for name, meaning in said:
            first = f"  {name:<{column}}  "
            if len(name) > column:
                lines.append(first.rstrip())
                first = " " * (column + 4)
            lines.append(layout.hung(first, meaning, width) if meaning else first.rstrip())
        _print(console, "\n".join(lines))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:  # noqa: ANN401 - rich's
        """Print the line that shows the form of the command."""
        first, *words = _plain(usage).split()
        width = min(options.max_width, WIDEST)
        _print(console, layout.hung(f"Usage: {first} ", " ".join(words), width) + "\n")

    def render_description(self, console: Console, options: ConsoleOptions, text: Any) -> None:  # noqa: ANN401 - rich's
        """Print what the command is for."""
        width = min(options.max_width, WIDEST)
        paragraphs = _plain(text).split("\n\n")
        _print(console, "\n\n".join(textwrap.fill(each, width) for each in paragraphs))


def _name(entry: HelpEntry) -> str:
    # What has a place can be given by name too; one way is enough to read about.
    return entry.positional_label or ", ".join(entry.display_labels_with_metavar)


def _meaning(entry: HelpEntry) -> str:
    parts = [_plain(entry.description)]
    if entry.choices:
        parts.append(f"[{', '.join(entry.choices)}]")
    if entry.default not in {None, "False"}:
        parts.append(f"[default: {entry.default}]")
    if entry.required:
        parts.append("[required]")
    return " ".join(part for part in parts if part)


def _plain(text: Any) -> str:  # noqa: ANN401 - a string, or rich's
    inner = getattr(text, "primary_renderable", text)
    return str(getattr(inner, "plain", inner) or "").strip()


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
