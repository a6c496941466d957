"""Which lists a snapshot is built with, and whether they are what it asks for."""

from __future__ import annotations

from collections.abc import Mapping

from rtgf_node.core.snapshot import EvidenceSource, Snapshot
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.intake_store import DatasetRow

AUTHENTICITY = ("tls_only", "checksum", "signed")
"""How a list proves where it comes from, the weakest first."""


def resting_on(
    entry: Snapshot, datasets: Mapping[str, DatasetRow], keys: Mapping[str, str]
) -> list[DatasetRow]:
    """Return the datasets in force that the snapshot rests on; `keys` are the lists' pinned keys.

    One that is missing is left out: the build says so when it needs it.

    Raises:
      RtgfError: RTGF_PIPELINE_SNAPSHOT_FAIL if one is not as authentic, or not as large, as the
        snapshot asks.
    """
    found: list[DatasetRow] = []
    for source in entry.evidence_sources:
        row = datasets.get(source.dataset)
        if row is None:
            continue
        try:
            _check_source(source, row, keys)
        except RtgfError as error:
            raise RtgfError(
                Code.RTGF_PIPELINE_SNAPSHOT_FAIL,
                f"{entry.id} cannot be built with {row.name} {row.version}: {error.detail}",
                causes=(error,),
            ) from error
        found.append(row)
    return found


def _check_source(source: EvidenceSource, row: DatasetRow, keys: Mapping[str, str]) -> None:
    """Pass if the list in force is what the snapshot rests on.

    Raises:
      RtgfError: RTGF_SANCTIONS_FETCH_FAILED for another provider's, RTGF_SANCTIONS_UNSIGNED or
        RTGF_SANCTIONS_IMPLAUSIBLE.
    """
    if source.provider != row.provider:
        raise RtgfError(
            Code.RTGF_SANCTIONS_FETCH_FAILED,
            f"the snapshot asks for {row.name!r} of {source.provider!r}, this one is of"
            f" {row.provider!r}",
        )
    signer = None if source.feed is None else source.feed.signer
    if signer is not None and (row.signature_state, keys.get(row.name)) != ("signed", signer):
        raise RtgfError(
            Code.RTGF_SANCTIONS_UNSIGNED,
            f"the snapshot asks for {row.name!r} signed with the key {signer}, which is not the"
            " one that is pinned for it here",
        )
    if AUTHENTICITY.index(row.signature_state) < AUTHENTICITY.index(source.authenticity):
        raise RtgfError(
            Code.RTGF_SANCTIONS_UNSIGNED,
            f"the snapshot asks for a {source.authenticity} list, this one is"
            f" {row.signature_state}",
        )
    if source.feed is not None and row.record_count < source.feed.min_records:
        raise RtgfError(
            Code.RTGF_SANCTIONS_IMPLAUSIBLE,
            f"the snapshot asks for {source.feed.min_records} records at least, this one has"
            f" {row.record_count}",
        )
