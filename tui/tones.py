"""How a state is told: by a word and a sign, and by a colour beside them, never by colour alone."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Tone: TypeAlias = Literal["", "ok", "warn", "bad", "dim", "strong", "accent", "head"]

OK: Final[Tone] = "ok"
WARN: Final[Tone] = "warn"
BAD: Final[Tone] = "bad"
DIM: Final[Tone] = "dim"
STRONG: Final[Tone] = "strong"
ACCENT: Final[Tone] = "accent"
HEAD: Final[Tone] = "head"
TONES: Final[tuple[Tone, ...]] = ("ok", "warn", "bad", "dim", "strong", "accent", "head")

Span: TypeAlias = tuple[str, Tone]
Spans: TypeAlias = tuple[Span, ...]
"""A line: pieces of text, each with its tone."""

_SIGNS: Final[dict[Tone, str]] = {"ok": "✓", "warn": "!", "bad": "✗"}

STATES: Final[dict[str, Tone]] = {
    "ready": OK,
    "running": OK,
    "fresh": OK,
    "accepted": OK,
    "unchanged": OK,
    "published": OK,
    "approved": OK,
    "in force": OK,
    "valid": OK,
    "done": OK,
    "leader": OK,
    "follower": OK,
    "nothing_due": OK,
    "degraded": WARN,
    "starting": WARN,
    "waiting": WARN,
    "stopping": WARN,
    "quarantined": WARN,
    "STALE": WARN,
    "suspended": WARN,
    "lapsed": WARN,
    "begun": WARN,
    "cancelled": WARN,
    "learner": WARN,
    "candidate": WARN,
    "not yet": WARN,
    "not_ready": BAD,
    "unreachable": BAD,
    "crashed": BAD,
    "stopped": BAD,
    "refused": BAD,
    "failed": BAD,
    "denied": BAD,
    "invalid": BAD,
    "withdrawn": BAD,
    "revoked": BAD,
    "expired": BAD,
}
"""What each word for a state means to a person who watches."""

_ASCII: Final = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "●": "*",
        "·": ".",
        "…": "~",
        "→": ">",
        "│": "|",
        "─": "-",
        "┄": "-",
        "└": "`",
        "├": "|",
        "▁": ".",
        "▂": ".",
        "▃": ":",
        "▄": "-",
        "▅": "=",
        "▆": "+",
        "▇": "*",
        "█": "#",
        "░": ".",
        "▌": "|",
        "‖": "=",
        "“": '"',
        "”": '"',
    }
)


def sign(tone: Tone) -> str:
    """Return the sign of a tone."""
    return _SIGNS.get(tone, "·")


def told(word: str, tone: Tone | None = None) -> Span:
    """Return a state as a sign, its word and its tone; codes stay as they are."""
    of = STATES.get(word, DIM) if tone is None else tone
    return f"{sign(of)} {word if word.isupper() else word.replace('_', ' ')}", of


def plain(text: str) -> str:
    """Return a text in ASCII, for terminals that show nothing else."""
    return text.translate(_ASCII)


def line(*parts: str | Span) -> Spans:
    """Return a line of plain pieces and told ones."""
    return tuple((part, "") if isinstance(part, str) else part for part in parts)
