"""The screens, in the order of their keys."""

from __future__ import annotations

from typing import Final

from tui.screens.actors import Actors
from tui.screens.approvals import Approvals
from tui.screens.builds import Builds
from tui.screens.cluster import Cluster
from tui.screens.corridors import Corridors
from tui.screens.events import Events
from tui.screens.log import Log
from tui.screens.overview import Overview
from tui.screens.pane import Pane
from tui.screens.registry import Registry
from tui.screens.revocation import Revocation
from tui.screens.safety import Safety
from tui.screens.sources import Sources
from tui.screens.verify import Verify

SCREENS: Final[tuple[type[Pane], ...]] = (
    Overview,
    Log,
    Registry,
    Verify,
    Revocation,
    Sources,
    Actors,
    Events,
    Safety,
    Builds,
    Corridors,
    Approvals,
    Cluster,
)
