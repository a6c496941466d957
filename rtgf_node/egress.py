"""Outgoing fetches: only where the configuration allows, bounded in size, time and number.

HTTPS with certificate checks; plain HTTP and `file:` only where configured; only hosts on the
allow-list, redirects only inside it and never from HTTPS down to HTTP; only public addresses
(`egress_guard`). A body counts only when its end is certain.
"""

from __future__ import annotations

import re
import secrets
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import httpcore2
import msgspec
import trio

from rtgf_node.egress_guard import GuardedNetwork, TransientError
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import FetchConfig

TRIES = 3
"""Attempts in all; a provider that fails three times in a row is down, not slow."""

FIRST_PAUSE_SECONDS = 0.5
"""Before the second attempt; doubled before the third, each with up to as much jitter again."""

REDIRECTS_MAX = 5
"""Publishers need one or two (to a canonical host, to a file store); more is a loop."""

VALIDATOR_MAX_CHARS = 1024
"""Of an ETag or a date that is kept for the next time; real ones have under 100."""

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Asked again: the answer tells of the moment. Any other refusal stays the same when repeated."""

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
GZIP_MAGIC = b"\x1f\x8b"
_VISIBLE = re.compile(r"[!-~]*")
_VALIDATOR = re.compile(r"[ -~]+")


class Fetched(NamedTuple):
    """What came back. `body` is None when the provider said that nothing changed (304)."""

    body: bytes | None
    etag: str | None
    last_modified: str | None


class Answered(NamedTuple):
    """An answer of any status, whole. `media_type` is in lower case, without parameters."""

    status: int
    media_type: str
    body: bytes


class _Answer(NamedTuple):
    """A 200 or 304 as it came, still compressed."""

    body: bytes | None
    headers: dict[bytes, str]


def any_share() -> float:
    """Return any number in [0, 1), another one each time."""
    return secrets.randbelow(1000) / 1000


class Egress:
    """Fetches what the configuration names.

    Args:
      jitter: gives a number in [0, 1) for the pause between attempts.
      network: what connects to addresses; they are checked before it is asked.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if `fetch.ca_file` holds no certificates.
    """

    def __init__(
        self,
        config: FetchConfig,
        *,
        jitter: Callable[[], float] = any_share,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._config = config
        self._jitter = jitter
        cafile = None if config.ca_file is None else str(config.ca_file)
        try:
            self._tls = ssl.create_default_context(cafile=cafile)
        except (OSError, ssl.SSLError) as error:
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID, f"fetch.ca_file {cafile} cannot be used: {error}"
            ) from error
        # The publishers' servers are not ours: several of them do not speak 1.3 yet.
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._network = GuardedNetwork(
            network or httpcore2.TrioBackend(), allow_private=config.allow_private_addresses
        )

    async def get(
        self, uri: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched:
        """Return the body behind `uri`, decompressed; conditional where a validator is given.

        What another attempt may not meet (no answer in time, a broken connection, a body cut short,
        a server that is busy) is tried `TRIES` times; any other failure is final at once.

        Raises:
          RtgfError: RTGF_SANCTIONS_FETCH_FAILED; after several attempts with every attempt's reason
            in `causes`.
        """
        if _split(uri).scheme == "file":
            body = await trio.to_thread.run_sync(self._read_file, uri)
            return Fetched(await self._unpacked(body, uri), None, None)
        conditions = [
            (name, value.encode("ascii"))
            for name, value in ((b"If-None-Match", etag), (b"If-Modified-Since", last_modified))
            if value is not None and _is_validator(value)
        ]
        answer = await self._try(uri, conditions)
        if answer.body is None:
            return Fetched(None, etag, last_modified)
        # Outside the attempt: its time limit is the provider's, and unpacking is our own work.
        return Fetched(
            await self._unpacked(answer.body, uri),
            _validator(answer.headers.get(b"etag")),
            _validator(answer.headers.get(b"last-modified")),
        )

    async def ask(self, uri: str) -> Answered:
        """Return what a GET is answered with, whatever its status; tried once, no redirects.

        Raises:
          RtgfError: RTGF_SANCTIONS_FETCH_FAILED if there is no complete answer in time.
        """
        return await self._once("GET", uri, None, [])

    async def post(
        self,
        uri: str,
        body: bytes,
        *,
        method: Literal["POST", "PUT"] = "POST",
        content_type: str = "text/plain; charset=utf-8",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Return what is answered to a body, whatever the status; tried once, no redirects.

        Raises:
          RtgfError: RTGF_SANCTIONS_FETCH_FAILED if there is no complete answer in time.
        """
        told = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
        lines = [(name.encode("ascii"), value.encode("ascii")) for name, value in told.items()]
        return await self._once(method, uri, body, lines)

    async def deliver(
        self,
        uri: str,
        document: bytes,
        *,
        headers: Mapping[str, str],
        method: Literal["POST", "PUT"] = "POST",
    ) -> None:
        """Return when a JSON document was taken; tried once.

        Raises:
          RtgfError: RTGF_SANCTIONS_FETCH_FAILED as `post`; RTGF_UNREACHABLE if it was not taken.
        """
        answer = await self.post(
            uri, document, method=method, content_type="application/json", headers=headers
        )
        if not 200 <= answer.status < 300:
            raise RtgfError(Code.RTGF_UNREACHABLE, f"it answered {answer.status}")

    async def _once(
        self, method: str, uri: str, body: bytes | None, headers: list[tuple[bytes, bytes]]
    ) -> Answered:
        target = self._checked_target(uri)
        sent = [(b"User-Agent", b"rtgf-node"), (b"Accept-Encoding", b"identity"), *headers]
        try:
            with trio.fail_after(self._config.timeout_seconds):
                async with (
                    httpcore2.AsyncConnectionPool(
                        ssl_context=self._tls, network_backend=self._network, max_connections=1
                    ) as pool,
                    pool.stream(method, target, headers=sent, content=body) as response,
                ):
                    told = {name.lower(): text.decode("latin-1") for name, text in response.headers}
                    media_type = told.get(b"content-type", "").partition(";")[0].strip().lower()
                    answer = await self._read_bounded(response, told, uri)
                    return Answered(response.status, media_type, answer)
        except trio.TooSlowError:
            reason = f"no complete answer within {self._config.timeout_seconds:g} seconds"
        except (TransientError, httpcore2.NetworkError, httpcore2.TimeoutException,
                httpcore2.ProtocolError) as error:  # fmt: skip
            reason = _reason(error, uri)
        raise _failed(f"{_shown(uri)}: {reason}")

    async def _try(self, uri: str, conditions: list[tuple[bytes, bytes]]) -> _Answer:
        causes: list[RtgfError] = []
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                with trio.fail_after(self._config.timeout_seconds):
                    return await self._follow(uri, conditions)
            except trio.TooSlowError:
                reason = f"no complete answer within {self._config.timeout_seconds:g} seconds"
            except (TransientError, httpcore2.NetworkError, httpcore2.TimeoutException,
                    httpcore2.ProtocolError) as error:  # fmt: skip
                reason = _reason(error, uri)
            causes.append(_failed(f"attempt {attempt}: {reason}"))
            if attempt < TRIES:
                await trio.sleep(pause * (1 + self._jitter()))
                pause *= 2
        raise RtgfError(
            Code.RTGF_SANCTIONS_FETCH_FAILED,
            f"{_shown(uri)} failed {TRIES} times, last: {causes[-1].detail}; "
            "the copy in force stays until its maximum age",
            causes=tuple(causes),
        )

    async def _follow(self, uri: str, conditions: list[tuple[bytes, bytes]]) -> _Answer:
        headers = [(b"User-Agent", b"rtgf-node"), (b"Accept-Encoding", b"identity"), *conditions]
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._tls, network_backend=self._network, max_connections=1
        ) as pool:
            for _ in range(REDIRECTS_MAX + 1):
                target = self._checked_target(uri)
                async with pool.stream("GET", target, headers=headers) as response:
                    told = {name.lower(): text.decode("latin-1") for name, text in response.headers}
                    if response.status in REDIRECT_STATUSES and b"location" in told:
                        uri = _redirected(uri, told[b"location"])
                        continue
                    if response.status == 304 and conditions:
                        return _Answer(None, told)
                    if response.status in TRANSIENT_STATUSES:
                        raise TransientError(f"{_shown(uri)} answered {response.status}")
                    if response.status != 200:
                        raise _failed(f"{_shown(uri)} answered {response.status}")
                    return _Answer(await self._read_bounded(response, told, uri), told)
        raise _failed(f"{_shown(uri)}: more than {REDIRECTS_MAX} redirects")

    def _checked_target(self, uri: str) -> httpcore2.URL:
        """Return where to connect, made from the very parts that were checked."""
        parts = _split(uri)
        if parts.scheme != "https" and not (
            parts.scheme == "http" and self._config.allow_plain_http
        ):
            raise _failed(f"{_shown(uri)}: only https is fetched (fetch.allow_plain_http is off)")
        if parts.username is not None or parts.password is not None:
            raise _failed(f"{_shown(uri)}: a URI holds no user name or password")
        if parts.hostname is None or parts.hostname not in self._config.allowed_hosts:
            raise _failed(f"{_shown(uri)}: the host is not in fetch.allowed_hosts")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not _VISIBLE.fullmatch(parts.hostname + target):
            raise _failed(f"{_shown(uri)}: a URI has ASCII characters only; percent-encode others")
        return httpcore2.URL(
            scheme=parts.scheme, host=parts.hostname, port=parts.port, target=target
        )

    async def _read_bounded(
        self, response: httpcore2.Response, told: dict[bytes, str], uri: str
    ) -> bytes:
        limit = self._config.max_bytes
        encoding = told.get(b"content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip", ""}:
            raise _failed(f"{_shown(uri)} is encoded as {encoding!r}, which was not asked for")
        length = told.get(b"content-length")
        if length is None and b"transfer-encoding" not in told:
            # It would end with the connection, and whoever can cut that could shorten a list.
            raise _failed(f"{_shown(uri)} does not say where its body ends")
        # The client refuses a length that is not a number.
        if length is not None and int(length) > limit:
            raise _failed(f"{_shown(uri)} is larger than {limit} bytes")
        body = bytearray()
        # Closed here and now: a generator left half-way is the garbage collector's, too late.
        async with aclosing(response.aiter_stream()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    raise _failed(f"{_shown(uri)} is larger than {limit} bytes")
        return bytes(body)

    def _read_file(self, uri: str) -> bytes:
        parts = _split(uri)
        if not self._config.allow_file or parts.netloc not in {"", "localhost"}:
            raise _failed(f"{_shown(uri)}: files are read only with fetch.allow_file and no host")
        path = Path(unquote(parts.path))
        # A pipe or a device could keep this thread for ever.
        if not path.is_file():
            raise _failed(f"{_shown(uri)}: there is no such file")
        try:
            with path.open("rb") as file:
                body = file.read(self._config.max_bytes + 1)
        except OSError as error:
            raise _failed(f"{_shown(uri)}: {error.strerror}") from error
        if len(body) > self._config.max_bytes:
            raise _failed(f"{_shown(uri)} is larger than {self._config.max_bytes} bytes")
        return body

    async def _unpacked(self, body: bytes, uri: str) -> bytes:
        if not body.startswith(GZIP_MAGIC):
            return body
        return await trio.to_thread.run_sync(self._gunzip, body, uri)

    def _gunzip(self, body: bytes, uri: str) -> bytes:
        limit = self._config.max_decompressed_bytes
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            plain = inflater.decompress(body, limit + 1)
        except zlib.error as error:
            raise _failed(f"{_shown(uri)} is not valid gzip: {error}") from error
        if len(plain) > limit:
            raise _failed(f"{_shown(uri)} is larger than {limit} bytes when decompressed")
        if not inflater.eof or inflater.unused_data:
            raise _failed(f"{_shown(uri)} is a gzip file that is cut, or goes on after its end")
        return plain


def to_one(fetch: FetchConfig, ca_file: Path | None, *, seconds: float, max_bytes: int) -> Egress:
    """Return the guarded way to one other party, which may cost less than a list does.

    Args:
      fetch: the settings for all.
      ca_file: who vouches for this one, instead of whoever does for all.
      seconds: for an answer, at most.
      max_bytes: of an answer.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if `ca_file` holds no certificates.
    """
    return Egress(
        msgspec.structs.replace(
            fetch,
            ca_file=ca_file or fetch.ca_file,
            allow_plain_http=False,
            timeout_seconds=min(seconds, fetch.timeout_seconds),
            max_bytes=max_bytes,
        )
    )


def _failed(detail: str) -> RtgfError:
    return RtgfError(Code.RTGF_SANCTIONS_FETCH_FAILED, detail)


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # checked only when it is read
    except ValueError as error:
        raise _failed(f"a URI that cannot be read: {error}") from error
    return parts


def _shown(uri: str) -> str:
    """Return `uri` for a message: without its query and user, which may hold a secret."""
    parts = _split(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _redirected(uri: str, location: str) -> str:
    try:
        target = urljoin(uri, location)
    except ValueError as error:
        raise _failed(f"{_shown(uri)} redirects to what cannot be read: {error}") from error
    if _split(uri).scheme == "https" and _split(target).scheme != "https":
        raise _failed(f"{_shown(uri)} redirects away from https")
    return target


def _is_validator(value: str) -> bool:
    return len(value) <= VALIDATOR_MAX_CHARS and _VALIDATOR.fullmatch(value) is not None


def _validator(value: str | None) -> str | None:
    """Return the validator if it can be sent back as it is; one that cannot is not kept."""
    return value if value is not None and _is_validator(value) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        # The client hides the cause of what it raises, and with it what TLS said.
        link = link.__cause__ or link.__context__


def _reason(error: Exception, uri: str) -> str:
    """Return in words why an attempt failed.

    Raises:
      RtgfError: the server's certificate is wrong, which no further attempt is worth.
    """
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            raise _failed(
                f"{_shown(uri)}: the server's certificate is not valid: {link.verify_message}"
            ) from error
    told = next((str(link) for link in _chain(error) if str(link)), "")
    return told or f"{type(error).__name__}, the connection broke"
