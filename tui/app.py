"""The dashboard: one program around its screens, which polls its nodes and does what it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import ClassVar, Final, NamedTuple, TypeVar

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import ContentSwitcher

from rtgf_node.client import Question, operator_questions
from rtgf_node.core import times
from rtgf_node.core.clock import Clock
from rtgf_node.errors import RtgfError
from tui import keymap, words
from tui.screens import SCREENS
from tui.screens.overview import Overview
from tui.screens.pane import AskOf, Pane
from tui.themes import GREEN_RED, THEMES
from tui.watch import Target, Watch
from tui.widgets.confirm import Act, Confirm
from tui.widgets.detail import Detail, fields
from tui.widgets.filtered import Filtered
from tui.widgets.frame import Head, Keys, Tab, Tabs
from tui.widgets.painted import ASCII

T = TypeVar("T")

POLL_SECONDS: Final = 2.0
"""Between two looks at a node."""

OF_ALL_NODES: Final = frozenset({"overview", "cluster"})
"""Screens that say something of every node that is watched."""

ACTIONS: Final[frozenset[str]] = frozenset(
    {"revoke", "reinstate", "fetch", "fetch_all", "release", "compile", "cancel", "settle", "lead"}
)
"""Actions that change something: there are none of them in a dashboard that only reads."""


class Options(NamedTuple):
    """How the dashboard behaves.

    Attributes:
      operate: whether it may act.
      theme: one of `THEMES`.
      in_ascii: whether signs and bars are made of ASCII alone.
      keys: a file with the operator's own keys.
      exports: where tables are written to; None if they must not be.
      poll_seconds: between two looks; None if looks come from `look` alone.
    """

    operate: bool = False
    theme: str = GREEN_RED.name
    in_ascii: bool = False
    keys: Path | None = None
    exports: Path | None = None
    poll_seconds: float | None = POLL_SECONDS


class Dashboard(App[None]):
    """All screens over one or several nodes."""

    TITLE: str | None = "rtgf"
    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath] | None] = "styles.tcss"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as the base class has it
        (0, "-narrow"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012
        (0, "-low"),
        (34, "-high"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(one.KEY, f"show('{one.NAME}')", one.TITLE, id=f"go.{one.NAME}", show=False)
            for one in SCREENS
        ),
        Binding("left_square_bracket", "turn(-1)", "Screen before", id="go.before", show=False),
        Binding("right_square_bracket", "turn(1)", "Screen after", id="go.after", show=False),
        Binding("n", "next_node", "Next node", id="go.node", show=False),
        Binding("space", "pause", "Pause", id="poll.pause", show=False),
        Binding("r", "refresh", "Refresh", id="poll.refresh", show=False),
        Binding("question_mark,f1", "help", "Help", id="app.help", show=False),
        Binding("q", "quit", "Quit", id="app.quit", show=False),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        targets: Sequence[Target],
        clock: Clock,
        options: Options | None = None,
        *,
        moment: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options or Options()
        super().__init__()
        self._clock = clock
        self._moment = moment
        self._watches = [Watch(target) for target in targets]
        self._place = 0
        self._shown = Overview.NAME
        self._paused = False
        self.operate = self._options.operate
        self._own_keys: Mapping[str, str] = {}
        if self._options.keys is not None:
            self._own_keys = keymap.load(self._options.keys, _named_bindings())
            self.set_keymap(dict(self._own_keys))

    # --- what there is on the screen ------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Return the frame; screens come when they are first gone to."""
        yield Head()
        yield Tabs([Tab(one.NAME, self._key_of(one), one.TITLE, one.SHORT) for one in SCREENS])
        yield ContentSwitcher(id="screens")
        yield Keys()

    async def on_mount(self) -> None:
        """Show the first screen and begin to look."""
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = self._options.theme
        if self._options.in_ascii:
            self.add_class(ASCII)
        await self._come_to(Overview.NAME)
        self.set_interval(1.0, self._frame)
        if self._options.poll_seconds is not None:
            self.set_interval(self._options.poll_seconds, self._look)
            self._look()

    async def on_unmount(self) -> None:
        """Close the connections."""
        for watch in self._watches:
            for asker in watch.target:
                if asker is not None:
                    await asker.aclose()

    @property
    def current(self) -> Watch:
        """The node that is looked at."""
        return self._watches[self._place]

    @property
    def watches(self) -> Sequence[Watch]:
        """All nodes."""
        return self._watches

    @property
    def pane(self) -> Pane:
        """The screen that is shown."""
        return self.screen_stack[0].query_one(f"#{_pane_id(self._shown, self._place)}", Pane)

    def now(self) -> int:
        """Return the time by this computer's clock."""
        return self._clock.now()

    async def _come_to(self, name: str, place: int | None = None) -> None:
        place = self._place if place is None else place
        switcher, own = self.query_one(ContentSwitcher), _pane_id(name, place)
        if not switcher.query(f"#{own}"):
            pane = next(one for one in SCREENS if name == one.NAME)()
            pane.id, pane.node = own, self._watches[place]
            await switcher.mount(pane)
        self._shown, self._place = name, place
        switcher.current = own
        self.pane.watched()
        # At once: the next key may have been pressed already, and is meant for this screen.
        self.screen_stack[0].set_focus(self.pane.keyed, scroll_visible=False)
        self._frame()

    def _frame(self) -> None:
        watch, count = self.current, len(self._watches)
        if not self.screen_stack or not self.screen_stack[0].query(Keys):
            return  # it is being taken down
        base = self.screen_stack[0]
        where = watch.url.partition("://")[2]
        place = f" · {where} · {self._place + 1} of {count}" if count > 1 else ""
        base.query_one(Head).show(watch, place=place, paused=self._paused, now=self.now())
        base.query_one(ContentSwitcher).set_class(watch.lost_at is not None, "-stale")
        marks = {"approvals": watch.seen.waiting} if watch.seen is not None else {}
        base.query_one(Tabs).show(self._shown, marks)
        pane = self.pane
        hints = [
            (self._key_for(hint.binding, pane), hint.words)
            for hint in pane.HINTS
            if self.operate or not hint.acting
        ]
        table = [("/", "filter")] if pane.filtered is not None else []
        base.query_one(Keys).show(
            [*hints, *table, ("?", "help"), ("^p", "commands"), ("q", "quit")],
            twin=pane.TWIN,
            operate=self.operate,
        )

    # --- looking --------------------------------------------------------------------------------

    def _look(self) -> None:
        if not self._paused:
            self.action_refresh()

    async def look(self, watch: Watch) -> None:
        """Look at a node once, and show what was seen."""
        watch.asking = True
        try:
            seen = await watch.target.reader.ask(operator_questions.overview())
        except RtgfError as error:
            watch.lose(error, now=self.now())
        else:
            watch.take(seen, now=self.now(), moment=self._moment())
        finally:
            watch.asking = False
        if self.is_running and (watch is self.current or self._shown in OF_ALL_NODES):
            self._frame()
            self.pane.watched()

    async def inform(self, watch: Watch, question: Question[T]) -> T | None:
        """Ask a node; where that fails, say so and return None."""
        if watch.lost_at is not None:
            return None  # the first line says so already
        try:
            return await watch.target.reader.ask(question)
        except RtgfError as error:
            self.notify(f"{error.code.name}: {error.detail}", severity="error", markup=False)
            return None

    # --- acting ---------------------------------------------------------------------------------

    def perform(self, act: Act, question_of: AskOf, *, as_approver: bool = False) -> None:
        """Have an act confirmed and done, if this dashboard may act at all."""
        if not self.operate:
            self.notify("this dashboard only reads; start it with --operate", severity="warning")
            return
        target = self.current.target
        asker = (target.approver or target.reader) if as_approver else target.reader

        async def do(reason: str) -> None:
            try:
                answer = await asker.ask(question_of(reason))
            except RtgfError as error:
                said = f"{act.title} failed: {error.code.name}: {error.detail}"
                self.notify(said, severity="error", timeout=10, markup=False)
            else:
                self.notify(f"{act.title}: {words.outcome(answer)}", markup=False)
            self.action_refresh()

        def confirmed(reason: str | None) -> None:
            if reason is not None:
                self.run_worker(do(reason), group="act")

        self.push_screen(Confirm(act), confirmed)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is there: those that change something only with --operate."""
        return (self.operate or action not in ACTIONS) and super().check_action(action, parameters)

    # --- what keys do ---------------------------------------------------------------------------

    async def action_show(self, name: str) -> None:
        """Go to a screen."""
        await self._come_to(name)

    def go(self, screen: str, about: str = "") -> None:
        """Go to a screen, at what it is about."""

        async def come() -> None:
            while len(self.screen_stack) > 1:
                await self.pop_screen()  # the palette goes from windows too
            await self._come_to(screen)
            if about:
                self.pane.about(about)

        self.run_worker(come(), group="go")

    async def action_turn(self, step: int) -> None:
        """Go to the screen before or after."""
        names = [one.NAME for one in SCREENS]
        await self._come_to(names[(names.index(self._shown) + step) % len(names)])

    async def action_next_node(self) -> None:
        """Look at the next node."""
        await self._come_to(self._shown, (self._place + 1) % len(self._watches))

    def action_pause(self) -> None:
        """Let what is shown stand still, or go on."""
        self._paused = not self._paused
        self._frame()
        if not self._paused:
            self._look()

    def action_refresh(self) -> None:
        """Look now."""
        for watch in self._watches:
            if not watch.asking:
                self.run_worker(self.look(watch), group="look")

    def action_help(self) -> None:
        """Say what each key does here."""
        rows: list[tuple[str, object]] = []
        for binding in (*keymap.bindings_of(self.pane), *keymap.bindings_of(self)):
            if binding.id is None or not (self.operate or _acts(binding) is False):
                continue
            rows.append((self._own_keys.get(binding.id, binding.key), f"{binding.description}"))
        lines = [
            *fields(*((keymap.spoken(key), said) for key, said in rows)),
            (),
            ((f"as plain text: {self.pane.TWIN}", "dim"),),
        ]
        self.push_screen(Detail(f"Keys of {self.pane.TITLE}", lines, copied=self.pane.TWIN))

    def export(self, name: str, text: str) -> None:
        """Write a table to a file, whose name tells the screen and the time."""
        folder = self._options.exports
        if folder is None or self.is_web:
            self.notify("this dashboard writes no files", severity="warning")
            return
        stamp = times.to_text(self.now()).replace(":", "")
        path = folder / f"rtgf-{name}-{stamp}.tsv"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.notify(f"{path}: {error.strerror}", severity="error", markup=False)
        else:
            self.notify(f"written: {path}", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield what the palette offers."""
        for one in SCREENS:
            yield SystemCommand(
                f"Go to {one.TITLE}", f"as plain text: {one.TWIN}", partial(self.go, one.NAME)
            )
        if len(self._watches) > 1:
            for number, watch in enumerate(self._watches):
                yield SystemCommand(
                    f"Node {watch.name}", watch.url, partial(self._go_to_node, number)
                )
        if self.operate:
            for hint in self.pane.HINTS:
                if hint.acting:
                    binding = next(b for b in keymap.bindings_of(self.pane) if b.id == hint.binding)
                    yield SystemCommand(
                        binding.description,
                        f"on {self.pane.TITLE}; it asks before it acts",
                        partial(self._run_in_pane, binding.action),
                    )
        for name in THEMES:
            yield SystemCommand(f"Theme {name}", "colours", partial(setattr, self, "theme", name))
        yield SystemCommand("Pause or go on", "stop looking", self.action_pause)
        yield SystemCommand("Refresh", "look now", self.action_refresh)
        yield SystemCommand("Keys", "what each key does here", self.action_help)
        yield SystemCommand("Quit", "leave the dashboard", self.action_quit)

    def _go_to_node(self, number: int) -> None:
        self.run_worker(self._come_to(self._shown, number), group="go")

    def _run_in_pane(self, action: str) -> None:
        self.run_worker(self.run_action(action, self.pane), group="act")

    def _key_of(self, pane: type[Pane]) -> str:
        return self._own_keys.get(f"go.{pane.NAME}", pane.KEY)

    def _key_for(self, name: str, pane: Pane) -> str:
        held = next((one.key for one in keymap.bindings_of(pane) if one.id == name), "?")
        return keymap.spoken(self._own_keys.get(name, held)).partition(",")[0]


def _pane_id(name: str, place: int) -> str:
    return f"{name}-{place}"


def _acts(binding: Binding) -> bool:
    return binding.action.partition("(")[0] in ACTIONS


def _named_bindings() -> set[str]:
    return keymap.named((Dashboard, Filtered, Detail, Confirm, Pane, *SCREENS))
