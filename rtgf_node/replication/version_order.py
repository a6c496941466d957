"""Which of two versions of a published document is the newer one."""

from __future__ import annotations

from rtgf_node.core.snapshot import compare_versions
from rtgf_node.errors import Code, RtgfError


def is_newer(version: str, held: str) -> bool:
    """Say whether a version is after the one that is held.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID for a version that is none.
    """
    try:
        return compare_versions(version, held) > 0
    except ValueError:
        raise RtgfError(
            Code.RTGF_POL_MATRIX_SCHEMA_INVALID, "a version is numbers between dots and dashes"
        ) from None
