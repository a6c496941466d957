"""Decisions under audit: the roots in the log, and the entries where they are shown."""

from __future__ import annotations

from contextlib import closing

import msgspec
import pytest

from rtgf_node.audit import decisions as audit_decisions
from rtgf_node.audit import judgement as audit
from rtgf_node.cli import audit as cli
from rtgf_node.core import decision
from rtgf_node.core.decision import Draft
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.decision_store import DATABASE, DecisionStore
from rtgf_node.wire.decisions import DecisionPage
from tests.cli.audit_world import CONTENT, NOW, ROOT, World


@pytest.fixture
def world():
    """Three intervals of 4, 1 and 6 decisions, and two that no root covers yet."""
    made = World()
    for count in (4, 1, 6):
        made.decide(count)
    made.decide(2, log_root=False)
    return made


def report(world, decisions="all"):
    read = world.decisions if decisions == "all" else decisions
    return audit.check(world.material(), root_public=ROOT.public, decisions=read)


def details(world, decisions="all"):
    """Each finding's subject and detail; all are of decisions."""
    judged = report(world, decisions)
    assert {finding.check for finding in judged.findings} <= {audit_decisions.CHECK}
    assert cli.exit_code(judged) == (28 if judged.findings else 0)
    return [(finding.subject, finding.detail) for finding in judged.findings]


def only(found, subject, part):
    assert [one for one, _ in found] == [subject], found
    assert part in found[0][1]


def test_honest_decisions_have_no_findings(world):
    assert details(world) == []
    assert report(world).decisions == audit_decisions.Decided(3, 13, [])
    assert "3 roots in the log, 13 read" in cli.text(report(world))


def test_without_entries_the_roots_alone_are_looked_at(world):
    assert details(world, None) == []
    assert report(world, None).decisions == audit_decisions.Decided(3, None, [])
    assert "they were not shown" in cli.text(report(world, None))


@pytest.mark.parametrize(
    ("place", "subject"),
    [
        (1, "decisions 1 to 4"),
        (3, "decisions 1 to 4"),
        (4, "decisions 5 to 5"),
        (10, "decisions 6 to 11"),
        (11, "after decision 11"),
    ],
)
def test_a_changed_decision_is_found(world, place, subject):
    entry = world.decisions[place]
    world.decisions[place] = msgspec.structs.replace(entry, decision="PERMIT")
    assert [one for one, _ in details(world)] == [subject]


def test_what_no_root_covers_shows_nothing_of_its_last(world):
    """Until the next root: then it has to be the same again."""
    world.decisions[12] = msgspec.structs.replace(world.decisions[12], decision="PERMIT")
    assert details(world) == []
    world.log_root(world.chain.seal())
    only(details(world), "decisions 12 to 13", "not the one that the log names")


@pytest.mark.parametrize(
    ("gone", "subject", "part"),
    [
        (slice(0, 1), "decisions 1 to 4", "decision 1 is not shown; 2 comes"),
        (slice(2, 3), "decisions 1 to 4", "does not follow decision 2"),
        (slice(3, 4), "decisions 1 to 4", "only 3 of 4"),
        (slice(4, 5), "decisions 5 to 5", "only 0 of 1"),
        (slice(7, 13), "decisions 6 to 11", "only 2 of 6"),
        (slice(11, 12), "after decision 11", "decision 12 is not shown"),
    ],
)
def test_a_removed_decision_is_found(world, gone, subject, part):
    del world.decisions[gone]
    only(details(world), subject, part)


def test_a_decision_that_stands_there_twice_is_found(world):
    world.decisions.insert(2, world.decisions[2])
    only(details(world), "decisions 1 to 4", "does not follow decision 3")


def test_a_whole_other_chain_is_found_though_it_is_one(world):
    other = World()
    for count in (4, 1, 6):
        other.decide(count)
        other.chain.head = CONTENT
    found = details(world, other.decisions)
    assert [one for one, _ in found] == ["decisions 5 to 5", "decisions 6 to 11"]
    assert "as the log holds that one" in found[0][1]


def test_a_root_of_other_decisions_is_found(world):
    sealed = world.chain.seal()
    world.log_root(msgspec.structs.replace(sealed, root=CONTENT))
    assert details(world, None) == []
    only(details(world), "decisions 12 to 13", "do not have the root")


