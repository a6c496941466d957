"""Figures as people read them: ages, sizes, counts, dates, outcomes."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rtgf_node.core import times
from rtgf_node.wire import FetchAnswer

DAY: Final = 86_400
_STEPS: Final = ((DAY, "d"), (3600, "h"), (60, "min"))
_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def age(seconds: float | None) -> str:
    """Return a duration in its largest whole unit; `-` if there is none."""
    if seconds is None:
        return "-"
    for step, unit in _STEPS:
        if seconds >= 2 * step or (step == DAY and seconds >= step):
            return f"{int(seconds // step)} {unit}"
    return f"{max(0, int(seconds))} s"


def since(text: str, now: int) -> str:
    """Return how long ago an RFC 3339 time was; `-` for none."""
    return age(now - times.parse(text)) if text else "-"


def clock(epoch: int) -> str:
    """Return the time of day."""
    return times.to_text(epoch)[11:19]


def moment(text: str) -> str:
    """Return an RFC 3339 time without its year, which is this one or stands in the detail."""
    return text[5:19].replace("T", " ")


def number(value: int) -> str:
    """Return a count with its thousands set apart."""
    return f"{value:,}".replace(",", " ")


def size(count: float) -> str:
    """Return bytes in the unit that leaves at most four digits."""
    for unit in _SIZES[:-1]:
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {_SIZES[-1]}"


def rate(value: float | None) -> str:
    """Return a rate per second; `-` while it is not known."""
    if value is None:
        return "-"
    return f"{value:.1f}/s" if value < 100 else f"{value:.0f}/s"


def milliseconds(value: float | None) -> str:
    """Return milliseconds; `-` while they are not known."""
    if value is None:
        return "-"
    if value < 1:
        return f"{value:.2f} ms"
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def short(digest: str, length: int = 12) -> str:
    """Return a digest by its first characters, which is what people compare at a glance."""
    kind, colon, hexa = digest.partition(":")
    if not colon:
        return digest if len(digest) <= length else f"{digest[: length - 1]}…"
    return f"{kind}:{hexa[:length]}…" if len(hexa) > length else digest


def outcome(answer: object) -> str:
    """Return what an act came to: in the node's own words, where it has some."""
    if isinstance(answer, FetchAnswer):
        counted = Counter(item.outcome for item in answer.items)
        return ", ".join(f"{count} {name}" for name, count in sorted(counted.items())) or "nothing"
    return str(getattr(answer, "state", "done")).replace("_", " ")
