"""A node, asked without blocking, on trio or asyncio: what partners' services talk through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import anyio
import httpx2

from rtgf_node import wire
from rtgf_node.client import exchange, questions
from rtgf_node.client.exchange import HEADERS, MAX_ANSWER_BYTES, TIMEOUT_SECONDS, Question

T = TypeVar("T")


class AsyncNode:
    """One node. Use it as an asynchronous context manager, or await `aclose`.

    Its methods are those of `Node` that partners need; `ask` takes every question there is. They
    raise what those of `Node` raise, and try again as those do.
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
        wait: Callable[[float], Awaitable[None]] = anyio.sleep,
        jitter: Callable[[], float] = exchange.at_random,
    ) -> None:
        self.url: Final = url.rstrip("/")
        self._wait = wait
        self._jitter = jitter
        self._timeout_seconds = timeout_seconds
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            verify=(exchange.tls(ca_file, certificate_file, key_file) if socket is None else False),
            transport=None if socket is None else httpx2.AsyncHTTPTransport(uds=str(socket)),
            trust_env=False,
            headers=HEADERS,
        )

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, question: Question[T]) -> T:
        """Return the answer to a question of `questions` or `operator_questions`."""
        attempts = exchange.Attempts(self.url, question, self._jitter)
        while True:
            try:
                status, retry_after, body = await self._once(question, attempts)
            except httpx2.TransportError as error:
                await self._wait(attempts.lost(error))
                continue
            pause = attempts.pause(status, retry_after, body)
            if pause is None:
                return question.read(body)
            await self._wait(pause)

    async def about(self) -> wire.Document:
        """`GET /.well-known/rtgf`: issuer, log origin and key, freshness policy."""
        return await self.ask(questions.about())

    async def jwks(self) -> bytes:
        """`GET /.well-known/jwks.json`: the online keys."""
        return await self.ask(questions.jwks())

    async def signed_jwks(self) -> str:
        """`GET /.well-known/jwks.jws`: the same set as a compact JWS of the offline root."""
        return await self.ask(questions.signed_jwks())

    async def healthy(self) -> wire.Document:
        """`GET /healthz`."""
        return await self.ask(questions.healthy())

    async def ready(self) -> wire.ReadyAnswer:
        """`GET /readyz`: also when the node answers 503 because it is not ready."""
        return await self.ask(questions.ready())

    async def catalog(
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
        return await self.ask(
            questions.catalog(
                type=type,
                jurisdiction=jurisdiction,
                domain=domain,
                corridor=corridor,
                cursor=cursor,
                limit=limit,
            )
        )

    async def token(self, uri: str) -> bytes:
        """`GET /tokens?uri=`: the exact bytes that were signed."""
        return await self.ask(questions.token(uri))

    async def rmt(self, jurisdiction: str, domain: str, *, version: str | None = None) -> bytes:
        """`GET /rmt/{jurisdiction}/{domain}`: the newest valid one, or `version`."""
        return await self.ask(questions.rmt(jurisdiction, domain, version=version))

    async def imt(self, corridor: str, domain: str, *, version: str | None = None) -> bytes:
        """`GET /imt/{corridor}/{domain}`: the newest valid one, or `version`."""
        return await self.ask(questions.imt(corridor, domain, version=version))

    async def snapshot(self, snapshot_id: str) -> bytes:
        """`GET /snapshots/{id}`: the snapshot as its authority signed it."""
        return await self.ask(questions.snapshot(snapshot_id))

    async def dataset(self, name: str, version: str) -> wire.Document:
        """`GET /datasets/{name}/{version}`: provenance, digests and counts; no names."""
        return await self.ask(questions.dataset(name, version))

    async def revocations(self, *, since: int | None = None, type_: str | None = None) -> bytes:
        """`GET /revocations`: the signed list, or the part after `since`."""
        return await self.ask(questions.revocations(since=since, type_=type_))

    async def status_list(self, number: int) -> str:
        """`GET /revocations/status-list/{number}`: a Token Status List as a signed JWT."""
        return await self.ask(questions.status_list(number))

    async def evidence(self, token: str) -> bytes:
        """`GET /evidence/{token}`: all that is needed to judge a token offline."""
        return await self.ask(questions.evidence(token))

    async def head(self) -> bytes:
        """`GET /roots/latest`: the newest signed tree head."""
        return await self.ask(questions.head())

    async def proof(self, event_id: str, *, from_size: int | None = None) -> wire.ProofBundle:
        """`GET /proofs/{event_id}`: an inclusion proof, and a consistency proof from a size."""
        return await self.ask(questions.proof(event_id, from_size=from_size))

    async def consistency(self, old_size: int, new_size: int) -> wire.ConsistencyProof:
        """`GET /proofs/consistency?from=&to=`."""
        return await self.ask(questions.consistency(old_size, new_size))

    async def checkpoint(self) -> bytes:
        """`GET /checkpoint`: the newest head as a signed note (C2SP tlog-checkpoint)."""
        return await self.ask(questions.checkpoint())

    async def verify(
        self, request: wire.VerifyRequest, *, key: str | None = None
    ) -> wire.VerifyAnswer:
        """`POST /verify`. It changes nothing, so it is tried again like a read.

        Under a `key` of the caller's, all tries are recorded and counted as one; each such answer
        waits for the node's disk.
        """
        return await self.ask(questions.verify(request, key=key))

    async def evaluate(
        self, request: wire.EvaluateRequest, *, explain: bool = False
    ) -> wire.EvaluateAnswer:
        """`POST /evaluate`, with the explanation in words when asked."""
        return await self.ask(questions.evaluate(request, explain=explain))

    async def _once(
        self, question: Question[T], attempts: exchange.Attempts
    ) -> tuple[int, str | None, bytes]:
        body = bytearray()
        async with self._http.stream(**question.request(self._timeout_seconds)) as response:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise attempts.too_long()
            return response.status_code, response.headers.get("retry-after"), bytes(body)
