"""Readiness tells of a webhook that does not hear of revocations in time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rtgf_node import webhooks

NOW = 1_800_000_000


def check(*, told: int | None, revoked_at: list[int]):
    def since(epoch: int, limit: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(at=at) for at in revoked_at[epoch:]][:limit]

    row = None if told is None else SimpleNamespace(rev_epoch=told)
    store = SimpleNamespace(
        webhooks=SimpleNamespace(delivered=lambda name: row),
        revocation=SimpleNamespace(since=since),
    )
    config = SimpleNamespace(webhook=[SimpleNamespace(name="bank")])
    [found] = webhooks.checks(config, store, now=NOW)
    assert found.name == "webhook:bank"
    return found


@pytest.mark.parametrize(
    ("told", "ages", "ok"),
    [
        (None, [9_000], True),
        (1, [9_000], True),
        (1, [9_000, 300, 1], True),
        (1, [9_000, 301, 1], False),
        (0, [9_000], False),
    ],
)
def test_it_is_the_oldest_untold_revocation_that_counts(told, ages, ok):
    assert check(told=told, revoked_at=[NOW - age for age in ages]).ok is ok
