"""Screen m: which corridors stand, jurisdiction by jurisdiction."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from rtgf_node.client import operator_questions
from rtgf_node.wire.overview import CorridorsAnswer, OverviewAnswer, PlaceStanding
from tui.screens.pane import Pane
from tui.tones import BAD, DIM, OK, WARN, Span, line
from tui.widgets.box import Box
from tui.widgets.matrix import Matrix


class Corridors(Pane):
    """A matrix: from the row's jurisdiction to the column's; on the diagonal, its own rules."""

    NAME = "corridors"
    TITLE = "Corridors"
    SHORT = "Map"
    KEY = "m"
    TWIN = "rtgf corridors"

    def compose(self) -> ComposeResult:
        """Return the parts."""
        yield Box("Under the cursor", id="m-one")
        yield Matrix()

    def on_mount(self) -> None:
        """Say what the signs mean."""
        self.query_one(Matrix).border_subtitle = "✓ all in force  ! some  ✗ none  · no corridor"

    def tell(self, seen: OverviewAnswer) -> None:
        """Ask again when tokens came or fell."""
        self.load_for((seen.status.tokens, seen.status.revEpoch), self._load)

    async def _load(self) -> None:
        answer = await self.inform(operator_questions.corridors())
        if answer is not None:
            places, cells = _cells(answer)
            self.query_one(Matrix).show(places, cells)
            self._say()

    @property
    def keyed(self) -> Widget:
        """The matrix."""
        return self.query_one(Matrix)

    def on_matrix_moved(self, _: Matrix.Moved) -> None:
        """Say what is under the cursor."""
        self._say()

    def on_matrix_opened(self, event: Matrix.Opened) -> None:
        """Show the tokens of a corridor or a jurisdiction."""
        start, end = event.pair
        asked = f"type=RMT jurisdiction={start}" if start == end else f"corridor={start}-{end}"
        self.window.go("registry", asked)

    def action_related(self) -> None:
        """Show the tokens of the corridor under the cursor."""
        self.query_one(Matrix).action_open()

    def action_export(self) -> None:
        """Write the matrix to a file."""
        self.window.export(self.NAME, self.query_one(Matrix).text())

    def _say(self) -> None:
        matrix = self.query_one(Matrix)
        pair = matrix.pair
        one: PlaceStanding | None = matrix.data.get(pair) if pair is not None else None
        if pair is None:
            said = line(("no jurisdiction has rules here yet", DIM))
        elif one is None:
            said = line((f"{pair[0]}-{pair[1]}", "strong"), ("  no corridor", DIM))
        else:
            said = line(
                (one.place, "strong"),
                f"  {one.in_force} in force, {one.withdrawn} withdrawn, {one.outside} out of time",
                (f"  first ends {one.first_expiry[:10]}" if one.first_expiry else "", DIM),
            )
        self.query_one("#m-one", Box).say(said)


def _cells(
    answer: CorridorsAnswer,
) -> tuple[list[str], dict[tuple[str, str], tuple[Span, PlaceStanding]]]:
    cells: dict[tuple[str, str], tuple[Span, PlaceStanding]] = {}
    places = {one.place for one in answer.jurisdictions}
    for one in answer.jurisdictions:
        cells[one.place, one.place] = (_sign(one), one)
    for one in answer.corridors:
        start, _, end = one.place.partition("-")
        places |= {start, end}
        cells[start, end] = (_sign(one), one)
    return sorted(places), cells


def _sign(one: PlaceStanding) -> Span:
    if not one.in_force:
        return "✗", BAD
    if one.withdrawn or one.outside:
        return f"!{one.in_force}", WARN
    return f"✓{one.in_force}", OK
