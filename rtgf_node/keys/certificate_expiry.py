"""When the node's certificates end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from cryptography import x509

from rtgf_node.core import times
from rtgf_node.settings import Config
from rtgf_node.wire.overview import Expiry


def ends(config: Config) -> list[Expiry]:
    """Return the certificates that there are and can be read."""
    named = (
        ("server", config.tls.certificate_file),
        ("client authority", config.tls.client_ca_file),
        ("peer", config.cluster.certificate_file),
    )
    return [
        Expiry(name=file.name, purpose=purpose, expires_at=end)
        for purpose, file in named
        for end in _ends(file)
    ]


def _ends(file: Path) -> Iterable[str]:
    """Return when the first certificate of a file ends; nothing if it cannot be read."""
    try:
        return (_end(file, file.stat().st_mtime_ns),)
    except (OSError, ValueError):
        return ()


@lru_cache(maxsize=16)
def _end(file: Path, _changed: int) -> str:
    end = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    return times.to_text(int(end.timestamp()))
