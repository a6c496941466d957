"""Everything that stops a build before anything of it is signed, logged or published."""

from __future__ import annotations

import json
import re
import sys

import pytest
import trio

from rtgf_node.actors import build_making, issuing
from rtgf_node.actors.publication import Publication
from rtgf_node.errors import Code, RtgfError
from tests.authorities import Demo, pinned, push
from tests.inside import serve_inside
from tests.nodes import RATES, TestNode
from tests.observing import counted, tree_size
from tests.small_builds import (
    MANY,
    assert_stopped,
    body_of,
    rmt,
    served,
    small_node,
)
from tests.worlds import authority, clause, payment, scenario, screening_clause

SNAPSHOT_FAIL = "RTGF_PIPELINE_SNAPSHOT_FAIL"
SNAPSHOT_INVALID = "RTGF_BUILD_SNAPSHOT_INVALID"


@pytest.fixture
def small(tmp_path):
    """A node that pins three authorities and holds no snapshot yet; it does not run."""
    return small_node(tmp_path)


# --- snapshots ---

BROKEN = {
    "template missing": (
        {"clauses": [clause(template="no_such_template")]},
        "RTGF_MAP_PREDICATE_TEMPLATE_MISSING",
    ),
    "unsupported": ({"clauses": [clause(template="unmapped")]}, "RTGF_MAP_UNSUPPORTED_CLAUSE"),
    "another kind": ({"clauses": [clause(kind="prohibition")]}, "RTGF_MAP_UNSUPPORTED_CLAUSE"),
    "control unknown": (
        {"clauses": [clause(control_id="NO_SUCH_CONTROL")]},
        "RTGF_MAP_CONTROL_UNKNOWN",
    ),
    "parameter wrong": (
        {"clauses": [clause(params={"minimum_period": "for ever"})]},
        "RTGF_POL_MATRIX_SCHEMA_INVALID",
    ),
    "list of nobody": (
        {"clauses": [screening_clause()]},
        "RTGF_POL_MATRIX_SCHEMA_INVALID",
    ),
    "rules collide": (
        {
            "clauses": [
                MANY[1],
                {
                    **MANY[1],
                    "clause_id": "review-2",
                    "params": {
                        **MANY[1]["params"],
                        "threshold": {"value": "2000.00", "currency": "EUR"},
                    },
                },
            ]
        },
        "RTGF_MAP_RULE_CONFLICT",
    ),
}


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """A running node with a published RMT whose next snapshots cannot be built."""
    folder = tmp_path_factory.mktemp("standing")
    node = TestNode(
        folder / "node", settings=RATES + pinned(folder / "pinned", authority("EU"), own=True)
    )
    with node.running():
        push(node, body_of("EU"))
        assert node.compile().state == "published"
        yield node


@pytest.mark.parametrize("name", BROKEN)
def test_a_snapshot_that_cannot_be_built_stops_the_pipeline(standing, name):
    """RTGF-CT-21, RTGF-CT-71, RTGF-CT-82: with every cause inside; the last tokens stay."""
    changes, cause = BROKEN[name]
    version = f"2027-{list(BROKEN).index(name) + 1:02}"
    before = standing.ask("GET", "/rmt/EU/payments_aml").body
    push(standing, body_of("EU", version=version, **changes))
    size = tree_size(standing)
    build = standing.compile()
    assert_stopped(standing, build, SNAPSHOT_FAIL, SNAPSHOT_INVALID, cause)
    assert tree_size(standing) == size
    assert standing.ask("GET", "/rmt/EU/payments_aml").body == before


def test_a_scenario_that_comes_out_otherwise_stops_the_pipeline(small):
    """RTGF-CT-82: the authority's own test fails."""
    node = small
    with node.running():
        wrong = scenario("kept too short", "PERMIT", context=payment(record_retention="P1Y"))
        push(node, body_of("EU", scenarios=[wrong]))
        build = node.compile()
        assert_stopped(node, build, "RTGF_PIPELINE_QA_FAIL", "RTGF_PIPELINE_QA_FAIL")
        assert "kept too short" in build.detail
        assert served(node) == set()


# --- evidence, determinism, signing, logging ----------------------------------------------------


