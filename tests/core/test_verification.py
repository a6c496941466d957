"""What a verifier must never call valid: withdrawn, overtaken, secret or undecidable tokens."""

from __future__ import annotations

from typing import Any

import pytest

from rtgf_node.core import times, tokens, verification
from rtgf_node.core.as_of import AsOf, present
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.times import SKEW_SECONDS
from rtgf_node.core.trust import TrustState
from rtgf_node.wire import EvaluateRequest, VerifyRequest, VerifyTokens
from tests import worlds

NODE = worlds.node()
NOW = worlds.NOW
DAY = 86_400
TTL = 3_600
RMT = "RMT:SG:payments_aml:2026-10"
IMT = "IMT:EU-SG:payments_aml:2026-10"
LOGGED = NOW - 10 * DAY


class World:
    """What a verifier knows, token by token, in the order of a log."""

    def __init__(self) -> None:
        self.state = TrustState()
        self.state.keys = NODE.keys
        self.state.tree_size = 1000
        self._times: list[int] = []

    def issue(self, token_id: str, *, at: int = LOGGED, **changes: Any) -> None:
        kind, place, _, version = token_id.split(":")
        member = "jurisdiction" if kind == "RMT" else "corridor"
        document = worlds.token(
            kind,
            token_id=token_id,
            version=version,
            **{member: place, f"{kind.lower()}_id": token_id, **changes},
        )
        signed = tokens.sign(document, NODE.signers)
        self.state.add(tokens.parse(signed), leaf_index=self._append(at), at=at)

    def withdraw(self, token_id: str, status: str = "invalid", *, at: int = NOW - 5) -> None:
        epoch = self.state.rev_epoch + 1
        leaf_index = self._append(at)
        self.state.set_status(token_id, status, leaf_index=leaf_index, rev_epoch=epoch)

    def as_of(self, at: int | None, now: int) -> AsOf:
        """The log as it stood: all up to the newest entry that is not later."""
        if at is None or at >= now:
            return present(now if at is None else at)
        sizes = [size for size, time in enumerate(self._times, start=1) if time <= at]
        return AsOf(max(sizes, default=0), at)

    def _append(self, at: int) -> int:
        self._times.append(at)
        return len(self._times) - 1

    def verdict(
        self,
        rmt: str = f"{RMT}.1",
        imt: str | None = None,
        *,
        now: int = NOW,
        at: int | None = None,
        **members: Any,
    ) -> str | None:
        request = VerifyRequest(tokens=VerifyTokens(rmt=rmt, imt=imt), **members)
        as_of = self.as_of(at, now)
        answer = verification.verify(request, self.state, as_of=as_of, now=now)
        assert answer.valid == (answer.reason is None)
        return answer.reason


@pytest.fixture
def world() -> World:
    made = World()
    made.issue("RMT:EU:payments_aml:2026-10.1")
    made.issue(f"{RMT}.1")
    made.issue(f"{IMT}.1", derived_from=["RMT:EU:payments_aml:2026-10.1", f"{RMT}.1"])
    return made


def test_a_withdrawal_holds_whatever_the_clock_says(world) -> None:
    assert world.verdict() is None
    world.withdraw(f"{RMT}.1", at=NOW)
    assert world.verdict(now=NOW - 1) == "RTGF_VERIFY_REVOKED"
    assert world.verdict(now=NOW - 5 * DAY) == "RTGF_VERIFY_REVOKED"
    # Who asks about the past is told of the past.
    assert world.verdict(at=NOW - 1) is None
    assert world.verdict(at=NOW) == "RTGF_VERIFY_REVOKED"


def test_what_was_reinstated_is_valid_again_and_was_not_in_between(world) -> None:
    world.withdraw(f"{RMT}.1", "suspended", at=NOW - 10)
    assert world.verdict() == "RTGF_VERIFY_REVOKED"
    world.withdraw(f"{RMT}.1", "valid", at=NOW - 2)
    assert world.verdict() is None
    assert world.verdict(at=NOW - 5) == "RTGF_VERIFY_REVOKED"


def test_an_old_change_that_is_heard_again_changes_nothing(world) -> None:
    state = world.state
    state.set_status(f"{RMT}.1", "suspended", leaf_index=3, rev_epoch=1)
    state.set_status(f"{RMT}.1", "valid", leaf_index=4, rev_epoch=2)
    state.set_status(f"{RMT}.1", "invalid", leaf_index=5, rev_epoch=3)
    state.set_status(f"{RMT}.1", "valid", leaf_index=4, rev_epoch=2)
    assert world.verdict() == "RTGF_VERIFY_REVOKED"
    assert state.rev_epoch == 3


def test_the_future_is_not_known(world) -> None:
    """A token may be revoked until then, so that no answer about it can be yes."""
    assert world.verdict(at=NOW + 120) is None
    assert world.verdict(at=NOW + 121) == "RTGF_TOKEN_REVOCATION_STALE"
    assert world.verdict(at=times.parse("2029-01-01T00:00:00Z")) == "RTGF_VERIFY_EXPIRED"


