"""The settings about alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from rtgf_node.setting_forms import HttpsUrl, Name, Section


class AlertsConfig(Section, frozen=True):
    """`[alerts]`: how often the node looks at itself."""

    every_seconds: Annotated[float, msgspec.Meta(ge=1, le=60)] = 10.0


class AlertChannelConfig(Section, frozen=True):
    """`[[alert_channel]]`: who is told of alerts; each is what the one before falls back on."""

    name: Name
    kind: Literal["webhook", "pagerduty", "matrix"]
    url: HttpsUrl
    secret_file: Path | None = None
    ca_file: Path | None = None
