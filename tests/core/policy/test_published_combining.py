"""Deny overrides, as published cases of other policy languages have it.

Cedar (github.com/cedar-policy/cedar-go, whose corpus is that of Cedar's own differential tests)
denies where any `forbid` holds, else permits where any `permit` holds, else denies. So does a plan
with one obligation, that some permit holds, and a prohibition for each forbid. Each request says
the decision, the policies that determined it and those that could not be evaluated. Not comparable
are policies that read attributes, tags, records, addresses and Cedar's own decimals and times, that
compare values of two types (there false, here no rule), or that have integers of over 53 bits. A
policy that cannot be evaluated is left out there, and denies here; every such policy of the corpus
is among those. The corpus has one policy to a request.

Casbin (github.com/casbin/casbin) brings many policies to a request: its two examples with a deny
permit where some row allows and none denies, and where none denies. The second is a plan without
the obligation.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter

import pytest

from rtgf_node.core.policy import plan
from rtgf_node.core.policy.decide import prepare, run
from tests import go_modules
from tests.cedar_cases import SCOPES, Elsewhere, Hierarchy, Translation, either
from tests.expressions import AT, op, var

CEDAR = "github.com/cedar-policy/cedar-go@v1.9.0"
CEDAR_SUM = "h1:p6KSbPT0E79gO5mXNdwAqbDPn4ypz7gX5WV0ScLWmFc="
CASBIN = "github.com/casbin/casbin/v2@v2.135.0"
CASBIN_SUM = "h1:6BLkMQiGotYyS5yYeWgW19vxqugUlvHFkFiLnLR/bxk="
NO_PERMIT = "NO_PERMIT"


def predicate(number, kind, logic, inputs, reason):
    """A rule that says `logic`, with `reason` where it does not hold."""
    return {
        "id": f"pred.eu.test.{number:012x}",
        "domain": "test",
        "clause_id": f"c.{number:03}",
        "jurisdiction": "EU",
        "kind": kind,
        "template": "test",
        "applies_to": "both",
        "applies_when": None,
        "inputs": inputs,
        "derive": [],
        "logic": logic,
        "on_fail": {"decision": "DENY", "reason": reason, "controls": []},
        "citation": {"ref": "law", "article": "Art. 1", "paragraph": None},
        "params": {},
    }


def prepared(permits, forbids, inputs):
    """A plan of what permits, or None where nothing needs to, and of what forbids, by reason."""
    rules = [
        predicate(number, "prohibition", op("NOT", logic), inputs, reason)
        for number, (reason, logic) in enumerate(forbids.items(), 1)
    ]
    if permits is not None:
        rules.append(predicate(0, "obligation", either(permits), inputs, NO_PERMIT))
    found = prepare(rules, plan.make(rules))
    assert found.faults == ()
    return found


def read(archive, names):
    """Read the JSON documents of an archive whose names end so, by what stands before that."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = member.name.rpartition("/")[2]
            if path.endswith(names) and not path.startswith("."):
                yield path.partition(".")[0], json.load(tar.extractfile(member))


def comparable_of_cedar():
    """Each comparable policy: its name in the corpus, whether it permits, and its translation."""
    folder = go_modules.folder_of(CEDAR, CEDAR_SUM)
    found = {}
    for name, document in read(folder / "corpus-tests-json-policies.tar.gz", ".cedar.json"):
        ((_, policy),) = document["staticPolicies"].items()
        try:
            found[name] = policy["effect"] == "permit", Translation(policy)
        except Elsewhere:
            continue
    entities = dict.fromkeys(found)
    with_requests = {}
    for name, document in read(folder / "corpus-tests.tar.gz", ".json"):
        if name in found and isinstance(document, list):
            entities[name] = Hierarchy(document)
        elif name in found:
            with_requests[name] = document["requests"]
    for name, (permits, translation) in found.items():
        yield permits, translation, entities[name], with_requests[name]


def test_published_requests_of_cedar():
    outcomes = Counter()
    for permits, translation, hierarchy, requests in comparable_of_cedar():
        forbids = {} if permits else {"POLICY0": translation.logic}
        held = prepared([translation.logic] if permits else [], forbids, translation.inputs)
        distinct = {json.dumps([request[name] for name in SCOPES]): request for request in requests}
        for request in distinct.values():
            context = translation.context(request, hierarchy)
            found = run(held, context, at=AT, resolvers={})
            allowed = request["decision"] == "allow"
            assert (found.decision == "PERMIT") is allowed, (translation.logic, request)
            assert found.error is bool(request["errors"])
            determined = {each for each in found.reasons if each != NO_PERMIT}
            expected = set() if allowed else {each.upper() for each in request["reason"]}
            assert determined == expected, (translation.logic, request)
            assert (NO_PERMIT in found.reasons) is not allowed
            outcomes["permit" if permits else "forbid", bool(request["reason"])] += 1
    assert len(outcomes) == 4
    assert min(outcomes.values()) >= 500
    assert outcomes.total() >= 6_500


def cases_of_casbin(test):
    """What a test of Casbin asks: the rows of its policy, the roles, and each request's answer."""
    folder = go_modules.folder_of(CASBIN, CASBIN_SUM)
    written = (folder / "model_test.go").read_text(encoding="utf-8")
    body = written.partition(f"func {test}(")[2].partition("\n}\n")[0]
    model, policy = re.findall(r'"(examples/[a-z_]+\.(?:conf|csv))"', body)
    effect = re.search(r"^e = (.*)$", (folder / model).read_text(encoding="utf-8"), re.MULTILINE)[1]
    lines = (folder / policy).read_text(encoding="utf-8").splitlines()
    rows = [line.split(", ") for line in lines]
    asked = re.findall(r'testEnforce\(t, e, "(\w+)", "(\w+)", "(\w+)", (true|false)\)', body)
    return effect, rows, asked


@pytest.mark.parametrize(
    ("test", "effect", "count"),
    [
        (
            "TestRBACModelWithDeny",
            "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
            8,
        ),
        ("TestRBACModelWithOnlyDeny", "!some(where (p.eft == deny))", 1),
    ],
)
def test_published_requests_of_casbin(test, effect, count):
    stated, rows, asked = cases_of_casbin(test)
    assert stated == effect
    logics = {"allow": [], "deny": []}
    for row in rows:
        if row[0] == "p":
            _, subject, thing, act, verdict = row
            same = [op("EQUALS", var("thing"), thing), op("EQUALS", var("act"), act)]
            logics[verdict].append(op("AND", op("IN", subject, var("roles")), *same))
    inputs = [
        {"name": name, "type": kind, "required": True}
        for name, kind in (("roles", "list"), ("thing", "string"), ("act", "string"))
    ]
    forbids = {f"ROW_{number}": logic for number, logic in enumerate(logics["deny"])}
    held = prepared(logics["allow"] if effect.startswith("some") else None, forbids, inputs)
    for subject, thing, act, answer in asked:
        roles = [subject, *(row[2] for row in rows if row[0] == "g" and row[1] == subject)]
        context = {"roles": roles, "thing": thing, "act": act}
        found = run(held, context, at=AT, resolvers={})
        assert found.decision == ("PERMIT" if answer == "true" else "DENY"), context
    assert len(asked) == count
