"""Values in a settings file exchanged for others, with every comment and line kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from rtgf_node.errors import Code, RtgfError

_HEADER = re.compile(r"\s*\[(?P<name>[^\[\]]+)\]\s*(#.*)?")


def exchanged(text: str, values: Mapping[tuple[str, str], str]) -> str:
    """Return TOML with the strings of `values`, by table and name, in place of what is there.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if one of the names is not on a line of its own there.
    """
    table, lines, missing = "", [], dict(values)
    for line in text.splitlines(keepends=True):
        header = _HEADER.fullmatch(line.rstrip("\n"))
        if header is not None or line.lstrip().startswith("[["):
            table = header["name"].strip() if header is not None else ""
        name = line.partition("=")[0].strip()
        if "=" in line and (table, name) in missing:
            line = f"{name} = {quoted(missing.pop((table, name)))}\n"
        lines.append(line)
    for table, name in missing:
        raise RtgfError(Code.RTGF_CONFIG_INVALID, f"the settings have no line [{table}] {name}")
    return "".join(lines)


def quoted(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are all TOML's too."""
    return json.dumps(text, ensure_ascii=False)
