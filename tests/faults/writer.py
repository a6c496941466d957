"""A small node that writes as hard as it can until it is killed; the crash tests run it.

    python writer.py FOLDER SEED

It waits for a line on stdin, opens (or makes) the store, and then writes one JSON line for each
acknowledgement, unbuffered: what was acknowledged is out of the process before anything follows.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import msgspec
import trio

from rtgf_node.core import digests, event, tree_head
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import SeedSigner
from rtgf_node.replication.commands import (
    AppendEvents,
    Command,
    Outcome,
    Proposal,
    PublishBuild,
    Revoke,
    RevokeEntry,
    SignedHead,
    TokenRow,
)
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, create_store, open_store

ORIGIN = "log.example"
SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))
AT = 1_790_000_000
APPENDERS = 6
MAX_BATCH = 40


def make_event(kind: str, subject: str) -> bytes:
    made = event.make(
        type=kind,
        at=AT,
        subject=subject,
        digest=digests.sha256(subject.encode()),
        refs={},
        actor="writer",
        payload={},
    )
    return event.to_bytes(made)


class Writer:
    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.run = f"run-{seed}"
        self.replicator = SoloReplicator(StateMachine(store))

    async def main(self) -> None:
        async with self.replicator, trio.open_nursery() as nursery:
            for number in range(APPENDERS):
                nursery.start_soon(self.append, f"{self.run}-a{number}")
            nursery.start_soon(self.sign_heads, f"{self.run}-heads")
            nursery.start_soon(self.publish_and_revoke, f"{self.run}-tokens")

    async def propose(self, client: str, seq: int, *commands: Command) -> list[Outcome]:
        applied = await self.replicator.propose(
            [Proposal(client, seq + place, command) for place, command in enumerate(commands)]
        )
        outcomes = []
        for place, result in enumerate(applied):
            if not isinstance(result.outcome, Outcome):
                raise result.outcome
            outcomes.append(result.outcome)
            report = {
                "client": client,
                "seq": seq + place,
                "kind": type(result.command).__name__,
                "indexes": result.outcome.leaf_indexes,
                "events": [
                    digests.sha256(entry) for entry in getattr(result.command, "events", ())
                ],
                "rev_epoch": result.outcome.rev_epoch,
            }
            if isinstance(result.command, SignedHead):
                report["head"] = [result.command.tree_size, result.command.root.hex()]
            # One write of a line: a pipe takes it whole or not at all.
            os.write(1, msgspec.json.encode(report) + b"\n")
        return outcomes

    async def append(self, client: str) -> None:
        seq = 0
        while True:
            size = 1 if self.random.random() < 0.5 else self.random.randrange(1, MAX_BATCH)
            batch = [
                AppendEvents((make_event("incident", f"{client}:{seq + place}"),))
                for place in range(size)
            ]
            await self.propose(client, seq, *batch)
            seq += size

    async def sign_heads(self, client: str) -> None:
        seq = 0
        while True:
            size = self.store.log.size
            root = self.store.log.root_at(size)
            head = tree_head.sign(ORIGIN, size, root, AT, SIGNER)
            document = canonical_bytes(tree_head.to_document(head))
            await self.propose(client, seq, SignedHead(document, size, root))
            seq += 1

    async def publish_and_revoke(self, client: str) -> None:
        seq = 0
        while True:
            first = self.store.registry.next_status_index(0)
            tokens = [self.token(f"RMT:EU:{client}:2026.{seq}", first, ())]
            tokens += [
                self.token(
                    f"IMT:EU-SG:{client}-{n}:2026.{seq}", first + 1 + n, (tokens[0].token_id,)
                )
                for n in range(3)
            ]
            build = PublishBuild(
                build_id=f"{client}:{seq}",
                manifest_digest=digests.sha256(client.encode()),
                at=AT,
                events=(
                    make_event("build", f"{client}:{seq}"),
                    *(make_event("token_issue", row.token_id) for row in tokens),
                ),
                tokens=tuple(tokens),
                rev_epoch=self.store.revocation.rev_epoch(),
            )
            await self.propose(client, seq, build)
            entry = RevokeEntry(tokens[0].token_id, "invalid", "policy_withdrawn")
            await self.propose(client, seq + 1, Revoke((entry,), at=AT, actor="operator"))
            seq += 2

    def token(self, token_id: str, status_idx: int, parents: tuple[str, ...]) -> TokenRow:
        kind, place, name, version = token_id.split(":")
        return TokenRow(
            token_id=token_id,
            jti=digests.sha256(token_id.encode()),
            type=kind,
            place=place,
            name=name,
            version=version,
            issue=1,
            canonical_hash=digests.sha512(token_id.encode()),
            nbf=AT,
            exp=AT + 3600,
            body=token_id.encode(),
            status_list=0,
            status_idx=status_idx,
            parents=parents,
        )


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    # Started ahead of its turn, so that a round does not wait for imports.
    sys.stdin.readline()
    store = open_store(folder) if (folder / "node.db").exists() else create_store(folder)
    trio.run(Writer(store, seed).main)


if __name__ == "__main__":
    main()
