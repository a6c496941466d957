"""The typed client of a node: what partners, the command line and the dashboard talk through.

It is the only place that asks a node over HTTP. It trusts exactly one certificate authority file,
speaks TLS 1.3 only, takes no proxy from the environment, and bounds what it reads. Signed artefacts
are returned as the bytes that came, because their signatures and digests are over those bytes.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from rtgf_node import wire
from rtgf_node.client_answers import decode, problem_of
from rtgf_node.core.tiles import WIDTH, TilePath
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire_decisions import DecisionPage, DecisionProof, DecisionRestartRequest

T = TypeVar("T")
Query = Mapping[str, str | int | None]

# A page of the log at the largest `limit` we ask for (200 entries of 60 KB), with room to spare.
MAX_ANSWER_BYTES: Final = 32 << 20
# Pages of the catalogue and of the log; small enough for the bound above.
PAGE_ENTRIES: Final = 200
# A catalogue of a full matrix (14,400 tokens) is 72 pages; more pages than this is a loop.
MAX_PAGES: Final = 100_000
# A warm answer takes milliseconds; a fetch of large lists takes tens of seconds.
TIMEOUT_SECONDS: Final = 30.0
SLOW_TIMEOUT_SECONDS: Final = 600.0
# Pauses before the second and third try of a read: a restarting node is back within a second.
RETRY_PAUSES_SECONDS: Final = (0.2, 0.6)
# A busy node says when to come back; a read waits at most so long, so many times.
MAX_RETRY_AFTER_SECONDS: Final = 10.0
MAX_BUSY_TRIES: Final = 10
_BUSY: Final = frozenset({429, 503})


class Node:
    """One node, asked synchronously. Use it as a context manager, or call `close`.

    Raises of every method: RtgfError with the code of the node's problem answer; RTGF_UNREACHABLE
    when nothing answers; RTGF_INTERNAL for an answer that is not one of ours. Reads are tried three
    times; writes once, because a lost answer does not tell whether the write was done.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path,
        certificate_file: Path | None = None,
        key_file: Path | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url: Final = url.rstrip("/")
        self._wait = wait
        self._timeout_seconds = timeout_seconds
        self._http = httpx2.Client(
            base_url=self.url,
            verify=_tls(ca_file, certificate_file, key_file),
            trust_env=False,
            # Nothing compressed: the bound on what is read is then a bound on memory.
            headers={"accept-encoding": "identity", "user-agent": "rtgf-client"},
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

    def about(self) -> wire.Document:
        """`GET /.well-known/rtgf`: issuer, log origin and key, freshness policy."""
        return self._json("/.well-known/rtgf", wire.Document)

    def jwks(self) -> bytes:
        """`GET /.well-known/jwks.json`: the online keys."""
        return self._get("/.well-known/jwks.json")

    def signed_jwks(self) -> str:
        """`GET /.well-known/jwks.jws`: the same set as a compact JWS of the offline root."""
        return self._get("/.well-known/jwks.jws").decode("ascii", errors="replace").strip()

    def key_manifest(self) -> bytes:
        """`GET /key-manifest.json`: the root-signed list of online keys."""
        return self._get("/key-manifest.json")

    def healthy(self) -> wire.Document:
        """`GET /healthz`."""
        return self._json("/healthz", wire.Document)

    def ready(self) -> wire.ReadyAnswer:
        """`GET /readyz`: also when the node answers 503 because it is not ready."""
        return decode(self._get("/readyz", accept=frozenset({503})), wire.ReadyAnswer)

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
        query: Query = {
            "type": type,
            "jurisdiction": jurisdiction,
            "domain": domain,
            "corridor": corridor,
            "cursor": cursor,
            "limit": limit,
        }
        return self._json("/catalog", wire.Catalog, query)

    def catalog_entries(self, **filters: str | None) -> Iterator[wire.CatalogEntry]:
        """Yield every entry of the catalogue, page by page; filters as for `catalog`."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = self._json(
                "/catalog", wire.Catalog, {**filters, "cursor": cursor, "limit": PAGE_ENTRIES}
            )
            yield from page.tokens
            if page.cursor is None:
                return
            cursor = page.cursor
        raise RtgfError(Code.RTGF_INTERNAL, f"{self.url}/catalog has more than {MAX_PAGES} pages")

    def token(self, uri: str) -> bytes:
        """`GET /tokens?uri=`: the exact bytes that were signed."""
        return self._get("/tokens", {"uri": uri})

    def token_at(self, type_: str, slug: str) -> bytes:
        """`GET /tokens/{type}/{slug}`."""
        return self._get(f"/tokens/{_part(type_)}/{_part(slug)}")

    def rmt(self, jurisdiction: str, domain: str, *, version: str | None = None) -> bytes:
        """`GET /rmt/{jurisdiction}/{domain}`: the newest valid one, or `version`."""
        return self._get(f"/rmt/{_part(jurisdiction)}/{_part(domain)}", {"version": version})

    def imt(self, corridor: str, domain: str, *, version: str | None = None) -> bytes:
        """`GET /imt/{corridor}/{domain}`: the newest valid one, or `version`."""
        return self._get(f"/imt/{_part(corridor)}/{_part(domain)}", {"version": version})

    def snapshot(self, snapshot_id: str) -> bytes:
        """`GET /snapshots/{id}`: the snapshot as its authority signed it."""
        return self._get(f"/snapshots/{_part(snapshot_id)}")

    def dataset(self, name: str, version: str) -> wire.Document:
        """`GET /datasets/{name}/{version}`: provenance, digests and counts; no names."""
        return self._json(f"/datasets/{_part(name)}/{_part(version)}", wire.Document)

    def revocations(self, *, since: int | None = None, type_: str | None = None) -> bytes:
        """`GET /revocations`: the signed list, or the part after `since`."""
        return self._get("/revocations", {"since": since, "type": type_})

    def status_list(self, number: int) -> str:
        """`GET /revocations/status-list/{number}`: a Token Status List as a signed JWT."""
        return self._get(f"/revocations/status-list/{number}").decode("ascii", errors="replace")

    def evidence(self, token: str) -> bytes:
        """`GET /evidence/{token}`: all that is needed to judge a token offline."""
        return self._get(f"/evidence/{_part(token)}")

    def head(self) -> bytes:
        """`GET /roots/latest`: the newest signed tree head."""
        return self._get("/roots/latest")

    def proof(self, event_id: str, *, from_size: int | None = None) -> wire.ProofBundle:
        """`GET /proofs/{event_id}`: an inclusion proof, and a consistency proof from a size."""
        return self._json(f"/proofs/{_part(event_id)}", wire.ProofBundle, {"from": from_size})

    def consistency(self, old_size: int, new_size: int) -> wire.ConsistencyProof:
        """`GET /proofs/consistency?from=&to=`."""
        query: Query = {"from": old_size, "to": new_size}
        return self._json("/proofs/consistency", wire.ConsistencyProof, query)

    def log_page(self, since: int, *, limit: int = PAGE_ENTRIES) -> wire.LogPage:
        """`GET /transparency?since=&limit=`: leaves from `since` on."""
        return self._json("/transparency", wire.LogPage, {"since": since, "limit": limit})

    def checkpoint(self) -> bytes:
        """`GET /checkpoint`: the newest head as a signed note (C2SP tlog-checkpoint)."""
        return self._get("/checkpoint")

    def tile(self, level: int, index: int, *, width: int = WIDTH) -> bytes:
        """`GET /tile/{level}/{index}`: hashes of the tree (C2SP tlog-tiles)."""
        return self._get(f"/{TilePath(level, index, width)}")

    def entry_bundle(self, index: int, *, width: int = WIDTH) -> bytes:
        """`GET /tile/entries/{index}`: the leaves below a tile of level 0."""
        return self._get(f"/{TilePath(None, index, width)}")

    def verify(self, request: wire.VerifyRequest) -> wire.VerifyAnswer:
        """`POST /verify`. It changes nothing, so it is tried again like a read."""
        return self._post("/verify", request, wire.VerifyAnswer, read=True)

    def evaluate(
        self, request: wire.EvaluateRequest, *, explain: bool = False
    ) -> wire.EvaluateAnswer:
        """`POST /evaluate`, with the explanation in words when asked."""
        query: Query = {"explain": "text" if explain else None}
        return self._post("/evaluate", request, wire.EvaluateAnswer, query, read=True)

    # --- privileged routes (client certificate) -------------------------------------------------

    def fetch(self, source: str | None = None) -> wire.FetchAnswer:
        """`POST /admin/fetch[/{source}]`: fetch now; answers when all of it is done."""
        path = "/admin/fetch" if source is None else f"/admin/fetch/{_part(source)}"
        return self._post(path, None, wire.FetchAnswer)

    def compile(self, request: wire.CompileRequest) -> wire.BuildAnswer:
        """`POST /admin/compile`: start a build; ask `build` how it goes."""
        return self._post("/admin/compile", request, wire.BuildAnswer)

    def build(self, build_id: str) -> wire.BuildAnswer:
        """`GET /admin/builds/{id}`."""
        return self._json(f"/admin/builds/{_part(build_id)}", wire.BuildAnswer)

    def revoke(self, request: wire.RevokeRequest) -> wire.RevokeAnswer:
        """`POST /admin/revoke`: all or nothing."""
        return self._post("/admin/revoke", request, wire.RevokeAnswer)

    def resume_signing(self, request: wire.ResumeRequest) -> None:
        """`POST /admin/log/resume`."""
        self._post("/admin/log/resume", request, wire.Document)

    def status(self) -> wire.StatusAnswer:
        """`GET /admin/status`."""
        return self._json("/admin/status", wire.StatusAnswer)

    def keys(self) -> list[wire.KeyAnswer]:
        """`GET /admin/keys`."""
        return self._json("/admin/keys", list[wire.KeyAnswer])

    def decisions(
        self, *, since: int = 0, limit: int = PAGE_ENTRIES, request_id: str | None = None
    ) -> DecisionPage:
        """`GET /admin/decisions`: a page of what was answered, after number `since`."""
        query: Query = {"since": since, "limit": limit, "request_id": request_id}
        return self._json("/admin/decisions", DecisionPage, query)

    def decision_proof(self, seq: int) -> DecisionProof:
        """`GET /admin/decisions/{seq}/proof`."""
        return self._json(f"/admin/decisions/{seq}/proof", DecisionProof)

    def restart_decisions(self, request: DecisionRestartRequest) -> wire.Document:
        """`POST /admin/decisions/restart`."""
        return self._post("/admin/decisions/restart", request, wire.Document)

    def push_snapshot(self, snapshot: bytes) -> wire.IntakeAnswer:
        """`POST /admin/snapshots`: hand in a signed snapshot as its authority wrote it."""
        answer = self._ask("POST", "/admin/snapshots", content=snapshot)
        return decode(answer, wire.IntakeAnswer)

    # --- how a request is made ------------------------------------------------------------------

    def _json(self, path: str, shape: type[T], query: Query | None = None) -> T:
        return decode(self._get(path, query), shape)

    def _get(
        self, path: str, query: Query | None = None, *, accept: frozenset[int] = frozenset()
    ) -> bytes:
        return self._ask("GET", path, query=query, accept=accept, read=True)

    def _post(
        self,
        path: str,
        body: wire.Body | None,
        shape: type[T],
        query: Query | None = None,
        *,
        read: bool = False,
    ) -> T:
        content = b"{}" if body is None else msgspec.json.encode(body)
        return decode(self._ask("POST", path, query=query, content=content, read=read), shape)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        content: bytes | None = None,
        accept: frozenset[int] = frozenset(),
        read: bool = False,
    ) -> bytes:
        request = _Request(method, path, query or {}, content, accept)
        if not read:
            return self._reach(request)
        for _ in range(MAX_BUSY_TRIES):
            try:
                return self._reach(request, pauses=RETRY_PAUSES_SECONDS)
            except _BusyError as busy:
                self._wait(busy.retry_after)
        return self._reach(request)

    def _reach(self, request: _Request, *, pauses: tuple[float, ...] = ()) -> bytes:
        for pause in pauses:
            try:
                return self._once(request)
            except httpx2.TransportError:
                self._wait(pause)
        try:
            return self._once(request)
        except httpx2.TransportError as error:
            raise RtgfError(
                Code.RTGF_UNREACHABLE,
                f"{self.url} does not answer ({type(error).__name__}: {error}); is the node "
                "running (rtgf serve), and do the URL and ca_file belong to it?",
            ) from error

    def _once(self, request: _Request) -> bytes:
        params = {name: value for name, value in request.query.items() if value is not None}
        headers = {} if request.content is None else {"content-type": "application/json"}
        # Fetching reads whole lists from their publishers before it answers.
        slow = request.path.startswith("/admin/") and request.method == "POST"
        seconds = self._timeout_seconds
        body = bytearray()
        with self._http.stream(
            request.method,
            request.path,
            params=params,
            content=request.content,
            headers=headers,
            timeout=max(SLOW_TIMEOUT_SECONDS, seconds) if slow else seconds,
        ) as response:
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise RtgfError(
                        Code.RTGF_INTERNAL,
                        f"{self.url}{request.path} answered more than {MAX_ANSWER_BYTES} bytes",
                    )
            status = response.status_code
            retry_after = response.headers.get("retry-after")
        if 200 <= status < 300 or status in request.accept:
            return bytes(body)
        problem = problem_of(f"{self.url}{request.path}", status, bytes(body))
        if status in _BUSY and retry_after is not None and retry_after.isdecimal():
            seconds = min(float(retry_after), MAX_RETRY_AFTER_SECONDS)
            raise _BusyError(problem, retry_after=seconds)
        raise problem


class _Request(NamedTuple):
    """One request, as often as it is tried."""

    method: str
    path: str
    query: Query
    content: bytes | None
    accept: frozenset[int]


class _BusyError(RtgfError):
    """The node cannot answer now and says after how many seconds it may."""

    def __init__(self, problem: RtgfError, *, retry_after: float) -> None:
        super().__init__(problem.code, problem.detail, pointer=problem.pointer)
        self.retry_after = retry_after


def _part(text: str) -> str:
    """Return `text` as one path segment; ids hold colons, which are allowed there (RFC 3986)."""
    return quote(text, safe=":")


def _tls(ca_file: Path, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return a context that trusts `ca_file` alone and presents the client's certificate."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(file) for file in (ca_file, certificate, key) if file is not None)
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"the TLS files ({files}) cannot be used: {error}"
        ) from error
    return context
