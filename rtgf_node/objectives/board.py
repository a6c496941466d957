"""The objectives as a board of Grafana."""

from __future__ import annotations

from typing import Final

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.objectives.rules import ERRORS
from rtgf_node.objectives.slo import Slo

WIDTH: Final = 24
"""Columns of Grafana's grid."""

ACROSS: Final = 2
HEIGHT: Final = 8  # rows of the grid, of about 30 pixels


def grafana(slo: Slo) -> JsonValue:
    """Return the board: what stands, how fast each budget burns, and the panels of the file."""
    quick, slow = slo.burn[0], slo.burn[-1]
    stands = 'ALERTS{alertname=~"Rtgf.*",alertstate="firing"}'
    plots = [("Alerts that stand", "short", [stands])]
    for one in slo.objective:
        spans = (quick.short, quick.long, slow.long)
        burns = [f'{ERRORS}{span}{{objective="{one.name}"}} / {one.budget}' for span in spans]
        name = one.name.replace("_", " ")
        plots.append((f"Burn rate of {name}; {quick.rate} is too fast", "none", burns))
    plots += [(panel.title, panel.unit, [panel.of]) for panel in slo.panel]
    return {
        "uid": "rtgf",
        "title": "RTGF node",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus"},
            ]
        },
        "panels": [_panel(number, *plot) for number, plot in enumerate(plots)],
    }


def _panel(number: int, title: str, unit: str, expressions: list[str]) -> JsonValue:
    width = WIDTH // ACROSS
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {
            "x": number % ACROSS * width,
            "y": number // ACROSS * HEIGHT,
            "w": width,
            "h": HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": letter, "expr": expression}
            for letter, expression in zip("ABC", expressions, strict=False)
        ],
    }
