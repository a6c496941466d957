"""`/openapi.json` and `/docs`, and the page of every code that a problem's `type` leads to."""

from __future__ import annotations

from html import escape
from typing import Final

from rtgf_node.alerts.catalogue import CATALOGUE
from rtgf_node.api import contract_document, docs_page
from rtgf_node.api.answers import kept, ready
from rtgf_node.api.docs_page import MAX_AGE, page
from rtgf_node.api.exchange import Answered, Views
from rtgf_node.api.parameters import Query
from rtgf_node.api.problems import status_of
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import Code, RtgfError

ADVICE: Final = {
    4: "See that the address is right, that the node runs, and that nothing stands between.",
    10: "Do not use it. Fetch it again from whoever issued it; if it fails again, tell them, and"
    " compare the keys you trust with those they publish.",
    11: "Do not use it. Fetch its successor, and see that your clock is right.",
    12: "Do not use it. Its issuer has withdrawn it; ask the registry for a valid one.",
    13: "Do not use it. Fetch it and its proofs again; if that does not help, keep both files and"
    " tell the operator: the log may have been tampered with.",
    14: "An answer, not a fault. `reasons` and `/evaluate?explain=text` say what is missing.",
    65: "Correct what you send: `errors` has the place, `detail` what is expected. The same request"
    " will be refused again.",
    66: "Ask for another one: the catalogue and the policy matrix list what is here.",
    69: "Show a client certificate or a bearer token that the settings of this node give the role.",
    70: "The fault is ours. Give the operator the request id; the log has the rest under it.",
    73: "Look at what is held, then decide: what you send is older, or the same, or not the next.",
    74: "For the operator: stop, keep the data folder as it is, run `rtgf audit`, and restore from"
    " a backup where it says so.",
    75: "Try again after `Retry-After`, or in a second. If it stays so, `/readyz` says what is"
    " missing, and the log of the node why.",
    78: "For the operator: correct the settings; what is wrong is said at the start of the node.",
}
"""What to do, by the exit code: it follows the cause."""

RUNBOOKS: Final = {
    Code.RTGF_BUILD_PLAN_DIVERGENCE: "determinism_failure",
    Code.RTGF_PIPELINE_DETERMINISM_FAIL: "determinism_failure",
    Code.RTGF_BUILD_TRANSPARENCY_FAIL: "transparency_outage",
    Code.RTGF_PIPELINE_TRANSPARENCY_FAIL: "transparency_outage",
    Code.RTGF_TXP_STORE_DAMAGED: "append_violation",
}
"""What operators read about a code that is no alert's."""


def routes(url: str) -> Views:
    """Return the routes.

    Args:
      url: of the node, for the examples.
    """
    blueprint = Views("docs", __name__)
    document = contract_document.document()
    made = ready(canonical_bytes(document), cache=kept(MAX_AGE))
    shown = docs_page.of_document(document, url=url)
    listed = _index()
    pages = {code.name: _about(code) for code in Code}

    @blueprint.get("/openapi.json")
    async def openapi() -> Answered:
        Query()
        return made

    @blueprint.get("/docs")
    async def docs() -> Answered:
        Query()
        return shown

    @blueprint.get("/errors")
    async def errors() -> Answered:
        Query()
        return listed

    @blueprint.get("/errors/<name>")
    async def error(name: str) -> Answered:
        Query()
        if name not in pages:
            raise RtgfError(Code.RTGF_NOT_FOUND, "there is no such error; /errors lists them")
        return pages[name]

    return blueprint


def _index() -> Answered:
    items = "".join(
        f'<li><a href="errors/{code.name}">{code.name}</a>: {escape(code.value.title)}</li>'
        for code in Code
    )
    return page("Errors", f"<ul>{items}</ul>")


def _about(code: Code) -> Answered:
    where = f"HTTP status {status_of(code)}"
    if code.value.status < 400:
        where = f"A reason in the answers of <code>/verify</code>; where it is a problem, {where}"
    listed = "".join(
        f'<li><a href="../docs#{operation.id}">{operation.method} '
        f"{escape(contract_document.path_of(operation.rule))}</a></li>"
        for operation in contract_document.operations()
        if code in operation.refusals
    )
    named = [alert.runbook for alert in CATALOGUE.values() if alert.code is code]
    if code in RUNBOOKS:
        named.append(f"docs/runbooks/{RUNBOOKS[code]}.md")
    runbooks = ", ".join(f"<code>{name}</code>" for name in named)
    return page(
        code.name,
        f"<p>{escape(code.value.title)}.</p><h2>What to do</h2>"
        f"<p>{docs_page.marked(ADVICE[code.value.exit_code])}</p>"
        f"{f'<p>For the operator: {runbooks}.</p>' if runbooks else ''}"
        f"<h2>Where it comes from</h2><p>{where}; "
        f"the <code>rtgf</code> command ends with {code.value.exit_code}.</p>"
        f"{f'<ul>{listed}</ul>' if listed else ''}"
        '<p><a href="../errors">All errors</a> · <a href="../docs">All routes</a></p>',
    )
