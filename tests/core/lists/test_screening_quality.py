"""How often screening is right, asked with names made from the real lists by stated rules."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from rtgf_node.core.lists.screening import ListsIndex, NameIndex
from tests import labelled_names

LISTS = ("sdn-set", "non-sdn", "un-19", "eu", "uk", "au", "ca")
STRICT = 0.92  # the threshold of most clauses
MIN_QUESTIONS = 500


class Floors(NamedTuple):
    """What recall and precision are at least, at the threshold that finds more and at `STRICT`."""

    recall: float
    precision: float
    strict_recall: float
    strict_precision: float


# Screening was tuned with the first questions; the others say what to expect of names in general.
FLOORS = {labelled_names.SEED: Floors(0.985, 0.97, 0.97, 0.985)} | dict.fromkeys(
    labelled_names.HELD_OUT, Floors(0.98, 0.96, 0.96, 0.99)
)


@pytest.fixture(scope="module", params=FLOORS)
def asked(request, lists) -> tuple[Floors, list[labelled_names.Question], ListsIndex]:
    records = {name: lists.parsed(name).records for name in LISTS}
    questions = labelled_names.questions(records, seed=request.param)
    held = labelled_names.withheld(records, questions)
    index = ListsIndex({name: NameIndex.build(held[name]) for name in held})
    return FLOORS[request.param], questions, index


def test_listed_parties_are_found_and_others_left_alone(asked) -> None:
    floors, questions, index = asked
    figures = labelled_names.measured(questions, index, threshold=labelled_names.THRESHOLD)
    assert figures.positives >= MIN_QUESTIONS
    assert figures.negatives >= MIN_QUESTIONS
    assert figures.recall >= floors.recall, dict(figures.found)
    assert figures.precision >= floors.precision, dict(figures.found)


def test_a_stricter_threshold_finds_few_less_and_hardly_anyone_wrongly(asked) -> None:
    floors, questions, index = asked
    figures = labelled_names.measured(questions, index, threshold=STRICT)
    assert figures.recall >= floors.strict_recall, dict(figures.found)
    assert figures.precision >= floors.strict_precision, dict(figures.found)
