"""What is made of slo.toml is current, the tools take it, and it calls as the objectives say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.alerts import rules as node_rules
from rtgf_node.alerts.catalogue import CATALOGUE
from rtgf_node.errors import Code, RtgfError
from rtgf_node.objectives import plain_yaml, slo
from rtgf_node.objectives.__main__ import files, main
from rtgf_node.telemetry import Metrics

CONFIG = Path(__file__).resolve().parents[2] / "config"
SOURCE = (CONFIG / "slo.toml").read_text()
MADE = files(SOURCE)
TOLD = slo.parse(SOURCE)

OF_ALERTMANAGER = "alertmanager_notification_requests_failed_total"
OF_PROMETHEUS = {"up", "ALERTS"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(MADE["prometheus/rtgf.rules.yml"])["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in json.loads(MADE["grafana/rtgf.json"])["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.fixture
def tool() -> Callable[..., str]:
    """Run a tool of Prometheus, which Debian has in `prometheus` and `prometheus-alertmanager`."""

    def run(name: str, *arguments: str | Path) -> str:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed here")
        done = subprocess.run([name, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


# --- the files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE)
def test_a_file_is_what_slo_toml_makes(name):
    assert (CONFIG / name).read_text() == MADE[name], "run: scripts/slo"


def test_they_are_written_where_one_says(tmp_path):
    main(CONFIG / "slo.toml", tmp_path / "new")
    assert {name: (tmp_path / "new" / name).read_text() for name in MADE} == MADE


def test_what_is_wrong_is_told_and_nothing_is_written(tmp_path):
    (tmp_path / "slo.toml").write_text("objectives = 1")
    command = [sys.executable, "-m", "rtgf_node.objectives", "slo.toml", "new"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(CONFIG.parent)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "slo.toml: " in done.stderr
    assert not (tmp_path / "new").exists()


def test_every_alert_of_the_catalogue_has_a_rule_and_a_runbook():
    assert {rule["alert"] for rule in ALERTS} == {one.prometheus for one in CATALOGUE.values()}
    for one in CATALOGUE.values():
        mine = [rule for rule in ALERTS if rule["alert"] == one.prometheus]
        assert (CONFIG.parent / one.runbook).is_file(), one.runbook
        assert {rule["annotations"]["runbook_url"] for rule in mine} == {one.runbook}
        fast = {r["labels"]["severity"] for r in mine if r["labels"].get("burn") != "slow"}
        assert fast == {one.severity}
        codes = {rule["labels"].get("code") for rule in mine}
        assert codes == {one.code.name if one.code else None}


def test_the_node_judges_itself_by_the_same_figures():
    seconds = {"m": 60, "h": 3600, "d": 86400}

    def span(text: str) -> int:
        return int(text[:-1]) * seconds[text[-1]]

    burns = [(span(one.long), span(one.short), one.rate) for one in TOLD.burn if not one.slow]
    assert burns == [(long, short, Decimal(str(rate))) for long, short, rate in node_rules.BURNS]
    of = {one.name: one for one in TOLD.objective}
    assert of["availability"].budget == Decimal(str(node_rules.ERROR_BUDGET))
    for name in ("verify_latency", "proof_latency", "build_duration"):
        assert of[name].budget == Decimal(str(node_rules.SLOW_SHARE))
    assert f'le="{float(node_rules.HEAD_SECONDS)}"' in str(of["head_delay"].good)


def test_every_metric_that_is_named_is_one_of_the_node():
    known = {OF_ALERTMANAGER} | OF_PROMETHEUS
    for family in Metrics().registry.collect():
        ends = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
        known |= {family.name + end for end in ends.get(family.type, ("",))}
    known |= {rule["record"] for rule in rules() if "record" in rule}
    named = {
        name
        for expression in expressions()
        for name in re.findall(
            r"\b(?:rtgf|alertmanager)[:_][a-z0-9_:]+", re.sub(r'"[^"]*"', "", expression)
        )
    }
    assert len(named) > 30
    assert named <= known


def test_a_bound_that_an_objective_names_is_a_bucket():
    bounds = {
        (sample.name, sample.labels["le"])
        for family in Metrics().registry.collect()
        for sample in family.samples
        if "le" in sample.labels
    }
    named = re.findall(r'(\w+_bucket)\{le="([0-9.]+)"\}', " ".join(expressions()))
    assert set(named) <= bounds
    assert len(set(named)) == 6


def test_every_alert_says_no_more_than_the_catalogue():
    for rule in ALERTS:
        assert "{{" not in str(rule["annotations"])


# --- what the tools say ---------------------------------------------------------------------------


def test_promtool_takes_the_rules(tool):
    assert "SUCCESS" in tool("promtool", "check", "rules", CONFIG / "prometheus/rtgf.rules.yml")
    tool("promtool", "check", "config", CONFIG / "prometheus/prometheus.yml")


def test_promtool_has_nothing_against_the_figures_but_two_names():
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed here")
    told = subprocess.run(
        ["promtool", "check", "metrics"], input=Metrics().render(), capture_output=True
    )
    words = " metric names should not contain abbreviated units"
    # They are the contract's.
    asked = {"rtgf_transparency_proof_latency_ms", "rtgf_verify_latency_ms"}
    assert set(told.stderr.decode().splitlines()) == {name + words for name in asked}


def test_amtool_takes_the_routes(tool):
    told = tool("amtool", "check-config", CONFIG / "prometheus/alertmanager.yml")
    assert "3 receivers" in told


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("severity=P0 alertname=RtgfAvailability", "both"),
        ("severity=P1 alertname=RtgfNoLeader", "first"),
        ("severity=P2 alertname=RtgfDiskLow", "first"),
        ("severity=P2 alertname=RtgfAlertSuppressed", "second"),
        ("alertname=OfSomebodyElse", "both"),
    ],
)
def test_who_is_told(tool, labels, receiver):
    routes = f"--config.file={CONFIG / 'prometheus/alertmanager.yml'}"
    assert tool("amtool", "config", "routes", "test", routes, *labels.split()).strip() == receiver


def test_the_story_goes_as_it_is_told(tool, tmp_path):
    """RTGF-CT-90, RTGF-CT-91, RTGF-CT-92: budgets that burn, figures that are missing, and what the
    first channel does not take.
    """
    for path in (Path(__file__).with_name("story.yml"), CONFIG / "prometheus/rtgf.rules.yml"):
        shutil.copy(path, tmp_path)
    assert "SUCCESS" in tool("promtool", "test", "rules", tmp_path / "story.yml")


def test_the_story_has_every_alert_that_prometheus_sees_by_itself():
    story = Path(__file__).with_name("story.yml").read_text()
    own = {*TOLD.alert, *(one.alert for one in TOLD.objective)}
    assert [name for name in own if CATALOGUE[name].prometheus not in story] == []


# --- slo.toml and the form of YAML ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('alert = "availability"', 'alert = "avalability"', "no such alert: avalability"),
        ("[alert.no_leader]", "[alert.no_reader]", "no such alert: no_reader"),
        ("target = 0.9995", "target = 1.5", "between 0 and 1"),
        ("target = 0.9995", "targets = 0.9995", "unknown field"),
        ('long = "1h"', 'long = "an hour"', "regex"),
        ('all = "rtgf_verify', 'bad = "x"\nall = "rtgf_verify', "one of `bad` and `good`"),
        ("[channels]", "[channels", "slo.toml"),
    ],
)
def test_what_is_wrong_in_slo_toml_is_said(old, new, why):
    assert old in SOURCE
    with pytest.raises(RtgfError, match=re.escape(why)) as error:
        slo.parse(SOURCE.replace(old, new, 1))
    assert error.value.code is Code.RTGF_CONFIG_INVALID


PRINTED = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]) | st.just("\n"))
HARD = ["on", "No", "~", "1d", "5m", "12", "1e3", "0x1f", "2026-01-01", "a: b", "- a", "a\n  b"]
SCALARS = st.none() | st.booleans() | st.integers() | PRINTED | st.sampled_from(HARD)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTED, inner, max_size=4),
    max_leaves=12,
)


@given(TREES.filter(lambda value: isinstance(value, dict | list) and value))
def test_a_parser_of_yaml_reads_what_was_written(value):
    assert yaml.safe_load(plain_yaml.dump(value, head="made")) == value
