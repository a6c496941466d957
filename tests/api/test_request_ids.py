"""Ids of requests: UUIDs, each its own, begun alike in runs."""

from __future__ import annotations

import uuid

from rtgf_node.api import request_ids
from rtgf_node.api.exchange import REQUEST_ID


def test_each_is_a_uuid_of_its_own():
    made = [request_ids.new() for _ in range(4 * request_ids.AT_A_TIME)]
    assert len(set(made)) == len(made)
    for text in made:
        assert str(uuid.UUID(text)) == text
        assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (8, uuid.RFC_4122)
        assert REQUEST_ID.fullmatch(text)
    assert 4 <= len({text[:13] for text in made}) <= 5
