"""Screen 4: ask whether tokens are valid and what they allow, and see what decided."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from rtgf_node.client import questions
from rtgf_node.core.identifiers import TOKEN_TYPES
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import (
    EvaluateAnswer,
    EvaluateRequest,
    VerifyAnswer,
    VerifyRequest,
    VerifyTokens,
)
from tui.screens.pane import Hint, Pane
from tui.screens.registry import URI
from tui.tones import BAD, DIM, OK, WARN, Spans, line, told
from tui.widgets.box import Box
from tui.widgets.detail import Detail, fields, folded, heading

HELP = (
    "Token ids or URIs, one for each type; or as JSON, a token or a request of POST /verify.",
    "A request with a context is decided too, and explained.",
)


class Verify(Pane):
    """A question to `/verify`, and its answer."""

    NAME = "verify"
    TITLE = "Verify"
    SHORT = "Ver"
    KEY = "4"
    TWIN = "rtgf verify"
    HINTS: ClassVar[tuple[Hint, ...]] = (
        Hint("question.write", "write"),
        Hint("question.ask", "ask"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "ask", "Ask", id="question.ask"),
        Binding("i,enter", "edit", "Write the question", id="question.write"),
        Binding("escape", "leave", "Leave the question", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down", "scroll(1)", "Down", show=False),
    ]
    can_focus = True

    def __init__(self) -> None:
        super().__init__()
        self._answer: VerifyAnswer | None = None

    def compose(self) -> ComposeResult:
        """Return the question and the answer."""
        area = TextArea(id="v-question", compact=True, highlight_cursor_line=False)
        area.cursor_blink = False
        area.border_title = "Question"
        area.border_subtitle = "i to write, esc to leave it, F5 to ask"
        yield area
        yield Box("Answer", id="v-answer")

    def on_mount(self) -> None:
        """Say what may be asked."""
        self._say([line((text, DIM)) for text in HELP])

    def about(self, text: str) -> None:
        """Ask about a token."""
        self.query_one(TextArea).text = text
        self.action_ask()

    def action_edit(self) -> None:
        """Go into the question."""
        self.query_one(TextArea).focus()

    def action_leave(self) -> None:
        """Leave the question, so that keys mean screens again."""
        self.focus()

    def action_scroll(self, step: int) -> None:
        """Go through the answer."""
        self.query_one("#v-answer", Box).scroll_relative(y=step, animate=False)

    def action_raw(self) -> None:
        """Show the answer as it came."""
        if self._answer is not None:
            self.app.push_screen(Detail("the answer", (), self._answer))

    def action_ask(self) -> None:
        """Ask the node."""
        try:
            request = read(self.query_one(TextArea).text)
        except RtgfError as error:
            self._say([line((f"✗ {error.detail}", BAD)), *(line((text, DIM)) for text in HELP)])
            return
        self._say([line(("asking…", DIM))])
        self.focus()
        self.load_anew(self._ask, request)

    async def _ask(self, request: VerifyRequest) -> None:
        answer = await self.inform(questions.verify(request))
        if answer is None:
            self._say([line(("there is no answer", DIM))])
            return
        decided = None
        token = request.tokens.imt or request.tokens.rmt
        if request.context is not None and token is not None and answer.valid:
            decided = await self.inform(
                questions.evaluate(
                    EvaluateRequest(token, request.context, request.at), explain=True
                )
            )
        self._answer = answer
        self._say(_answer(answer, decided))

    def _say(self, lines: list[Spans]) -> None:
        box = self.query_one("#v-answer", Box)
        box.show(lambda width, _: folded(lines, width))
        box.scroll_home(animate=False)


def read(text: str) -> VerifyRequest:
    """Return the request that somebody typed.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it names no token.
    """
    text = text.strip()
    if text.startswith("{"):
        return _document(text)
    found: dict[str, str] = {}
    for word in text.replace(",", " ").split():
        kind = word.removeprefix(URI).partition(":")[0].lower()
        if kind.upper() not in TOKEN_TYPES:
            raise RtgfError(Code.RTGF_INPUT_INVALID, f"{word!r} is no token id")
        found[kind] = word
    if not found:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "name a token")
    return VerifyRequest(tokens=VerifyTokens(**found))


def _document(text: str) -> VerifyRequest:
    try:
        document: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        if "tokens" in document:
            return msgspec.convert(document, VerifyRequest)
    except msgspec.MsgspecError as error:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"this is no request: {error}") from error
    kind = str(document.get("type", "")).lower()
    if kind.upper() not in TOKEN_TYPES:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "this document is neither a request nor a token")
    return VerifyRequest(tokens=VerifyTokens(**{kind: document}))


def _answer(answer: VerifyAnswer, decided: EvaluateAnswer | None) -> list[Spans]:
    verdict = told("valid", OK) if answer.valid else told("not valid", BAD)
    lines: list[Spans] = [line(verdict, f"  {_because(answer.reason)}")]
    for token in answer.tokens:
        said = told("valid", OK) if token.valid else told(token.reason or "not valid", BAD)
        lines.append(
            line("  ", said, f"  {token.uri.removeprefix(URI)}", (f"  until {token.exp[:10]}", DIM))
        )
    if answer.decision is not None:
        tone = {"PERMIT": OK, "PERMIT_WITH_CONTROLS": WARN}.get(answer.decision, BAD)
        lines += [*heading("decision"), line(told(answer.decision, tone))]
        lines += fields(
            ("reasons", ", ".join(answer.reasons)), ("controls", ", ".join(answer.controls))
        )
    if decided is not None and decided.explanation:
        lines += heading("why")
        lines += [line(text) for text in decided.explanation.splitlines()]
    lines += heading("rests on")
    lines += fields(("revEpoch", answer.revEpoch), ("trace", answer.trace_digest))
    if answer.basis is not None:
        lines += fields(
            ("token", answer.basis.token),
            ("plan", answer.basis.eval_plan),
            ("lists", ", ".join(answer.basis.datasets)),
        )
    return lines


def _because(reason: str | None) -> str:
    if reason is None:
        return ""
    title = Code[reason].value.title if reason in Code.__members__ else ""
    return f"{reason}: {title}" if title else reason
