"""Where each setting stands, and how it is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

from rtgf_node.errors import Code, RtgfError


class Places:
    """Where each setting stands, for messages: found by reading the text again, line by line."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines: dict[str, int] = {}
        self.overridden: dict[str, str] = {}
        table, counts, quote = "", dict[str, int](), ""
        for number, line in enumerate(text.splitlines(), start=1):
            if quote:
                quote = "" if quote in line else quote
                continue
            if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
                table = header[2].replace('"', "")
                if header[1] == "[[":
                    index = counts.get(table, 0)
                    counts[table] = index + 1
                    table = f"{table}[{index}]"
                self._lines.setdefault(table, number)
            elif key := re.match(r"\s*([\w\".-]+)\s*=", line):
                name = key[1].replace('"', "")
                setting = f"{table}.{name}" if table else name
                # A dotted key also opens the tables on its way.
                while setting and setting != table:
                    self._lines.setdefault(setting, number)
                    setting = setting.rpartition(".")[0]
            for mark in ('"""', "'''"):
                if line.count(mark) % 2:
                    quote = mark

    def pointer(self, setting: str) -> str:
        """Return `file:line` of the setting, or of the nearest table around it."""
        while setting:
            if setting in self.overridden:
                return self.overridden[setting]
            if setting in self._lines:
                return f"{self._path}:{self._lines[setting]}"
            setting = re.sub(r"(\.?[^.\[]+|\[[^\]]*\])$", "", setting)
        return f"{self._path}:1"


def refuse(detail: str, pointer: str | None) -> NoReturn:
    """Raise RTGF_CONFIG_INVALID."""
    raise RtgfError(Code.RTGF_CONFIG_INVALID, detail, pointer=pointer)
