"""`rtgf safety`."""

from __future__ import annotations

import msgspec

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.client import standing
from rtgf_node.core import times
from rtgf_node.system_clock import SystemClock
from rtgf_node.wire.overview import OverviewAnswer

MEBIBYTE = 1 << 20


def safety(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List what must not end or fill up unnoticed: keys, certificates, the disk, the clock.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf safety
      rtgf safety --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        seen = node.overview()
    document = {
        name: msgspec.to_builtins(getattr(seen, name))
        for name in ("at", "keys", "certificates", "disk", "caller", "roles")
    }
    output.result(document, text(seen, here=SystemClock().now()), as_json=as_json)
    return 0


def text(seen: OverviewAnswer, *, here: int) -> str:
    """Return it as lines for people; `here` is the time by this computer's clock."""
    now, disk = times.parse(seen.at), seen.disk
    rows = [
        (
            one.name,
            one.purpose,
            standing.days_left(one, now),
            standing.of_expiry(one, now),
            one.expires_at,
        )
        for one in sorted((*seen.keys, *seen.certificates), key=lambda one: one.expires_at)
    ]
    share = disk.free_bytes / disk.total_bytes if disk.total_bytes else 1.0
    return "\n".join(
        [
            output.table(("key or certificate", "for", "days left", "state", "ends"), rows),
            "",
            f"disk     {disk.free_bytes // MEBIBYTE} MiB free, {share:.0%}",
            f"store    {disk.store_bytes // MEBIBYTE} MiB",
            f"clock    {now - here:+d} s to here",
            f"you      {seen.caller}",
            f"roles    {', '.join(seen.roles)}",
            f"version  {seen.status.version}",
        ]
    )
