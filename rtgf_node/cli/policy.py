"""`rtgf policy`: for those who write rules, and those who have to know what they say."""

from __future__ import annotations

from cyclopts import App

from rtgf_node.cli.help import help_of
from rtgf_node.cli.policy_check import check
from rtgf_node.cli.policy_coverage import coverage
from rtgf_node.cli.policy_new import new
from rtgf_node.cli.policy_sign import key, sign

app = App(name="policy", help="Write, check, sign and read policy snapshots.")
for _verb in (new, check, key, sign, coverage):
    app.command(_verb, **help_of(_verb))
