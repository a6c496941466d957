"""A verifier over a folder of test tokens, as `rtgf partner-kit` writes it: no node, no network.

The folder is checked as a node's answers are: the key set against the root that is pinned, the head
and the list of revocations against the set, each token against its key and against the log, whose
entries must give the head's root.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Unpack

import msgspec

from rtgf_node.client.knowledge import Learned, NewLists, NewToken, changes_of, keys_of
from rtgf_node.client.memory import Options
from rtgf_node.client.verifier import Verifying
from rtgf_node.core import base64url, canonical_json, event, identifiers, merkle, times, tokens
from rtgf_node.core import tree_head as heads
from rtgf_node.core.event import Event
from rtgf_node.core.evidence_entry import require
from rtgf_node.core.keys import KeySet
from rtgf_node.errors import Code, RtgfError

ROOT_KEY: Final = "root-key.txt"
KEY_SET: Final = "jwks.jws"
HEAD: Final = "head.json"
ENTRIES: Final = "log.jsonl"
REVOCATIONS: Final = "revocations.json"
TOKENS: Final = "tokens"
QUESTIONS: Final = "questions"
EXPECTED: Final = "expected.json"

UNTIL_ENDED: Final = float("inf")
"""A folder does not become stale; its tokens and keys end by themselves."""


def file_of(token_id: str) -> str:
    """Return the name of a token's file."""
    return f"{token_id.partition(':')[0].lower()}-{identifiers.slug(token_id)}.json"


class Expected(msgspec.Struct, frozen=True):
    """What a question of the kit must be answered with.

    Attributes:
      question: the file under `questions`.
      valid: the verdict; None for a question that is refused.
      reason: the code of the verdict or of the refusal.
      why: what is the matter with the token.
    """

    question: str
    valid: bool | None
    reason: str | None
    why: str


class KitVerifier(Verifying):
    """Verifies from a folder. Its root key is the folder's own: for tests, and nothing else."""

    def __init__(self, folder: Path, **options: Unpack[Options]) -> None:
        self._folder = folder
        options.setdefault("max_staleness_seconds", UNTIL_ENDED)
        super().__init__(root_key=self._text(ROOT_KEY), **options)
        self.refresh()

    def refresh(self) -> None:
        """Read the folder.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if a file is missing; what is not as it must be.
        """
        now = self._memory.now()
        root = base64url.decode(self._text(ROOT_KEY))
        keys = keys_of(self._text(KEY_SET), root)
        head = heads.from_document(canonical_json.parse(self._text(HEAD).encode()))
        heads.verify(head, keys, at=now)
        entries = self._text(ENTRIES).encode().splitlines()
        hashes = [merkle.leaf_hash(entry) for entry in entries]
        require(
            (len(hashes), merkle.root_hash(hashes)) == (head.tree_size, head.root()),
            "the entries do not give the root of the head",
        )
        known = self._memory.rev_epoch
        changes = changes_of(self._text(REVOCATIONS).encode(), keys, known=0, now=now)[known:]
        found = [
            self._issued(index, event.parse(entry), keys) for index, entry in enumerate(entries)
        ]
        issued = [new for new in found if new is not None]
        asked_at = time.monotonic()
        self._memory.take(Learned(asked_at, keys, head, issued, changes, NewLists({}, {}, {})))

    def _issued(self, index: int, entry: Event, keys: KeySet) -> NewToken | None:
        """Return the token that an entry says was issued."""
        if entry.type != "token_issue":
            return None
        name = file_of(entry.subject)
        issued_at = times.parse(entry.at)
        data = self._text(f"{TOKENS}/{name}").encode()
        token = tokens.check(data, keys=keys, at=issued_at, window=False)
        require((entry.subject, entry.digest) == (token.token_id, token.canonical_hash), name)
        return NewToken(token, index, issued_at)

    def expected(self) -> list[Expected]:
        """Return what every question of the folder must be answered with."""
        return msgspec.json.decode(self._text(EXPECTED), type=list[Expected])

    def question(self, expected: Expected) -> bytes:
        """Return the body of a question."""
        return self._text(f"{QUESTIONS}/{expected.question}").encode()

    def _text(self, name: str) -> str:
        try:
            return (self._folder / name).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"{self._folder / name} cannot be read; make a new kit"
            ) from error
