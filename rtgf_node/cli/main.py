"""`rtgf`: the one command. It finds the verb, runs it, and turns its end into an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App

from rtgf_node import __version__
from rtgf_node.cli import output
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
from rtgf_node.cli.help import help_of
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
from rtgf_node.cli.serve import serve
from rtgf_node.cli.sources import sources
from rtgf_node.cli.status import status
from rtgf_node.cli.tokens import tokens
from rtgf_node.cli.verify import verify
from rtgf_node.cli.version import version
from rtgf_node.cli.waiver import app as waiver
from rtgf_node.errors import RtgfError

INTERRUPTED_EXIT = 130
"""What a shell expects of a program that Ctrl-C ended: 128 and the number of the signal."""

app = App(
    name="rtgf",
    help="Turn signed rules into signed, logged tokens, and answer who may do what.",
    version=__version__,
    help_format="plaintext",
    help_formatter="plain",
    suppress_keyboard_interrupt=False,
)
for _verb in (
    init,
    serve,
    status,
    fetch,
    compile_tokens,
    replay,
    verify,
    explain,
    diff,
    revoke,
    reinstate,
    tokens,
    corridors,
    revocations,
    sources,
    events,
    audit,
    check,
    decisions,
    backup,
    restore,
    export,
    partner_kit,
    dashboard,
    demo,
    version,
):
    app.command(_verb, **help_of(_verb))
app.command(builds)
app.command(keys)
app.command(log)
app.command(library)
app.command(policy)
app.command(waiver)
app.command(approvals)
app.command(quarantine)
app.command(audit_trail)
app.command(cluster)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; usage errors end the process with 2."""
    as_json = "--json" in arguments
    try:
        code = app(list(arguments), result_action="return_value")
    except RtgfError as error:
        return output.failure(error, as_json=as_json)
    except KeyboardInterrupt:
        output.say("rtgf: interrupted")
        return INTERRUPTED_EXIT
    except BrokenPipeError:
        # Whoever read the result has seen enough.
        return 0
    return code if isinstance(code, int) else 0


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))