def test_a_token_is_not_in_the_log_before_it_was_logged(world) -> None:
    assert world.verdict(at=LOGGED) is None
    assert world.verdict(at=LOGGED - DAY) == "RTGF_TXP_PROOF_NOT_FOUND"
    # A clock that was set back makes nothing invalid: nobody asked about the past.
    assert world.verdict(now=LOGGED - DAY) is None


def test_without_an_issue_number_it_is_the_newest_of_the_time(world) -> None:
    world.issue(f"{RMT}.2", at=NOW - 60)
    world.withdraw(f"{RMT}.2", at=NOW - 30)
    assert world.verdict(RMT) == "RTGF_VERIFY_REVOKED"
    assert world.verdict(RMT, at=NOW - 61) is None


@pytest.mark.parametrize("version", ["2026-10.2", "2026-11.1"])
def test_a_token_that_was_replaced_lives_as_long_as_a_copy_may(world, version) -> None:
    """RTGF-REQ-021."""
    replaced = NOW - TTL
    world.issue(f"RMT:SG:payments_aml:{version}", at=replaced)
    assert world.verdict(now=replaced) is None
    assert world.verdict(now=replaced + TTL) is None
    assert world.verdict(now=replaced + TTL + 1) == "RTGF_VERIFY_EXPIRED"
    assert world.verdict(f"RMT:SG:payments_aml:{version}", now=replaced + TTL + 1) is None


def test_a_successor_that_does_not_hold_yet_replaces_nothing(world) -> None:
    begins = NOW + 5 * DAY
    window = {"nbf": times.to_text(begins), "exp": "2027-10-01T00:00:00Z"}
    world.issue(
        "RMT:SG:payments_aml:2026-12.1",
        at=NOW - 2 * DAY,
        effective=window,
        effective_date=window["nbf"],
    )
    assert world.verdict() is None
    assert world.verdict(now=begins + TTL) is None
    assert world.verdict(now=begins + TTL + 1) == "RTGF_VERIFY_EXPIRED"


def test_a_corridor_does_not_outlive_the_rules_it_rests_on(world) -> None:
    """Its successor may be impossible, or wait for approval: the old rules are gone anyway."""
    world.issue("RMT:EU:payments_aml:2026-11.1", at=NOW - 2 * DAY)
    assert world.verdict(imt=f"{IMT}.1") == "RTGF_VERIFY_EXPIRED"


@pytest.mark.parametrize("status", ["invalid", "suspended"])
def test_withdrawing_the_newest_leaves_no_older_one_in_force(world, status) -> None:
    world.issue(f"{RMT}.2", at=NOW - 60)
    assert world.verdict(imt=f"{IMT}.1") is None
    world.withdraw(f"{RMT}.2", status)
    assert world.verdict() == "RTGF_VERIFY_REVOKED"
    assert world.verdict(imt=f"{IMT}.1") == "RTGF_VERIFY_REVOKED"
    assert world.verdict(now=NOW - DAY) == "RTGF_VERIFY_REVOKED"
    assert world.verdict(at=NOW - 30) is None


def test_a_successor_that_came_later_replaces_nothing_of_before(world) -> None:
    """Whatever its date: the clock may have been set back."""
    request = VerifyRequest(tokens=VerifyTokens(rmt=f"{RMT}.1"))
    world.issue(f"{RMT}.2", at=LOGGED - 2 * DAY)
    for size, reason in ((3, None), (4, "RTGF_VERIFY_EXPIRED")):
        answer = verification.verify(request, world.state, as_of=AsOf(size, NOW - 1), now=NOW)
        assert answer.reason == reason


def test_hearing_of_a_token_twice_changes_nothing(world) -> None:
    world.issue(f"{RMT}.2", at=NOW - 2 * DAY)
    world.issue(f"{RMT}.1")
    world.issue(f"{RMT}.2", at=NOW - 2 * DAY)
    assert world.verdict() == "RTGF_VERIFY_EXPIRED"
    assert world.verdict(RMT) == world.verdict(f"{RMT}.2") is None


def test_stale_knowledge_decides_nothing(world) -> None:
    request = EvaluateRequest(token=f"{RMT}.1", context={})
    assert verification.resolve(request, world.state, as_of=present(NOW), now=NOW).reason is None
    world.state.stale = True
    found = verification.resolve(request, world.state, as_of=present(NOW), now=NOW).reason
    assert found is not None
    assert found.name == "RTGF_TOKEN_REVOCATION_STALE" == world.verdict()


def test_a_token_that_no_head_covers_is_not_valid(world) -> None:
    world.state.tree_size = 1
    assert world.verdict() == "RTGF_TXP_PROOF_NOT_FOUND"


