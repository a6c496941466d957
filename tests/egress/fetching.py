"""What the tests of fetching share: a list to fetch, and a fetcher in the simulated world."""

from __future__ import annotations

from typing import Any

import pytest

from rtgf_node.egress import Egress
from rtgf_node.errors import Code, RtgfError
from tests.simulator import Simulator

PATH = "/un.xml"
LIST = b"<CONSOLIDATED_LIST/>" * 50


def steady() -> float:
    return 0.0


def egress(world: Simulator, **changes: Any) -> Egress:
    """One whose connections stay in memory."""
    return Egress(world.config(**changes), jitter=steady, network=world.network)


async def refusal(fetcher: Egress, uri: str, **conditions: str) -> RtgfError:
    with pytest.raises(RtgfError) as raised:
        await fetcher.get(uri, **conditions)
    assert raised.value.code is Code.RTGF_SANCTIONS_FETCH_FAILED
    return raised.value
