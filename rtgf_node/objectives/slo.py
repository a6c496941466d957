"""`config/slo.toml` as it is read: objectives, burn rates, alerts, channels, panels."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Annotated

import msgspec

from rtgf_node.alerts.catalogue import CATALOGUE, Severity
from rtgf_node.errors import Code, RtgfError

Span = Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]*[smhd]$")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Objective(_Part, frozen=True):
    """A share of what `all` counts that is to be good.

    Attributes:
      bad: counts what is not good; else `good` counts what is.
      alert: of the catalogue; raised when the error budget burns too fast.
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z_]*$")]
    says: str
    target: Decimal
    all: str
    alert: str
    bad: str | None = None
    good: str | None = None

    @property
    def budget(self) -> Decimal:
        """The share that may be bad."""
        return 1 - self.target

    def errors(self, span: str) -> str:
        """Return the expression of the bad share in a span of time, by job."""
        every = f"sum by (job) (rate({self.all}[{span}]))"
        if self.bad is None:
            return f"1 - sum by (job) (rate({self.good}[{span}]))\n  / {every}"
        # What never happened has no sample, and is 0.
        return f"(sum by (job) (rate({self.bad}[{span}])) or 0 * {every})\n  / {every}"


class Burn(_Part, frozen=True):
    """How many times too fast a budget burns, in a long window and still in a short one."""

    rate: Decimal
    long: Span
    short: Span
    slow: bool = False


class When(_Part, frozen=True):
    """What Prometheus sees of an alert by itself, and for how long before it is one."""

    when: str
    hold: Span | None = msgspec.field(default=None, name="for")


class Channels(_Part, frozen=True):
    """Two addresses of webhooks that share as little as possible."""

    first: str
    second: str


class Told(_Part, frozen=True):
    """How long alerts of a severity are gathered, and after how long they are told again."""

    wait: Span
    again: Span


class Panel(_Part, frozen=True):
    """One plot of the board."""

    title: str
    unit: str
    of: str


class Slo(_Part, frozen=True):
    """The whole file."""

    runbooks: str
    objective: tuple[Objective, ...]
    burn: tuple[Burn, ...]
    alert: dict[str, When]
    channels: Channels
    severity: dict[Severity, Told]
    panel: tuple[Panel, ...]


def parse(text: str) -> Slo:
    """Read the file.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if a member is unknown, missing or not of its form, an alert is
        not in the catalogue, or an objective has no share or not just one of `bad` and `good`.
    """
    try:
        made = msgspec.convert(tomllib.loads(text, parse_float=Decimal), Slo)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RtgfError(Code.RTGF_CONFIG_INVALID, f"slo.toml: {error}") from error
    named = {one.alert for one in made.objective} | set(made.alert)
    if unknown := sorted(named - set(CATALOGUE)):
        raise RtgfError(Code.RTGF_CONFIG_INVALID, f"slo.toml: no such alert: {', '.join(unknown)}")
    for one in made.objective:
        if (one.bad is None) == (one.good is None):
            detail = f"slo.toml: {one.name} needs one of `bad` and `good`"
            raise RtgfError(Code.RTGF_CONFIG_INVALID, detail)
        if not 0 < one.target < 1:
            detail = f"slo.toml: the target of {one.name} is to lie between 0 and 1"
            raise RtgfError(Code.RTGF_CONFIG_INVALID, detail)
    return made
