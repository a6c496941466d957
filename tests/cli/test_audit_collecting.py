"""Collecting: what a node withholds is a finding, and what comes meanwhile is not."""

from __future__ import annotations

import pytest

from rtgf_node import wire
from rtgf_node.audit import judgement as audit
from rtgf_node.audit.material import MAX_ROUNDS, collect
from rtgf_node.errors import Code, RtgfError
from tests.cli.audit_world import NOW, ROOT, World

RMT = "RMT:EU:payments_aml:2026-10.1"
PAGE = 4


class HonestNode:
    """Answers as a node does, from a world that may change between two questions."""

    url = "https://localhost:8443"

    def __init__(self, world):
        self.world = world

    def shown(self):
        return self.world.material()

    def head(self):
        return self.shown().head

    def signed_jwks(self):
        return self.shown().signed_jwks

    def jwks(self):
        return self.shown().jwks

    def key_manifest(self):
        return self.shown().key_manifest

    def catalog_entries(self):
        return iter(self.shown().catalog)

    def revocations(self):
        return self.shown().revocations

    def status_list(self, number):
        if number:
            raise RtgfError(Code.RTGF_NOT_FOUND, "there is no such list")
        return self.shown().status_lists[0]

    def log_page(self, since):
        entries = self.shown().entries[since : since + PAGE]
        return wire.LogPage(len(self.world.events), entries, None)

    def token(self, uri):
        return self.world.tokens[uri]

    def snapshot(self, name):
        return self.world.snapshots[name]

    def terms(self, name):
        return self.world.terms[name]

    def proof(self, event_id, *, from_size):
        number = next(i for i, e in enumerate(self.world.events) if e.event_id == event_id)
        return self.world.proof(number)


def report(node):
    waits = []
    material = collect(node, at=NOW, remembered=None, progress=lambda text: None, wait=waits.append)
    return audit.check(material, root_public=ROOT.public), waits


def test_an_honest_node_is_collected_whole():
    judged, waits = report(HonestNode(World()))
    assert (judged.findings, judged.tokens, judged.proofs) == ([], 2, 2)
    assert (judged.snapshots, judged.terms) == (1, 1)
    assert waits == []


@pytest.mark.parametrize("what", ["token", "proof", "snapshot", "terms"])
def test_what_is_not_shown_is_a_finding(what):
    class Withholding(HonestNode):
        pass

    def refuse(self, *arguments, **named):
        raise RtgfError(Code.RTGF_NOT_FOUND, "not here")

    setattr(Withholding, what, refuse)
    judged, _ = report(Withholding(World()))
    assert {finding.check for finding in judged.findings} == {what}


@pytest.mark.parametrize(
    "code", [Code.RTGF_UNREACHABLE, Code.RTGF_VERIFY_RATE_LIMIT, Code.RTGF_OVERLOADED]
)
def test_a_node_that_cannot_answer_gives_no_verdict(code):
    class Busy(HonestNode):
        def token(self, uri):
            raise RtgfError(code, "later")

    with pytest.raises(RtgfError) as caught:
        report(Busy(World()))
    assert caught.value.code is code


def test_a_revocation_while_it_is_read_is_no_finding():
    class Living(HonestNode):
        def catalog_entries(self):
            yield from super().catalog_entries()
            self.world.withdraw(RMT)

    judged, _ = report(Living(World()))
    assert judged.findings == []
    assert judged.revEpoch == 2


def test_a_log_that_hides_its_end_is_a_finding_after_waiting_for_it():
    world = World()
    early = world.head()
    size = len(world.events)
    world.withdraw(RMT)

    class Hiding(HonestNode):
        def head(self):
            return early

        def log_page(self, since):
            page = super().log_page(since)
            return wire.LogPage(size, [one for one in page.entries if one.index < size], None)

    judged, waits = report(Hiding(world))
    assert len(waits) == MAX_ROUNDS
    assert {finding.check for finding in judged.findings} == {"revocations", "proof"}
