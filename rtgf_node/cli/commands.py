"""The commands of `rtgf`: which there are, running one, and turning its end into an exit code."""

from __future__ import annotations

import errno
import sqlite3
import traceback
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError, Group, MissingArgumentError
from rich.text import Text

from rtgf_node import __version__
from rtgf_node.cli import output
from rtgf_node.cli.actors import actors
from rtgf_node.cli.approvals import app as approvals
from rtgf_node.cli.audit import audit
from rtgf_node.cli.audit_trail import app as audit_trail
from rtgf_node.cli.backup import backup
from rtgf_node.cli.builds import app as builds
from rtgf_node.cli.check import check
from rtgf_node.cli.cluster import app as cluster
from rtgf_node.cli.compile import compile as compile_tokens
from rtgf_node.cli.corridors import corridors
from rtgf_node.cli.dashboard import dashboard
from rtgf_node.cli.decisions import decisions
from rtgf_node.cli.demo import demo
from rtgf_node.cli.diff import diff
from rtgf_node.cli.events import events
from rtgf_node.cli.explain import explain
from rtgf_node.cli.export import export
from rtgf_node.cli.fetch import fetch
from rtgf_node.cli.help import TwoColumns, help_of
from rtgf_node.cli.incident import app as incident
from rtgf_node.cli.init import init
from rtgf_node.cli.keys import app as keys
from rtgf_node.cli.library import app as library
from rtgf_node.cli.log import app as log
from rtgf_node.cli.partner_kit import partner_kit
from rtgf_node.cli.policy import app as policy
from rtgf_node.cli.quarantine import app as quarantine
from rtgf_node.cli.reinstate import reinstate
from rtgf_node.cli.replay import replay
from rtgf_node.cli.restore import restore
from rtgf_node.cli.revocations import revocations
from rtgf_node.cli.revoke import revoke
from rtgf_node.cli.safety import safety
from rtgf_node.cli.serve import serve
from rtgf_node.cli.sources import sources
from rtgf_node.cli.status import status
from rtgf_node.cli.tokens import tokens
from rtgf_node.cli.verify import verify
from rtgf_node.cli.version import version
from rtgf_node.cli.waiver import app as waiver
from rtgf_node.errors import Code, RtgfError

PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})
"""What the operating system refuses for the time being, and not for what was asked."""
STORE_REFUSED = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""What SQLite says of the disk under it; anything else that it does not do is a bug."""

app = App(
    name="rtgf",
    help="Turn signed rules into signed, logged tokens, and answer who may do what.",
    version=__version__,
    help_format="plaintext",
    help_formatter=TwoColumns(),
    suppress_keyboard_interrupt=False,
)
VERBS: tuple[tuple[str, tuple[App | Callable[..., int], ...]], ...] = (
    (
        "Run a node",
        (init, serve, status, dashboard, events, actors, safety, keys, backup, restore, cluster),
    ),
    ("Rules and lists", (fetch, sources, quarantine, policy, diff, waiver, library)),
    (
        "Tokens",
        (
            compile_tokens,
            builds,
            approvals,
            replay,
            tokens,
            corridors,
            revoke,
            reinstate,
            revocations,
        ),
    ),
    ("Questions", (verify, explain, decisions)),
    ("Proofs", (audit, check, incident, export, audit_trail, log)),
    ("To try it", (demo, partner_kit, version)),
)
"""What there is to do, by what it is about, in the order in which it is come to."""

for _place, (_title, _verbs) in enumerate(VERBS):
    _group = Group(_title, sort_key=_place)
    for _rank, _verb in enumerate(_verbs):
        if isinstance(_verb, App):
            _verb.group, _verb.sort_key = _group, _rank
            app.command(_verb)
        else:
            app.command(_verb, group=_group, sort_key=_rank, **help_of(_verb))
app["--help"].group = app["--version"].group = Group("Options", sort_key=len(VERBS))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; usage errors end the process with 2."""
    as_json = "--json" in arguments
    try:
        code = app(list(arguments), result_action="return_value", error_formatter=_usage)
    except RtgfError as error:
        return output.failure(error, as_json=as_json)
    except BrokenPipeError:
        # Whoever read the result has seen enough.
        return 0
    except Exception as error:  # noqa: BLE001 - the outermost frame: a bug is said to be one
        told = _of_system(error)
        if told is None:
            traceback.print_exception(error)
            told = RtgfError(Code.RTGF_INTERNAL, "this is a bug of rtgf; report the lines above")
        return output.failure(told, as_json=as_json)
    return code if isinstance(code, int) else 0


def _of_system(error: Exception) -> RtgfError | None:
    """Return what the operating system refused, and whether trying again can help; else None."""
    if isinstance(error, sqlite3.OperationalError):
        what, passes = f"the store: {error}", error.sqlite_errorcode & 0xFF in STORE_REFUSED
        if not passes:
            return None
    elif isinstance(error, OSError):
        what = ": ".join(filter(None, (error.filename, error.strerror))) or str(error)
        passes = error.errno in PASSING
    else:
        return None
    if passes:
        return RtgfError(Code.RTGF_UNAVAILABLE, f"{what}; mend that and run this again")
    return RtgfError(Code.RTGF_INPUT_INVALID, what)


def _usage(error: CycloptsError) -> Text:
    """Return what is wrong with the words of a command, and where its help is."""
    verb = " ".join(["rtgf", *(error.command_chain or ())])
    said = str(error)
    if (
        isinstance(error, MissingArgumentError)
        and error.argument
        and error.argument.index is not None
    ):
        said = f"{error.argument.name.lstrip('-').upper()} is missing."
    return Text(f"rtgf: {said}\nSee: {verb} --help")
