"""The typed clients of a node: the only place that asks a node over HTTP.

`Node` waits, `AsyncNode` awaits; both trust exactly one certificate authority file, speak TLS 1.3
only, take no proxy from the environment, and bound what they read. Signed artefacts are returned as
the bytes that came, because their signatures and digests are over those bytes. `Verifier` and
`AsyncVerifier` keep what a node knows and verify with no network.
"""

from rtgf_node.client.async_node import AsyncNode
from rtgf_node.client.exchange import (
    MAX_ANSWER_BYTES,
    MAX_BUSY_TRIES,
    MAX_RETRY_AFTER_SECONDS,
    RETRY_PAUSES_SECONDS,
    Question,
)
from rtgf_node.client.node import Node
from rtgf_node.client.verifier import AsyncVerifier, Verifier

__all__ = [
    "MAX_ANSWER_BYTES",
    "MAX_BUSY_TRIES",
    "MAX_RETRY_AFTER_SECONDS",
    "RETRY_PAUSES_SECONDS",
    "AsyncNode",
    "AsyncVerifier",
    "Node",
    "Question",
    "Verifier",
]
