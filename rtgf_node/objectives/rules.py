"""Objectives and alerts as rules of Prometheus, and who is told as routes of Alertmanager."""

from __future__ import annotations

from typing import Final

from rtgf_node.alerts.catalogue import CATALOGUE, Alert, Severity
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.objectives.slo import Objective, Slo

ERRORS: Final = "rtgf:error_ratio:rate"
"""The bad share of an objective, recorded for each window."""

SLOW: Final[Severity] = "P2"
"""How severe it is that a budget burns slowly, whatever it is the budget of."""


def prometheus(slo: Slo) -> JsonValue:
    """Return the rules: what is recorded of each objective, and every alert of the catalogue."""
    return {
        "groups": [
            {"name": "rtgf_objectives", "rules": _recorded(slo)},
            {"name": "rtgf_budgets", "rules": _budgets(slo)},
            {"name": "rtgf_alerts", "rules": _alerts(slo)},
        ]
    }


def _recorded(slo: Slo) -> list[JsonValue]:
    spans = dict.fromkeys(span for burn in slo.burn for span in (burn.short, burn.long))
    return [
        {
            "record": f"{ERRORS}{span}",
            "expr": objective.errors(span),
            "labels": {"objective": objective.name},
        }
        for objective in slo.objective
        for span in spans
    ]


def _budgets(slo: Slo) -> list[JsonValue]:
    made: list[JsonValue] = []
    for one in slo.objective:
        alert = CATALOGUE[one.alert]
        labels = {"objective": one.name}
        fast, slow = _burns(slo, one, slow=False), _burns(slo, one, slow=True)
        made.append(_rule(slo, alert, fast, {**labels, "burn": "fast"}, says=one.says))
        slowly = alert._replace(severity=SLOW)
        made.append(_rule(slo, slowly, slow, {**labels, "burn": "slow"}, says=one.says))
    return made


def _burns(slo: Slo, one: Objective, *, slow: bool) -> str:
    """Return an expression that holds if the budget burns too fast in both windows of a pair."""
    errors = f'{{objective="{one.name}"}}'
    return "\nor\n".join(
        f"({ERRORS}{burn.long}{errors} > {burn.rate} * {one.budget}\n"
        f"  and {ERRORS}{burn.short}{errors} > {burn.rate} * {one.budget})"
        for burn in slo.burn
        if burn.slow is slow
    )


def _alerts(slo: Slo) -> list[JsonValue]:
    """Return what Prometheus sees by itself, and for every alert the node's word."""
    made: list[JsonValue] = []
    for name, alert in CATALOGUE.items():
        if seen := slo.alert.get(name):
            made.append(_rule(slo, alert, seen.when, {"seen_by": "prometheus"}, hold=seen.hold))
        word = f'max by (job, instance) (rtgf_alert_active{{alert="{name}"}}) == 1'
        made.append(_rule(slo, alert, word, {"seen_by": "node"}))
    return made


def _rule(
    slo: Slo,
    alert: Alert,
    when: str,
    labels: dict[str, str],
    *,
    hold: str | None = None,
    says: str | None = None,
) -> JsonValue:
    code = {} if alert.code is None else {"code": alert.code.name}
    return {
        "alert": alert.prometheus,
        "expr": when,
        **({} if hold is None else {"for": hold}),
        "labels": {"severity": alert.severity, **code, **labels},
        "annotations": {
            "summary": alert.sentence,
            **({} if says is None else {"objective": says}),
            "runbook_url": f"{slo.runbooks}/{alert.name}.md",
            "screen": alert.screen,
        },
    }


def alertmanager(slo: Slo) -> JsonValue:
    """Return the routes: P0 to both channels, others to the first, its failures to the second."""
    first: JsonValue = {"url": slo.channels.first}
    second: JsonValue = {"url": slo.channels.second}
    suppressed = CATALOGUE["alert_suppressed"].prometheus
    severities: list[JsonValue] = [
        {
            "matchers": [f'severity="{severity}"'],
            "receiver": "both" if severity == "P0" else "first",
            "group_wait": told.wait,
            "repeat_interval": told.again,
        }
        for severity, told in slo.severity.items()
    ]
    return {
        "route": {
            "receiver": "both",
            "group_by": ["alertname", "job"],
            "group_wait": "10s",
            "group_interval": "5m",
            "routes": [
                {"matchers": [f'alertname="{suppressed}"'], "receiver": "second"},
                *severities,
            ],
        },
        # Who hears that a budget burns fast need not hear that it also burns slowly.
        "inhibit_rules": [
            {
                "source_matchers": ['burn="fast"'],
                "target_matchers": ['burn="slow"'],
                "equal": ["alertname", "objective", "job"],
            }
        ],
        "receivers": [
            {"name": "both", "webhook_configs": [first, second]},
            {"name": "first", "webhook_configs": [first]},
            {"name": "second", "webhook_configs": [second]},
        ],
    }