@pytest.mark.parametrize("first", [11, 13, 1])
def test_roots_that_leave_out_or_repeat_decisions_are_found_by_the_log_alone(world, first):
    last = world.chain.seal()
    wrong = msgspec.structs.replace(last, first_seq=first, count=last.last_seq - first + 1)
    world.log_root(wrong)
    only(details(world, None), f"leaf {len(world.events) - 1}", f"begin at {first}")


def test_a_root_that_contradicts_itself_is_found(world):
    world.log_root(msgspec.structs.replace(world.chain.seal(), count=3))
    only(details(world, None), f"leaf {len(world.events) - 1}", "counts other entries")


@pytest.mark.parametrize("changes", [{"begun_anew": None}, {"head": CONTENT}, {"root": CONTENT}])
def test_an_interval_of_nothing_says_why_and_leads_nowhere(changes):
    world = World()
    world.decide(2)
    world.log_root(msgspec.structs.replace(decision.begin_anew(2, "the disk"), **changes))
    only(details(world, None), f"leaf {len(world.events) - 1}", "does not say why")


def test_a_chain_that_was_begun_anew_is_told_and_holds_from_there(world):
    world.chain.seal()
    kept = len(world.decisions)
    world.log_root(decision.begin_anew(11, "the disk was lost"))
    world.chain = decision.Chain(11)
    world.decide(3)
    assert details(world, None) == []
    judged = report(world, world.decisions[kept:])
    assert judged.findings == []
    assert judged.decisions.begun_anew == ["after decision 11: the disk was lost"]
    assert "BEGUN ANEW after decision 11" in cli.text(judged)
    only(details(world, world.decisions[kept + 1 :]), "decisions 12 to 14", "12 is not shown")
    # The past that the log gave up does not come back.
    only(details(world), "decisions 12 to 14", "12 is not shown; 1 comes")


def test_more_than_fit_into_one_page_without_a_root_are_followed(monkeypatch):
    monkeypatch.setattr(audit_decisions, "MAX_PAGE", 3)
    world = World()
    world.decide(2)
    world.decide(9, log_root=False)
    assert details(world) == []
    world.decisions[5] = msgspec.structs.replace(world.decisions[5], decision="PERMIT")
    only(details(world), "after decision 5", "does not follow")


class Showing:
    """A node that lists decisions page by page."""

    def __init__(self, entries, code=None, *, after=0):
        self.entries, self.code, self.after = entries, code, after

    def decisions(self, *, since=0, limit):
        if self.code is not None and since >= self.after:
            raise RtgfError(self.code, "no")
        page = self.entries[since : since + 4]
        more = since + 4 if since + 4 < len(self.entries) else None
        return DecisionPage(page, len(self.entries), 0, more)


def test_a_node_lists_them_page_by_page(world):
    assert details(world, audit_decisions.from_node(Showing(world.decisions))) == []
    read = report(world, audit_decisions.from_node(Showing(world.decisions))).decisions
    assert read.entries == 13


@pytest.mark.parametrize("code", [Code.RTGF_FORBIDDEN, Code.RTGF_UNAUTHENTICATED])
def test_who_may_not_read_them_is_told_so(world, code):
    assert audit_decisions.from_node(Showing(world.decisions, code)) is None


def test_a_node_that_stops_in_the_middle_hides_and_one_that_is_gone_does_not(world):
    hiding = Showing(world.decisions, Code.RTGF_TXP_STORE_DAMAGED, after=4)
    only(details(world, audit_decisions.from_node(hiding)), "after decision 4", "not shown")
    gone = Showing(world.decisions, Code.RTGF_UNREACHABLE, after=4)
    with pytest.raises(RtgfError, match="RTGF_UNREACHABLE"):
        report(world, audit_decisions.from_node(gone))


def test_they_are_read_from_a_copy_of_the_folder(tmp_path):
    with closing(DecisionStore.open(tmp_path / DATABASE, None)) as store:
        store.append(
            [Draft(NOW, f"r-{n}", None, "POST /verify", CONTENT, CONTENT) for n in range(1, 5)]
        )
        sealed = store.seal()
    world = World()
    world.log_root(sealed)
    assert details(world, audit_decisions.from_folder(tmp_path)) == []
    world.decide(4, log_root=False)
    assert list(audit_decisions.from_folder(tmp_path)) == world.decisions
    with pytest.raises(RtgfError, match="RTGF_NOT_FOUND"):
        audit_decisions.from_folder(tmp_path / "elsewhere")
