"""A node, asked synchronously: what partners, the command line and the dashboard talk through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx2

from rtgf_node import wire
from rtgf_node.client import exchange, questions
from rtgf_node.client.exchange import HEADERS, MAX_ANSWER_BYTES, TIMEOUT_SECONDS, Question
from rtgf_node.client.operator import Operator
from rtgf_node.client.questions import PAGE_ENTRIES
from rtgf_node.core.tiles import WIDTH
from rtgf_node.errors import Code, RtgfError

T = TypeVar("T")

MAX_PAGES: Final = 100_000
"""A catalogue of a full matrix (14,400 tokens) is 72 pages; more pages than this is a loop."""


class Node(Operator):
    """One node. Use it as a context manager, or call `close`.

    Raises of every method: RtgfError with the code of the node's problem answer; RTGF_UNREACHABLE
    when nothing answers; RTGF_INTERNAL for an answer that is not one of ours. Reads are tried three
    times, and longer while a busy node says when to come back. A write whose answer was lost is not
    tried again; one that a busy node turned away is, under the same `Idempotency-Key`.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path,
        certificate_file: Path | None = None,
        key_file: Path | None = None,
        socket: Path | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        wait: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = exchange.at_random,
    ) -> None:
        self.url: Final = url.rstrip("/")
        self._wait = wait
        self._jitter = jitter
        self._timeout_seconds = timeout_seconds
        self._http = httpx2.Client(
            base_url=self.url,
            verify=(exchange.tls(ca_file, certificate_file, key_file) if socket is None else False),
            transport=None if socket is None else httpx2.HTTPTransport(uds=str(socket)),
            trust_env=False,
            headers=HEADERS,
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, question: Question[T]) -> T:
        """Return the answer to a question of `questions` or `operator_questions`."""
        attempts = exchange.Attempts(self.url, question, self._jitter)
        while True:
            try:
                status, retry_after, body = self._once(question, attempts)
            except httpx2.TransportError as error:
                self._wait(attempts.lost(error))
                continue
            pause = attempts.pause(status, retry_after, body)
            if pause is None:
                return question.read(body)
            self._wait(pause)

    def catalog_entries(self, **filters: str | None) -> Iterator[wire.CatalogEntry]:
        """Yield every entry of the catalogue, page by page; filters as for `catalog`."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = self.ask(questions.catalog(**filters, cursor=cursor, limit=PAGE_ENTRIES))
            yield from page.tokens
            if page.cursor is None:
                return
            cursor = page.cursor
        raise RtgfError(Code.RTGF_INTERNAL, f"{self.url}/catalog has more than {MAX_PAGES} pages")

    def about(self) -> wire.Document:
        """`GET /.well-known/rtgf`: issuer, log origin and key, freshness policy."""
        return self.ask(questions.about())

    def jwks(self) -> bytes:
        """`GET /.well-known/jwks.json`: the online keys."""
        return self.ask(questions.jwks())

    def signed_jwks(self) -> str:
        """`GET /.well-known/jwks.jws`: the same set as a compact JWS of the offline root."""
        return self.ask(questions.signed_jwks())

    def key_manifest(self) -> bytes:
        """`GET /key-manifest.json`: the root-signed list of online keys."""
        return self.ask(questions.key_manifest())

    def healthy(self) -> wire.Document:
        """`GET /healthz`."""
        return self.ask(questions.healthy())

    def ready(self) -> wire.ReadyAnswer:
        """`GET /readyz`: also when the node answers 503 because it is not ready."""
        return self.ask(questions.ready())

    def catalog(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the contract's parameter name
        jurisdiction: str | None = None,
        domain: str | None = None,
        corridor: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> wire.Catalog:
        """`GET /catalog`: one page."""
        return self.ask(
            questions.catalog(
                type=type,
                jurisdiction=jurisdiction,
                domain=domain,
                corridor=corridor,
                cursor=cursor,
                limit=limit,
            )
        )

    def token(self, uri: str) -> bytes:
        """`GET /tokens?uri=`: the exact bytes that were signed."""
        return self.ask(questions.token(uri))

    def token_at(self, type_: str, slug: str) -> bytes:
        """`GET /tokens/{type}/{slug}`."""
        return self.ask(questions.token_at(type_, slug))

    def rmt(self, jurisdiction: str, domain: str, *, version: str | None = None) -> bytes:
        """`GET /rmt/{jurisdiction}/{domain}`: the newest valid one, or `version`."""
        return self.ask(questions.rmt(jurisdiction, domain, version=version))

    def imt(self, corridor: str, domain: str, *, version: str | None = None) -> bytes:
        """`GET /imt/{corridor}/{domain}`: the newest valid one, or `version`."""
        return self.ask(questions.imt(corridor, domain, version=version))

    def snapshot(self, snapshot_id: str) -> bytes:
        """`GET /snapshots/{id}`: the snapshot as its authority signed it."""
        return self.ask(questions.snapshot(snapshot_id))

    def terms(self, terms_id: str) -> bytes:
        """`GET /terms/{id}`: the terms document as its authority signed it."""
        return self.ask(questions.terms(terms_id))

    def dataset(self, name: str, version: str) -> wire.Document:
        """`GET /datasets/{name}/{version}`: provenance, digests and counts; no names."""
        return self.ask(questions.dataset(name, version))

    def revocations(self, *, since: int | None = None, type_: str | None = None) -> bytes:
        """`GET /revocations`: the signed list, or the part after `since`."""
        return self.ask(questions.revocations(since=since, type_=type_))

    def status_list(self, number: int) -> str:
        """`GET /revocations/status-list/{number}`: a Token Status List as a signed JWT."""
        return self.ask(questions.status_list(number))

    def evidence(self, token: str) -> bytes:
        """`GET /evidence/{token}`: all that is needed to judge a token offline."""
        return self.ask(questions.evidence(token))

    def head(self) -> bytes:
        """`GET /roots/latest`: the newest signed tree head."""
        return self.ask(questions.head())

    def proof(self, event_id: str, *, from_size: int | None = None) -> wire.ProofBundle:
        """`GET /proofs/{event_id}`: an inclusion proof, and a consistency proof from a size."""
        return self.ask(questions.proof(event_id, from_size=from_size))

    def consistency(self, old_size: int, new_size: int) -> wire.ConsistencyProof:
        """`GET /proofs/consistency?from=&to=`."""
        return self.ask(questions.consistency(old_size, new_size))

    def log_page(self, since: int, *, limit: int = PAGE_ENTRIES) -> wire.LogPage:
        """`GET /transparency?since=&limit=`: leaves from `since` on."""
        return self.ask(questions.log_page(since, limit=limit))

    def checkpoint(self) -> bytes:
        """`GET /checkpoint`: the newest head as a signed note (C2SP tlog-checkpoint)."""
        return self.ask(questions.checkpoint())

    def tile(self, level: int, index: int, *, width: int = WIDTH) -> bytes:
        """`GET /tile/{level}/{index}`: hashes of the tree (C2SP tlog-tiles)."""
        return self.ask(questions.tile(level, index, width=width))

    def entry_bundle(self, index: int, *, width: int = WIDTH) -> bytes:
        """`GET /tile/entries/{index}`: the leaves below a tile of level 0."""
        return self.ask(questions.entry_bundle(index, width=width))

    def verify(self, request: wire.VerifyRequest, *, key: str | None = None) -> wire.VerifyAnswer:
        """`POST /verify`. It changes nothing, so it is tried again like a read.

        Under a `key` of the caller's, all tries are recorded and counted as one; each such answer
        waits for the node's disk.
        """
        return self.ask(questions.verify(request, key=key))

    def evaluate(
        self, request: wire.EvaluateRequest, *, explain: bool = False
    ) -> wire.EvaluateAnswer:
        """`POST /evaluate`, with the explanation in words when asked."""
        return self.ask(questions.evaluate(request, explain=explain))

    def _once(
        self, question: Question[T], attempts: exchange.Attempts
    ) -> tuple[int, str | None, bytes]:
        body = bytearray()
        with self._http.stream(**question.request(self._timeout_seconds)) as response:
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise attempts.too_long()
            return response.status_code, response.headers.get("retry-after"), bytes(body)
