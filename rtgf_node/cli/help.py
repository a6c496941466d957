"""Help texts from docstrings: purpose, where it runs, examples."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypedDict

EXAMPLES = "\n\nExamples:\n"


class Help(TypedDict):
    """What a command's help says besides its parameters."""

    help: str
    help_epilogue: str


def help_of(command: Callable[..., int]) -> Help:
    """Return the help of a command: its paragraphs as running text, then its examples."""
    text, _, examples = (inspect.getdoc(command) or "").partition(EXAMPLES)
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return {"help": "\n\n".join(paragraphs), "help_epilogue": f"Examples:\n{examples}"}
