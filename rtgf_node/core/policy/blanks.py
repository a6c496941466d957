"""What stands in a context and says nothing: it must never pass for something that was given."""

from __future__ import annotations

import re
from typing import Final

from rtgf_node.core.policy.values import Value

_BLANK: Final = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
"""White space, controls, Unicode's Default_Ignorable_Code_Point, the blank braille pattern. The
table is written out: which characters an interpreter knows must not change a decision."""


def is_blank(text: str) -> bool:
    """Tell whether a text has nothing that anyone could see."""
    return not ("!" <= text[:1] <= "~") and _BLANK.fullmatch(text) is not None


def says_nothing(value: Value) -> bool:
    """Tell whether a value is blank all through: null, a blank text, a list or object of such.

    It must have been held to our bounds for JSON, which bound how deep this looks.
    """
    if type(value) is str:
        return is_blank(value)
    if type(value) is list:
        return all(map(says_nothing, value))
    if type(value) is dict:
        return all(map(says_nothing, value.values()))
    return value is None
