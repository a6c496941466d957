"""What every screen is: a pane with a key, a title and a twin on the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import ClassVar, NamedTuple, ParamSpec, Protocol, TypeVar, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.worker import Worker

from rtgf_node.client import Question
from rtgf_node.wire.overview import OverviewAnswer
from tui.tones import Spans
from tui.watch import Watch
from tui.widgets.confirm import Act
from tui.widgets.detail import Detail
from tui.widgets.filtered import Filtered
from tui.widgets.table import Row, Table

P = ParamSpec("P")
T = TypeVar("T")


class Hint(NamedTuple):
    """A key of a pane that the last line names: the binding's id, and what it does in a word."""

    binding: str
    words: str
    acting: bool = False


class Window(Protocol):
    """What a pane may ask of the program around it."""

    operate: bool

    @property
    def current(self) -> Watch:
        """The node that is looked at."""

    @property
    def watches(self) -> Sequence[Watch]:
        """All nodes."""

    def now(self) -> int:
        """Return the time by this computer's clock."""

    def inform(self, watch: Watch, question: Question[T]) -> Awaitable[T | None]:
        """Ask a node; where that fails, say so and return None."""

    def perform(self, act: Act, question_of: AskOf, *, as_approver: bool = False) -> None:
        """Have an act confirmed and done, if this dashboard may act at all."""

    def go(self, screen: str, about: str = "") -> None:
        """Show another screen, at what it is about."""

    def export(self, name: str, text: str) -> None:
        """Write a table to a file."""


class AskOf(Protocol):
    """Makes the question of an act from the reason that was given."""

    def __call__(self, reason: str, /) -> Question[object]:
        """Return the question."""


class Pane(Vertical):
    """One screen of one node: what it shows of a node is never shown as another's.

    Attributes:
      node: whose screen it is; set before it is mounted.
      NAME: of the screen, for commands and links.
      TITLE, SHORT: in the row of tabs, where there is room and where there is not.
      KEY: that goes to it.
      TWIN: the command that prints the same as plain text.
      HINTS: keys that are its own.
    """

    node: Watch
    _loaded_for: object = None
    NAME: ClassVar[str]
    TITLE: ClassVar[str]
    SHORT: ClassVar[str]
    KEY: ClassVar[str]
    TWIN: ClassVar[str]
    HINTS: ClassVar[tuple[Hint, ...]] = ()

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "raw", "Raw JSON", id="row.raw"),
        Binding("y", "copy", "Copy the id", id="row.copy"),
        Binding("e", "export", "Export the table", id="table.export"),
        Binding("g", "related", "Go to what it rests on", id="row.related"),
    ]

    @property
    def window(self) -> Window:
        """The program around this pane."""
        return cast("Window", self.app)

    async def inform(self, question: Question[T]) -> T | None:
        """Ask the node whose screen this is; see `Window.inform`."""
        answer = await self.window.inform(self.node, question)
        if answer is None and self.node.lost_at is not None:
            self._loaded_for = None  # again when it is back
        return answer

    def load(
        self, work: Callable[P, Coroutine[None, None, None]], *given: P.args, **named: P.kwargs
    ) -> None:
        """Do this beside what is shown, unless it is being done."""
        own = (one for one in self.workers if (one.node, one.group) == (self, work.__name__))
        if all(one.is_finished for one in own):
            self.load_anew(work, *given, **named)

    def load_anew(
        self, work: Callable[P, Coroutine[None, None, None]], *given: P.args, **named: P.kwargs
    ) -> None:
        """Do this beside what is shown, and give up what is being done of it."""
        # Not as a coroutine: one that is given up before it began would never be awaited.
        begun = partial(work, *given, **named)
        _: Worker[None] = self.run_worker(begun, group=work.__name__, exclusive=True)

    def load_for(self, state: object, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Do this anew, if the state is another than the last one."""
        if state != self._loaded_for:
            self._loaded_for = state
            self.load_anew(work)

    def watched(self) -> None:
        """Show what is known of the node now; called when it changes and when the pane comes up."""
        if self.node.seen is not None:
            self.tell(self.node.seen)

    def tell(self, seen: OverviewAnswer) -> None:
        """Show what a node said of itself, and ask for what this screen shows beside it."""

    def show_rows(self, rows: Sequence[Row], *, note: str = "") -> None:
        """Show these rows in the pane's table; see `Filtered.show`."""
        if self.filtered is not None:
            self.filtered.show(rows, note=note)

    def about(self, text: str) -> None:
        """Show what somebody on another screen wants to see here."""

    @property
    def filtered(self) -> Filtered | None:
        """The pane's table, if it has one."""
        return next(iter(self.query(Filtered)), None)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        filtered = self.filtered
        return filtered.table.row if filtered is not None else None

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return a row in full, as a person reads it; nothing has only its raw form."""
        return ()

    @property
    def keyed(self) -> Widget:
        """Where the keys are wanted when the pane comes up."""
        return self if self.filtered is None else self.filtered.table

    @on(Table.Opened)
    def _opened(self, event: Table.Opened) -> None:
        event.stop()
        self.open(event.row)

    def open(self, row: Row) -> None:
        """Show a row in full."""
        self.app.push_screen(self.detail(row))

    def detail(self, row: Row, *, raw: bool = False) -> Detail:
        """Return the window that shows a row in full."""
        return Detail(row.key, self.describe(row), row.data, copied=row.key, raw=raw)

    def action_raw(self) -> None:
        """Show the row as it came."""
        if self.row is not None:
            self.app.push_screen(self.detail(self.row, raw=True))

    def action_copy(self) -> None:
        """Copy the row's id."""
        if self.row is not None:
            self.app.copy_to_clipboard(self.row.key)
            self.notify(f"copied {self.row.key}")

    def action_export(self) -> None:
        """Write the table to a file."""
        if self.filtered is not None:
            self.window.export(self.NAME, self.filtered.table.text())

    def action_related(self) -> None:
        """Go to what the row rests on."""
