"""`rtgf cluster`: several nodes that hold one log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.cluster_folder import (
    MemberAddress,
    Name,
    demo,
    drill,
    init,
    join,
    leave,
    prepare,
)
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson
from rtgf_node.errors import Code, RtgfError
from rtgf_node.whole_file import write_whole
from rtgf_node.wire.cluster import (
    ClusterAnswer,
    JoinDocument,
    LeadershipRequest,
    MemberRequest,
    MembershipAnswer,
)

app = App(name="cluster", help="Several nodes that hold one log.")


def add(
    name: Name,
    address: MemberAddress,
    *,
    out: Annotated[Path, Parameter(help="The file for the new member's seat.")],
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Give a new node a seat: it may copy everything, and decides nothing until it is promoted.

    Where it runs: anywhere that reaches a member, over HTTPS as operator. A name that was removed
    may come back, with an empty data folder and a new seat.

    Examples:
      rtgf cluster add node-b 10.0.0.2:7443 --out node-b.seat
      rtgf cluster add node-b rtgf-b.fma.example:7443 --out node-b.seat --json
    """
    if out.exists():
        raise RtgfError(Code.RTGF_EXISTS, f"{out} exists already; it is not replaced")
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.add_member(MemberRequest(name=name, address=address))
    if answer.seat is None:
        words = f"waits for a second person: rtgf approvals approve {answer.approval_id}; then "
        output.result(answer, f"{words}rtgf cluster seat {name} --out {out}", as_json=as_json)
        return 0
    write_whole(out, msgspec.json.encode(answer.seat))
    words = f"{name} is member {answer.seat.raft_id}. On its machine: rtgf cluster join {out.name}"
    output.result(answer.seat, words, as_json=as_json)
    return 0


def seat(
    name: Name,
    *,
    out: Annotated[Path, Parameter(help="The file for the new member's seat.")],
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Write the seat of a member that was added, once a second person approved it.

    Where it runs: anywhere that reaches a member, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf cluster seat node-b --out node-b.seat
      rtgf cluster seat node-b --out node-b.seat --json
    """
    if out.exists():
        raise RtgfError(Code.RTGF_EXISTS, f"{out} exists already; it is not replaced")
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.cluster()
    held = [one.raft_id for one in answer.members if one.name == name and one.role != "removed"]
    if not held:
        raise RtgfError(Code.RTGF_NOT_FOUND, f"no member is named {name!r}")
    document = JoinDocument(
        cluster=answer.cluster,
        cluster_id=answer.cluster_id,
        raft_id=held[0],
        name=name,
        members=answer.members,
    )
    write_whole(out, msgspec.json.encode(document))
    words = f"{name} is member {held[0]}. On its machine: rtgf cluster join {out.name}"
    output.result(document, words, as_json=as_json)
    return 0


def promote(
    name: Name,
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Let a learner decide with the others. Do it when `rtgf cluster status` says it has all.

    Where it runs: anywhere that reaches the member that leads, over HTTPS as operator.

    Examples:
      rtgf cluster promote node-b
      rtgf cluster promote node-b --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.promote_member(name)
    output.result(answer, _changed(answer), as_json=as_json)
    return 0


def remove(
    name: Name,
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Take a node out for good: its seat is never given again.

    Where it runs: anywhere that reaches a member, over HTTPS as operator. Stop the node afterwards.

    Examples:
      rtgf cluster remove node-b
      rtgf cluster remove node-b --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.remove_member(name)
    output.result(answer, _changed(answer), as_json=as_json)
    return 0


def transfer(
    to: Annotated[str | None, Parameter(help="Who is to lead; else who holds most.")] = None,
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Hand leadership over, for instance before the leader's machine is stopped.

    Where it runs: anywhere that reaches the member that leads, over HTTPS as operator.

    Examples:
      rtgf cluster transfer
      rtgf cluster transfer node-b
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.transfer_leadership(LeadershipRequest(to=to))
    output.result(answer, text(answer), as_json=as_json)
    return 0


def status(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Say who is in the cluster, who leads, and how far each one is.

    Where it runs: anywhere that reaches a member, over HTTPS as operator, approver or auditor. What
    the others hold, only the leader knows. Changes that wait for a second person stand below.

    Examples:
      rtgf cluster status
      rtgf cluster status --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.cluster()
        # A member without a state knows of no requests.
        waiting = [] if answer.waits else node.approvals().waiting_for("membership")
    asked = [
        f"waits for a second person: {one.subject}; rtgf approvals approve {one.approval_id}"
        for one in waiting
    ]
    output.result(answer, "\n".join([text(answer), *asked]), as_json=as_json)
    return 0


def text(answer: ClusterAnswer) -> str:
    """Return the cluster as lines for people."""
    if answer.alone:
        return f"this node stands alone; its log has {answer.tree_size} entries"
    rows = [
        (
            one.name,
            "leader" if answer.leads(one) else one.role,
            answer.state_of(one),
            one.match,
            answer.behind(one),
            one.address,
        )
        for one in answer.members
    ]
    headers = ("member", "role", "state", "holds", "behind", "address")
    leader = answer.leader or "nobody"
    # One that waits for its first state has no age; the answer has a very great one.
    age = f", {answer.staleness_seconds:.1f} s old" if not answer.waits else ""
    waits = [f"waits: {answer.waits}"] if answer.waits else []
    return "\n".join(
        [
            f"{answer.cluster}: {leader} leads term {answer.term}",
            f"this is {answer.name}, {answer.role}; applied {answer.applied} of {answer.commit}, "
            f"{answer.tree_size} log entries{age}",
            *waits,
            "",
            output.table(headers, rows),
        ]
    )


def _changed(answer: MembershipAnswer) -> str:
    if answer.state == "waiting":
        return f"waits for a second person: rtgf approvals approve {answer.approval_id}"
    return text(answer.cluster)


for _verb in (
    init,
    prepare,
    add,
    seat,
    join,
    promote,
    remove,
    transfer,
    status,
    leave,
    demo,
    drill,
):
    app.command(_verb, **help_of(_verb))