def test_a_list_whose_kept_records_were_changed_stops_the_build_before_signing(template, tmp_path):
    """RTGF-CT-22."""
    node = template.copy(tmp_path / "node")
    authority_ = Demo(node, "SG")
    listed = node.world.listed_name.encode()
    with node.running():
        size, before = tree_size(node), node.ask("GET", "/rmt/SG/payments_aml").body
        push(node, authority_.sealed(authority_.document(version="2026-11")))
        for path in (node.folder / "data/objects").rglob("*"):
            if path.is_file() and listed.upper() in (data := path.read_bytes()).upper():
                path.chmod(0o600)
                path.write_bytes(re.sub(b"(?i)" + listed, b"X" * len(listed), data))
        build = node.compile(jurisdictions=["SG"])
        assert_stopped(node, build, SNAPSHOT_FAIL)
        assert "sign" not in {stage.stage for stage in build.stages}
        assert counted(node, 'rtgf_artifact_sign_total{result="ok"}') == 0
        assert tree_size(node) == size + 1
        assert node.ask("GET", "/rmt/SG/payments_aml").body == before


PLANTED = """
import os, sys
from rtgf_node.core import assembly
real = assembly.sealed
def planted(document, *texts):
    seed = int(os.environ["PYTHONHASHSEED"])
    return real({**document, "ttl_sec": document["ttl_sec"] - seed}, *texts)
assembly.sealed = planted
from rtgf_node.building import worker as build_worker
sys.exit(build_worker.main())
"""


def test_two_runs_that_differ_stop_the_build_and_are_both_kept(small, monkeypatch):
    """RTGF-CT-20, RTGF-CT-81: a worker that reads its environment."""
    node, real = small, build_making.build_twice
    command = [sys.executable, "-P", "-s", "-c", PLANTED]

    async def planted(request, **options):
        return await real(request, **options, commands=(command, command))

    def body() -> None:
        push(node, body_of("EU"))
        size = tree_size(node)
        build = node.compile()
        assert_stopped(node, build, "RTGF_PIPELINE_DETERMINISM_FAIL", "RTGF_BUILD_PLAN_DIVERGENCE")
        assert "tokens/rmt/eu-payments_aml-2026-10.1.json" in build.causes[0]["detail"]
        (kept,) = (node.folder / "data/divergent").iterdir()
        ttls = [
            json.loads((kept / which / "tokens/rmt/eu-payments_aml-2026-10.1.json").read_bytes())[
                "ttl_sec"
            ]
            for which in ("first", "second")
        ]
        assert ttls == [3599, 3598]
        assert tree_size(node) == size
        assert served(node) == set()
        assert counted(node, "rtgf_pipeline_determinism_failures_total") == 1

    monkeypatch.setattr(build_making, "build_twice", planted)
    serve_inside(node, body)


def test_a_worker_that_dies_stops_the_build(small, monkeypatch):
    node, real = small, build_making.build_twice
    command = [sys.executable, "-c", "import sys; sys.exit('out of luck')"]

    async def dying(request, **options):
        return await real(request, **options, commands=(command, command))

    def body() -> None:
        push(node, body_of("EU"))
        build = node.compile()
        assert_stopped(node, build, "RTGF_INTERNAL")
        assert "out of luck" in build.detail
        monkeypatch.setattr(build_making, "build_twice", real)
        assert node.compile().state == "published"

    monkeypatch.setattr(build_making, "build_twice", dying)
    serve_inside(node, body)


class Hiccup:
    """A signing device that fails at so many tokens before it works."""

    def __init__(self, real, failures: int) -> None:
        self.kid, self.public = real.kid, real.public
        self.tries = 0
        self._real, self._failures = real, failures

    def sign(self, message: bytes) -> bytes:
        # What is no JWS is no token: a build has a secret made of a signature.
        is_token = message.startswith(b"eyJ")
        self.tries += is_token
        if is_token and self.tries <= self._failures:
            raise RtgfError(Code.RTGF_KEY_STORE_LOCKED, "the device does not answer")
        return self._real.sign(message)


