"""What a question to a node is, and how often it is tried: for clients that wait and that await.

Nothing here sends anything. A client sends the question, tells `Attempts` what became of it, and
waits as long as that says.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar

import httpx2

from rtgf_node.client.answers import problem_of
from rtgf_node.errors import Code, RtgfError

T_co = TypeVar("T_co", covariant=True)
Query = Mapping[str, str | int | None]

MAX_ANSWER_BYTES: Final = 32 << 20
"""A page of the log as we ask for it (200 entries of 60 KB), and room to spare."""

TIMEOUT_SECONDS: Final = 30.0
"""A warm answer takes milliseconds."""

SLOW_TIMEOUT_SECONDS: Final = 600.0
"""A fetch of large lists takes tens of seconds."""

RETRY_PAUSES_SECONDS: Final = (0.2, 0.6)
"""Longest pauses before the second and third try: a restarting node is back within a second."""

MAX_RETRY_AFTER_SECONDS: Final = 10.0
"""A busy node says when to come back; we wait at most so long, `MAX_BUSY_TRIES` times."""

MAX_BUSY_TRIES: Final = 10

HEADERS: Final = {"accept-encoding": "identity", "user-agent": "rtgf-client"}
"""Nothing compressed: the bound on what is read is then a bound on memory."""

_BUSY: Final = frozenset({429, 502, 503})


class Question(NamedTuple, Generic[T_co]):
    """One request, as often as it is tried.

    Attributes:
      method: `GET` or `POST`.
      path: on the node.
      read: makes the value of the answer's body.
      query: parameters; those that are None are left out.
      content: the body.
      accept: statuses that are answers too.
      is_read: whether asking twice does nothing twice.
      key: the `Idempotency-Key`, under which the node does it once.
    """

    method: str
    path: str
    read: Callable[[bytes], T_co]
    query: Query = MappingProxyType({})
    content: bytes | None = None
    accept: frozenset[int] = frozenset()
    is_read: bool = True
    key: str | None = None

    def request(self, timeout_seconds: float) -> dict[str, Any]:
        """Return it as the arguments of `httpx2.Client.stream`."""
        headers = {} if self.content is None else {"content-type": "application/json"}
        if self.key is not None:
            headers["idempotency-key"] = self.key
        # Fetching reads whole lists from their publishers before it answers.
        slow = self.path.startswith("/admin/") and self.method == "POST"
        return {
            "method": self.method,
            "url": self.path,
            "params": {name: value for name, value in self.query.items() if value is not None},
            "content": self.content,
            "headers": headers,
            "timeout": max(SLOW_TIMEOUT_SECONDS, timeout_seconds) if slow else timeout_seconds,
        }


class Attempts:
    """The tries of one question.

    Args:
      url: of the node, for what is said of a failure.
      question: what is asked.
      jitter: from 0 to 1, at random: clients that failed together shall not come back together.
    """

    def __init__(self, url: str, question: Question[Any], jitter: Callable[[], float]) -> None:
        self._url = url
        self._question = question
        self._jitter = jitter
        self._pauses = list(RETRY_PAUSES_SECONDS) if question.is_read else []
        self._busy = MAX_BUSY_TRIES if question.is_read or question.key is not None else 0

    def lost(self, error: httpx2.TransportError) -> float:
        """Return how long to wait before the next try, when no answer came.

        A write is not tried again: a lost answer does not tell whether it was done, and a node that
        was restarted meanwhile no longer knows the key.

        Raises:
          RtgfError: RTGF_UNREACHABLE when there is none.
        """
        if self._pauses:
            return self._part(self._pauses.pop(0))
        raise RtgfError(
            Code.RTGF_UNREACHABLE,
            f"{self._url} does not answer ({type(error).__name__}: {error}); {_hint(str(error))}",
        ) from error

    def pause(self, status: int, retry_after: str | None, body: bytes) -> float | None:
        """Return how long to wait before the next try; None when this is the answer.

        Raises:
          RtgfError: what the node says is wrong, when there is no next try.
        """
        if 200 <= status < 300 or status in self._question.accept:
            return None
        problem = problem_of(f"{self._url}{self._question.path}", status, body)
        if status not in _BUSY:
            raise problem
        if retry_after is not None and retry_after.isdecimal():
            if self._busy:
                self._busy -= 1
                return min(float(retry_after), MAX_RETRY_AFTER_SECONDS)
        elif self._pauses:
            return self._part(self._pauses.pop(0))
        raise problem

    def too_long(self) -> RtgfError:
        """Return the failure of an answer without end."""
        return RtgfError(
            Code.RTGF_INTERNAL,
            f"{self._url}{self._question.path} answered more than {MAX_ANSWER_BYTES} bytes",
        )

    def _part(self, longest: float) -> float:
        return longest * (1 + self._jitter()) / 2


def _hint(error: str) -> str:
    """Return what to look at, by what the transport says."""
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return "its certificate is not of the CA in ca_file, or not for this name"
    if "_ALERT_" in error:
        return "it refuses this client's certificate: its tls.client_ca_file has to vouch for it"
    return "is the node running (rtgf serve), and does the URL belong to it?"


def at_random() -> float:
    """Return a number from 0 to 1."""
    return secrets.randbelow(1001) / 1000


def tls(ca_file: Path, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return a context that trusts `ca_file` alone and presents the client's certificate.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if the files cannot be used.
    """
    named = [file for file in (ca_file, certificate, key) if file is not None]
    for file in named:
        try:
            file.open("rb").close()
        except OSError as error:
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID, f"{file} cannot be read: {error.strerror}"
            ) from error
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            f"the TLS files ({', '.join(map(str, named))}) cannot be used: {error}",
        ) from error
    return context
