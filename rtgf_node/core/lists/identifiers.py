"""Identifiers of listed parties as `type:number`, one small set of types for all publishers."""

from __future__ import annotations

import re

# The first row that is found in the publisher's words decides, so the special come first.
_TYPES: tuple[tuple[str, str], ...] = (
    (r"passport|pasaporte|passeport|travel doc", "passport"),
    (r"\bimo\b|imo ?number", "imo"),
    (r"\bmmsi\b", "mmsi"),
    (r"swift|\bbic\b", "bic"),
    (r"legal entity (?:number|identifier)|\blei\b", "lei"),
    (r"tax|fiscal|\binn\b|\bnit\b|\bruc\b|\brif\b|r\.?f\.?c\.?|v\.?a\.?t\.?|\btin\b", "tax"),
    (r"national|cedula|identity|identification card|tazkira|ssn|social|curp|c\.u\.r\.p|d\.n\.i"
     r"|\bid\b|\bni\b|birth cert", "national-id"),
    (r"regist|company|commercial|trade|licen[cs]e|ogrn|unified|folio|matricula", "registration"),
    (r"tail|serial|construction number|transponder", "aircraft"),
)  # fmt: skip
_RULES = tuple((re.compile(words, re.IGNORECASE), kind) for words, kind in _TYPES)
_MAX_LENGTH = 200  # characters; what is longer is prose, not a number


def make(words: str | None, number: str | None) -> str | None:
    """Return `type:number`, or None if there is no number in `number`."""
    text = " ".join((number or "").split()).strip(" .,;")
    if not text or len(text) > _MAX_LENGTH or not any(char.isdigit() for char in text):
        return None
    for rule, kind in _RULES:
        if rule.search(words or ""):
            return f"{kind}:{text}"
    return f"other:{text}"