def test_signing_is_tried_three_times_and_then_nothing_is_published(small):
    """RTGF-CT-23."""
    node, devices = small, []

    def device(real):
        devices.append(Hiccup(real, failures=3))
        return devices[-1]

    def body() -> None:
        push(node, body_of("EU"))
        size = tree_size(node)
        build = node.compile()
        assert_stopped(node, build, "RTGF_BUILD_SIGNING_ERROR", *["RTGF_KEY_STORE_LOCKED"])
        assert len(build.causes) == 3
        assert sum(one.tries for one in devices) == 3
        assert counted(node, 'rtgf_artifact_sign_total{result="error"}') == 3
        assert tree_size(node) == size
        assert served(node) == set()
        assert node.compile().issued == [rmt("EU")]  # the device works again

    serve_inside(node, body, token_signer=device)


def test_a_signing_device_that_recovers_in_time_stops_nothing(small):
    """RTGF-CT-23."""
    node = small

    def body() -> None:
        push(node, body_of("EU"))
        assert node.compile().state == "published"
        assert counted(node, 'rtgf_artifact_sign_total{result="error"}') == 2

    serve_inside(node, body, token_signer=lambda real: Hiccup(real, failures=2))


def test_a_build_that_cannot_be_published_is_told_until_one_is(small, monkeypatch):
    """RTGF-CT-83: three tries, then the node says so to whoever watches it."""
    node, real, asked = small, Publication.publish, []

    async def no_leader(publication, request):
        asked.append(request.build_id)
        if len(asked) <= issuing.PUBLISH_TRIES:
            raise RtgfError(Code.RTGF_UNAVAILABLE, "nobody leads")
        return await real(publication, request)

    monkeypatch.setattr(issuing, "PUBLISH_PAUSE_SECONDS", 0)
    monkeypatch.setattr(Publication, "publish", no_leader)

    def told() -> tuple[str, bool]:
        answer = node.ask("GET", "/admin/status", role="operator").json()["ready"]
        return answer["state"], {one["name"]: one["ok"] for one in answer["checks"]}["builds"]

    def body() -> None:
        push(node, body_of("EU"))
        assert told() == ("ready", True)
        build = node.compile()
        assert_stopped(node, build, "RTGF_PIPELINE_PUBLISH_FAIL", "RTGF_UNAVAILABLE")
        assert len(asked) == len(build.causes) == 3
        assert counted(node, "rtgf_pipeline_publish_failures_total") == 1
        assert told() == ("degraded", False)
        assert served(node) == set()
        assert node.compile().issued == [rmt("EU")]
        assert told() == ("ready", True)

    serve_inside(node, body)


def test_a_build_whose_parent_falls_meanwhile_is_not_published(small, monkeypatch):
    """RTGF-CT-22: the log refuses all of it."""
    node, real = small, build_making.build_twice

    async def interrupted(request, **options):
        output = await real(request, **options)
        await trio.to_thread.run_sync(node.revoke, rmt("EU"))
        return output

    def body() -> None:
        for place in ("EU", "UK"):
            push(node, body_of(place))
        assert node.compile().state == "published"
        push(node, body_of("UK", version="2026-11"))
        before = served(node)
        monkeypatch.setattr(build_making, "build_twice", interrupted)
        build = node.compile()
        assert_stopped(node, build, "RTGF_BUILD_TRANSPARENCY_FAIL", "RTGF_CONFLICT")
        assert served(node) == before
        monkeypatch.setattr(build_making, "build_twice", real)
        assert node.compile().issued == [rmt("UK", "2026-11.1")]

    serve_inside(node, body)


def test_one_build_runs_at_a_time(small, monkeypatch):
    node, real = small, build_making.build_twice
    gates = []

    async def waiting(request, **options):
        gates.append(trio.Event())
        await gates[0].wait()
        return await real(request, **options)

    def body() -> None:
        push(node, body_of("EU"))
        first = node.ask("POST", "/admin/compile", {}, role="operator")
        assert (first.status, first.json()["state"]) == (202, "running")
        second = node.ask("POST", "/admin/compile", {}, role="operator")
        second.problem(409, "RTGF_CONFLICT")
        assert served(node) == set()
        push(node, body_of("UK"))  # intake goes on meanwhile
        trio.from_thread.run_sync(gates[0].set)
        path = f"/admin/builds/{first.json()['build_id']}"
        while node.ask("GET", path, role="operator").json()["state"] == "running":
            pass
        assert served(node) == {rmt("EU")}

    monkeypatch.setattr(build_making, "build_twice", waiting)
    serve_inside(node, body)
