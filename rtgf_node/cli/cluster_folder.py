"""The verbs of `rtgf cluster` for a folder of this machine: it takes its place, or leaves it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from rtgf_node import cluster_seat
from rtgf_node.cli import connection, member_folder, output
from rtgf_node.cli.connection import ConfigFile
from rtgf_node.cli.member_folder import Member
from rtgf_node.cli.output import AsJson
from rtgf_node.config import locate
from rtgf_node.errors import Code, RtgfError
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.keys import pki
from rtgf_node.replication.raftcore import core
from rtgf_node.store import open_store
from rtgf_node.system_clock import SystemClock
from rtgf_node.wire.cluster import JoinDocument

Name = Annotated[str, Parameter(help="Its name in the cluster, such as node-b.")]
MemberAddress = Annotated[
    str, Parameter(help="Where the other members reach it, as host:port, such as 10.0.0.2:7443.")
]
MAX_SEAT_BYTES = 64 << 10
"""The members that there ever were, a line each."""


def init(
    name: Name,
    address: MemberAddress,
    *,
    bind: Annotated[
        str | None, Parameter(help="Where it listens for them, if not on that address.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Make a node that stands alone the first member of a cluster; its log and tokens stay.

    Where it runs: on the node's own folder, while the node is stopped. It makes the member's
    certificate with the folder's CA, unless there is one, and a [cluster] table in the settings;
    where those name a certificate elsewhere, both are yours.

    Examples:
      rtgf cluster init node-a 10.0.0.1:7443
      rtgf cluster init node-a rtgf-a.fma.example:7443 --bind 0.0.0.0:7443
    """
    _need_core()
    file = locate(config)
    told = connection.settings(file)
    with open_store(told.node.data_dir) as store:
        folder = file.resolve().parent
        if told.cluster.certificate_file.is_relative_to(folder / "pki"):
            ca = pki.read(folder / "pki/ca.pem", folder / "pki/ca.key")
            member_folder.seat(folder, name, bind or address, ca=ca, at=SystemClock().now())
        cluster_seat.found(store, name=name, address=address)
        size = store.log.size
    words = f"{name} is the first member; its log of {size} entries stays. Now: rtgf serve"
    output.result({"name": name, "address": address, "tree_size": size}, words, as_json=as_json)
    return 0


def prepare(
    folder: Annotated[Path, Parameter(help="Where to; new or empty.")],
    name: Name,
    address: MemberAddress,
    *,
    url: Annotated[str, Parameter(help="How its own command line reaches it.")],
    bind: Annotated[str, Parameter(help="Address and port to listen on for partners.")],
    peer_bind: Annotated[
        str | None, Parameter(help="Where it listens for the members, if not on that address.")
    ] = None,
    metrics_bind: Annotated[
        str, Parameter(help="Loopback address and port for Prometheus; empty for none.")
    ] = "127.0.0.1:9464",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Make the folder of a further member: settings, sealed keys, certificates, an empty store.

    Where it runs: on the folder of a member that holds the CA's key. Carry the folder to the
    machine of the new member by a way that you trust with the signing keys.

    Examples:
      rtgf cluster prepare b node-b 10.0.0.2:7443 --url https://10.0.0.2:8443 --bind 0.0.0.0:8443
      rtgf cluster prepare b node-b [::1]:7444 --url https://localhost:8444 --bind 127.0.0.1:8444
    """
    file = locate(config)
    wish = Member(name, address, bind, peer_bind or address, metrics_bind, url)
    told = connection.settings(file)
    member_folder.make(folder, file, told, wish, at=SystemClock().now())
    words = f"{folder} is ready to become {name}. Now: rtgf cluster add {name} {address}"
    output.result({"folder": str(folder), "name": name}, words, as_json=as_json)
    return 0


def join(
    seat_file: Annotated[Path, Parameter(help="The file that `rtgf cluster add` wrote.")],
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Take the seat that a member made for this node; the next start copies everything.

    Where it runs: on the new node's own folder, before its first start.

    Examples:
      rtgf cluster join node-b.seat
      rtgf cluster join node-b.seat --config fma-b/rtgf.toml
    """
    _need_core()
    told = connection.settings(config)
    try:
        data = seat_file.read_bytes()[: MAX_SEAT_BYTES + 1]
        document = msgspec.json.decode(data, type=JoinDocument)
    except OSError as error:
        raise RtgfError(
            Code.RTGF_NOT_FOUND, f"{seat_file} cannot be read: {error.strerror}"
        ) from error
    except msgspec.DecodeError as error:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{seat_file} is no seat: {error}") from error
    with open_store(told.node.data_dir) as store:
        cluster_seat.join(store, document, cluster=told.log_origin())
    words = f"this node is {document.name}, member {document.raft_id}. Now: rtgf serve"
    output.result(document, words, as_json=as_json)
    return 0


def leave(
    *,
    others_are_gone: Annotated[
        bool,
        Parameter(
            negative="", help="The other members are lost for good, and what only they held."
        ),
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Let this node stand alone, with the log it has. Remove the other members first.

    Where it runs: on the node's own folder, while the node is stopped.

    Examples:
      rtgf cluster leave
      rtgf cluster leave --others-are-gone
    """
    told = connection.settings(config)
    with open_store(told.node.data_dir) as store:
        guard = HeadGuard(told.log.guard_file)
        size = cluster_seat.leave(store, guard, alone=others_are_gone)
    words = f"this node stands alone, with its log of {size} entries. Now: rtgf serve"
    output.result({"tree_size": size}, words, as_json=as_json)
    return 0


def demo(
    folder: Annotated[Path, Parameter(help="Where to make the nodes; new or empty.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Show what a cluster is for: three nodes, the leader is killed, nothing is lost.

    Where it runs: on this machine; it runs three real nodes over mutual TLS on loopback, and leaves
    their folders.

    Examples:
      rtgf cluster demo demo-cluster
      rtgf cluster demo /tmp/rtgf-cluster --json
    """
    _need_core()
    from rtgf_node.cli import cluster_story

    outcome = cluster_story.tell_story(folder, output.say if as_json else print)
    words = f"\nThe folders are left for you in {folder}."
    output.result(outcome, words, as_json=as_json)
    return 0


def drill(
    folder: Annotated[Path, Parameter(help="Where to make the nodes; new or empty.")],
    *,
    kills: Annotated[int, Parameter(validator=Number(gte=1, lte=1000))] = 20,
    as_json: AsJson = False,
) -> int:
    """Kill the leader of a cluster again and again, and measure what that costs.

    Where it runs: on this machine, with three real nodes on loopback.

    Examples:
      rtgf cluster drill demo-cluster
      rtgf cluster drill /tmp/rtgf-drill --kills 5 --json
    """
    _need_core()
    from rtgf_node.cli import cluster_drill

    measured = cluster_drill.measure(folder, kills, output.say)
    output.result(measured, cluster_drill.text(measured), as_json=as_json)
    return 0 if measured.lost == 0 else 1


def _need_core() -> None:
    if not core.available():
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            "this installation has no Raft core; install a wheel of this platform, or run "
            "scripts/setup with Go at hand. A single node needs none.",
        )
