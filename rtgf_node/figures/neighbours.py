"""The figures about witnesses, logs that are witnessed, and peers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class NeighbourFigures:
    """Counters in the registry that is handed in. Names of witnesses and peers are configured."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.witness_requests = Counter(
            "rtgf_witness_requests_total",
            "Heads shown to a witness.",
            ("witness", "result"),
            registry=registry,
        )
        self.cosignatures = Counter(
            "rtgf_cosignatures_total",
            "Checkpoints of other logs, by outcome.",
            ("result",),
            registry=registry,
        )
        self.gossip_looks = Counter(
            "rtgf_gossip_looks_total",
            "Looks at a peer's heads.",
            ("peer", "result"),
            registry=registry,
        )

    def witness_asked(self, witness: str, result: str) -> None:
        """Count a head that was shown to a witness: `cosigned` or `failed`."""
        self.witness_requests.labels(witness, result).inc()

    def cosigned(self, result: str) -> None:
        """Count a checkpoint of another log: `ok`, or the code it was refused with."""
        self.cosignatures.labels(result).inc()

    def gossiped(self, peer: str, result: str) -> None:
        """Count a look at a peer's heads: `ok`, `failed` or `forked`."""
        self.gossip_looks.labels(peer, result).inc()