class TestTheRegistryResolver:
    def asked(self, world: World, token: str, *, now: int = NOW) -> Any:
        held = world.state.find(f"{RMT}.1")
        assert held is not None
        return world.state.resolvers(held.token, now)["registry"]({"token": token})

    def test_it_calls_valid_what_verify_does(self, world) -> None:
        assert self.asked(world, f"{IMT}.1") == {"found": True, "valid": True}
        assert self.asked(world, f"{IMT}.9") == {"found": False, "valid": False}

    @pytest.mark.parametrize("why", ["withdrawn", "unlogged", "overtaken", "keys"])
    def test_and_nothing_else(self, world, why) -> None:
        match why:
            case "withdrawn":
                world.withdraw(f"{IMT}.1", at=NOW + 60)
            case "unlogged":
                world.state.tree_size = 1
            case "overtaken":
                world.issue(f"{RMT}.2", at=NOW - 2 * DAY)
            case "keys":
                world.state.keys = worlds.authority("EU").keys
        assert self.asked(world, f"{IMT}.1") == {"found": True, "valid": False}


class TestTheAgeOfAList:
    CONTENT, NEWER = worlds.digest_of("content"), worlds.digest_of("newer")

    @pytest.fixture
    def token(self, world) -> tokens.Token:
        world.issue(
            "RMT:US:payments_aml:2026-10.1",
            evidence={
                "policy_snapshot": worlds.digest_of("snapshot"),
                "datasets": [worlds.dataset_input(self.CONTENT)],
                "inputs": sorted([worlds.digest_of("snapshot"), self.CONTENT]),
            },
        )
        held = world.state.find("RMT:US:payments_aml:2026-10")
        world.state.screens = {
            self.CONTENT: NameIndex.build(worlds.records(worlds.LISTED)),
            self.NEWER: NameIndex.build(worlds.records("Somebody Else")),
        }
        world.state.checked_at = {self.CONTENT: NOW - DAY, self.NEWER: NOW}
        world.state.fresh_until = {self.CONTENT: NOW + DAY, self.NEWER: NOW + 3 * DAY}
        return held.token

    def screened(self, world: World, token: tokens.Token, at: int, *lists: str) -> Any:
        arguments: Any = {
            "party": {"name": worlds.LISTED},
            "threshold": "0.92",
            "lists": list(lists),
        }
        return world.state.resolvers(token, at)["sanctions"](arguments)["listed"]

    def test_a_token_is_decided_with_the_list_it_names_for_as_long_as_that_is_fresh(
        self, world, token
    ) -> None:
        """That its provider has a newer one, which is fresh, is no reason to believe the old."""
        assert self.screened(world, token, NOW + DAY, "un-sc")
        with pytest.raises(LookupError):
            self.screened(world, token, NOW + DAY + 1, "un-sc")
        assert world.state.lists_in_force(NOW) == {"un-sc": NOW + DAY}

    def test_the_authority_may_ask_for_a_younger_one(self, world, token) -> None:
        world.state.feeds[worlds.digest_of("snapshot")] = {"un-sc": DAY + 3600}
        assert self.screened(world, token, NOW + 3600, "un-sc")
        with pytest.raises(LookupError):
            self.screened(world, token, NOW + 3601, "un-sc")
        assert world.state.list_limits(token) == {"un-sc": NOW + 3600}

    def test_what_was_checked_in_the_future_is_not_fresh(self, world, token) -> None:
        """A clock that was far ahead would else keep the list in use until it comes true."""
        world.state.checked_at[self.CONTENT] = NOW + 400 * DAY
        world.state.fresh_until[self.CONTENT] = NOW + 402 * DAY
        world.state.now = NOW
        with pytest.raises(LookupError):
            self.screened(world, token, NOW, "un-sc")
        assert world.state.list_limits(token) == {"un-sc": 0}
        assert world.state.lists_in_force(NOW) == {"un-sc": 0}
        world.state.now = NOW + 400 * DAY
        assert self.screened(world, token, NOW, "un-sc")

    def test_an_earlier_state_is_read_with_a_list_that_was_checked_since(
        self, world, token
    ) -> None:
        """Later than the instant asked about is not later than now."""
        world.state.now = NOW
        world.state.checked_at[self.CONTENT] = NOW
        assert self.screened(world, token, NOW - 3 * DAY, "un-sc")

    def test_clocks_may_differ_a_little(self, world, token) -> None:
        world.state.now = NOW
        world.state.checked_at[self.CONTENT] = NOW + SKEW_SECONDS
        assert self.screened(world, token, NOW, "un-sc")
        world.state.checked_at[self.CONTENT] = NOW + SKEW_SECONDS + 1
        with pytest.raises(LookupError):
            self.screened(world, token, NOW, "un-sc")

    def test_what_its_authority_asks_for_must_be_readable(self, world, token) -> None:
        world.state.checked_at[self.CONTENT] = NOW - 1
        world.state.feeds[worlds.digest_of("snapshot")] = None
        with pytest.raises(LookupError):
            self.screened(world, token, NOW, "un-sc")

    @pytest.mark.parametrize("lists", [(), ("eu-fsf",), ("un-sc", "eu-fsf")])
    def test_a_list_that_the_token_does_not_name_is_an_error(self, world, token, lists) -> None:
        with pytest.raises((LookupError, TypeError)):
            self.screened(world, token, NOW, *lists)

    def test_a_list_that_nobody_keeps_any_more_is_an_error(self, world, token) -> None:
        del world.state.fresh_until[self.CONTENT]
        with pytest.raises(LookupError):
            self.screened(world, token, NOW, "un-sc")
