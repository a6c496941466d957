"""The window in which somebody confirms an act: it says what will happen, and waits for a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.tones import BAD, DIM, STRONG, WARN, Spans, line
from tui.widgets.box import Box
from tui.widgets.detail import folded


class Act(NamedTuple):
    """What is to be confirmed.

    Attributes:
      title: the act in a word or two.
      says: what will happen, in sentences.
      word: what has to be typed: the id, or a part of it.
      twin: the same on the command line.
      reason: whether a reason has to be given.
      reasons: the reasons there are, where they are a fixed set.
    """

    title: str
    says: str
    word: str
    twin: str
    reason: bool = False
    reasons: Sequence[str] = ()


class Confirm(ModalScreen[str | None]):
    """Asks for the word; its result is the reason, empty where none is asked for, None for no."""

    DEFAULT_CSS = """
    Confirm { align: center middle; }
    Confirm > Vertical { width: 90%; max-width: 100; height: auto; background: $surface;
                         border: heavy $warning; padding: 0 1; }
    Confirm Box { border: none; padding: 0; height: auto; }
    Confirm Input { border: tall $primary; height: 3; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it", id="confirm.leave", priority=True)
    ]

    def __init__(self, act: Act) -> None:
        super().__init__()
        self._act = act
        self._says = Box("")
        self._fault = Box("")

    def compose(self) -> ComposeResult:
        """Return the window."""
        with Vertical() as window:
            window.border_title = self._act.title
            window.border_subtitle = "enter do it  esc leave it"
            yield self._says
            if self._act.reason:
                yield Input(placeholder="reason; it goes into the log", id="reason")
            yield Input(placeholder=f"type {self._act.word}", id="word")
            yield self._fault

    def on_mount(self) -> None:
        """Say what will happen."""
        act = self._act
        lines: list[Spans] = [line((act.says, STRONG)), line(("the same: " + act.twin, DIM))]
        if act.reasons:
            lines.append(line(f"reasons: {', '.join(act.reasons)}"))
        lines.append(line("Type ", (act.word, WARN), " to do it."))
        for field in self.query(Input):
            field.cursor_blink = False
        self._says.styles.height = len(folded(lines, max(20, self.app.size.width * 9 // 10 - 8)))
        self._says.show(lambda width, _height: folded(lines, width))
        self._fault.styles.height = 1
        self.query(Input).first().focus()

    @on(Input.Submitted)
    def _done(self) -> None:
        word = self.query_one("#word", Input)
        reason = self.query_one("#reason", Input).value.strip() if self._act.reason else ""
        if self._act.reason and not reason:
            self._refuse("a reason is needed", "#reason")
        elif self._act.reasons and reason not in self._act.reasons:
            self._refuse(f"a reason is one of: {', '.join(self._act.reasons)}", "#reason")
        elif not word.value:
            word.focus()
        elif word.value.strip() != self._act.word:
            self._refuse("that is not the word; nothing was done", "#word")
        else:
            self.dismiss(reason)

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    def _refuse(self, why: str, field: str) -> None:
        self._fault.say(line((f"✗ {why}", BAD)))
        self.query_one(field, Input).focus()
