"""A node's seat in a cluster: taken and given up while the node does not run."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rtgf_node.core import tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.errors import Code, RtgfError
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.store import Store, decision_store
from rtgf_node.store.database import connect_reader
from rtgf_node.store.node_store import DATABASE
from rtgf_node.store.raft_store import Member, RaftStore
from rtgf_node.wire.cluster import JoinDocument

FIRST = 1
"""The Raft id of the first member; also the index and the term that its log begins after."""


def decisions_chain(issuer: str, raft_id: int) -> str:
    """Return the name of a member's chain of decisions.

    The first member's is the issuer's, whose chain began before there was a cluster.
    """
    return issuer if raft_id == FIRST else f"{issuer}#{raft_id}"


def chain_in(folder: Path, issuer: str) -> str:
    """Return the name of the chain of decisions that a data folder, or a copy of one, keeps."""
    if (kept := decision_store.chain_in(folder / decision_store.DATABASE)) is not None:
        return kept
    if not (folder / DATABASE).is_file():
        return issuer
    with closing(connect_reader(folder / DATABASE)) as conn:
        state = RaftStore(conn).state()
    return issuer if state is None else decisions_chain(issuer, state.raft_id)


def found(store: Store, *, name: str, address: str) -> None:
    """Make a node that stands alone the first member of a cluster; its log and state stay.

    Raises:
      RtgfError: RTGF_EXISTS if it is a member already.
    """
    with _transaction(store):
        RaftStore(store.conn).found(
            FIRST,
            [Member(FIRST, name, address, "voter")],
            cluster_id=secrets.token_hex(16),
            conf_state=ConfState((FIRST,)).encode(),
            index=FIRST,
            term=FIRST,
        )


def join(store: Store, document: JoinDocument, *, cluster: str) -> None:
    """Give an empty node the seat that a member of the cluster made for it.

    Raises:
      RtgfError: RTGF_CONFLICT if it is no seat in this cluster, or the store holds a log;
        RTGF_EXISTS if it is a member already.
    """
    if document.cluster != cluster:
        raise RtgfError(
            Code.RTGF_CONFLICT,
            f"the seat is in the cluster {document.cluster}, the settings name {cluster}",
        )
    if store.log.size or store.keys.documents() is not None:
        raise RtgfError(
            Code.RTGF_CONFLICT,
            f"this store holds a log of {store.log.size} entries; a new member begins empty: give "
            "it an empty data folder",
        )
    members = [Member(one.raft_id, one.name, one.address, one.role) for one in document.members]
    with _transaction(store):
        RaftStore(store.conn).found(document.raft_id, members, cluster_id=document.cluster_id)


def leave(store: Store, guard: HeadGuard, *, alone: bool) -> int:
    """Let a node stand alone, with the log it has, and return the size of that log.

    A member that never led signed nothing, so that its guard is empty: from here on it holds the
    newest head that the cluster signed, after which this node signs.

    Args:
      store: the node's, which does not run.
      guard: the node's.
      alone: it is known that the other members are gone for good.

    Raises:
      RtgfError: RTGF_NOT_FOUND if it is no member; RTGF_CONFLICT if others decide with it and it is
        not known that they are gone.
    """
    seats = RaftStore(store.conn)
    state = seats.state()
    if state is None:
        raise RtgfError(Code.RTGF_NOT_FOUND, "this node is in no cluster")
    voters = ConfState.decode(state.conf_state).voters if state.conf_state else ()
    if voters != (state.raft_id,) and not alone:
        raise RtgfError(
            Code.RTGF_CONFLICT,
            f"{len(voters)} member(s) decide in this cluster; remove the others first, or, if they "
            "are gone for good, add --others-are-gone: what only they held is lost",
        )
    held = store.log.latest_head()
    if held is not None and guard.read() is None:
        guard.swap(None, tree_head.from_document(parse(held.document)))
    with _transaction(store):
        seats.leave()
    return store.log.size


@contextmanager
def _transaction(store: Store) -> Iterator[None]:
    store.conn.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        store.conn.execute("ROLLBACK")
        raise
    store.conn.execute("COMMIT")
