"""The names of things: jurisdictions, corridors, domains, snapshots, tokens, keys.

Each function takes what people write and returns the one form in which it is stored, signed and
compared. The forms are those of the project's format specification.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, NoReturn

from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.digests import sha256
from rtgf_node.errors import Code, RtgfError

TOKEN_TYPES: Final = frozenset({"RMT", "IMT", "CORT", "PSRT", "RRMT"})
"""The five kinds of token."""

JURISDICTION_TYPES: Final = frozenset({"RMT", "RRMT"})
"""The kinds that hold for one jurisdiction; the others hold for a corridor."""

DID_PREFIX: Final = "did:web:"
"""The one DID method that issuers use."""

_URN_PREFIXES: Final = ("urn:rtgf:token:", "urn:lane2:token:")
_JTI_HEX_DIGITS: Final = 32

_ISO_3166_1_ALPHA_2: Final = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO "
    "BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ "
    "DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP "
    "GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG "
    "KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML "
    "MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE "
    "PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL "
    "SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM "
    "US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
# The exceptionally reserved EU and UK, and EA as the specification has it, stand beside the list.
_JURISDICTIONS: Final = frozenset(_ISO_3166_1_ALPHA_2.split()) - {"GB"} | {"EU", "UK", "EA"}

_CORRIDOR: Final = re.compile(r"([A-Za-z]{2})(?:->|[.-])([A-Za-z]{2})")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SNAPSHOT_VERSION: Final = re.compile(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?")
_TOKEN_VERSION: Final = re.compile(r"([0-9]{4}-[0-9]{2}(?:-[0-9]{2})?)(?:\.([1-9][0-9]{0,8}))?")
_KEY_ID: Final = re.compile(
    r"([A-Za-z0-9.%:_-]{1,200}):ed25519:[0-9]{4}-(?:0[1-9]|1[0-2]):[0-9]{3}"
)
_DID_SUFFIX: Final = re.compile(r"[A-Za-z0-9.%:_-]{1,200}")
_YEAR_MONTH: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")


class TokenId(NamedTuple):
    """The parts of a token id.

    Attributes:
      type: one of `TOKEN_TYPES`.
      place: the jurisdiction or corridor.
      name: the domain, or the name of the route.
      version: the snapshot's version, like `2026-10`.
      issue: the issue number, or None where the newest is meant.
    """

    type: str
    place: str
    name: str
    version: str
    issue: int | None


def jurisdiction(text: str) -> str:
    """Return a jurisdiction in upper case; `GB` is read as `UK`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is neither ISO 3166-1 alpha-2 nor EU, UK or EA.
    """
    code = text.upper() if text.isascii() else ""
    code = "UK" if code == "GB" else code
    if code not in _JURISDICTIONS:
        _refuse(text, "a jurisdiction", "an ISO 3166-1 alpha-2 code, EU, UK or EA")
    return code


def corridor(text: str) -> str:
    """Return a corridor as `<from>-<to>`; `EU->SG` and `EU.SG` are accepted.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is not two different jurisdictions.
    """
    match = _CORRIDOR.fullmatch(text)
    if match is None:
        _refuse(text, "a corridor", "<from>-<to>, like EU-SG")
    start, end = jurisdiction(match[1]), jurisdiction(match[2])
    if start == end:
        _refuse(text, "a corridor", "two different jurisdictions, like EU-SG")
    return f"{start}-{end}"


def domain(text: str) -> str:
    """Return `text` if it can name a domain or a route.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it has other characters or is longer than 64.
    """
    if _DOMAIN.fullmatch(text) is None:
        _refuse(text, "a domain", "1 to 64 letters, digits, - or _")
    return text


def snapshot_version(text: str) -> str:
    """Return `text` if it is a snapshot's version, `YYYY-MM` or `YYYY-MM-DD`.

    It has no dot, so that a token's `<version>.<issue>` can be read in one way only.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it has another form.
    """
    if _SNAPSHOT_VERSION.fullmatch(text) is None:
        _refuse(text, "a snapshot version", "YYYY-MM or YYYY-MM-DD")
    return text


def snapshot_id(jurisdiction: str, domain: str, version: str) -> str:
    """Return the id of a policy snapshot, `snapshot:<jur>:<domain>:<version>` in lower case.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if a part has not its form.
    """
    place, name = _jurisdiction(jurisdiction), _domain(domain)
    return f"snapshot:{place}:{name}:{snapshot_version(version)}".lower()


def token_id(type: str, place: str, name: str, version: str) -> str:  # noqa: A002 - the word
    """Return the id of a token, `<TYPE>:<place>:<name>:<version>.<issue>`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if a part has not its form or the issue number is missing.
    """
    parts = split_token_id(f"{type}:{place}:{name}:{version}")
    if parts.issue is None:
        _refuse(version, "a token version", "<snapshot version>.<issue>, like 2026-10.1")
    return _joined(parts)


def split_token_id(token_id: str) -> TokenId:
    """Return the parts of a token id, each in its own form; the issue number may be missing.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is not a token id.
    """
    parts = token_id.split(":")
    if len(parts) != 4 or parts[0] not in TOKEN_TYPES:
        _refuse(token_id, "a token id", "<TYPE>:<place>:<name>:<version>.<issue>")
    kind, place, name, version = parts
    match = _TOKEN_VERSION.fullmatch(version)
    if match is None:
        _refuse(version, "a token version", "<snapshot version>.<issue>, like 2026-10.1")
    place = jurisdiction(place) if kind in JURISDICTION_TYPES else corridor(place)
    issue = int(match[2]) if match[2] else None
    return TokenId(kind, place, domain(name), match[1], issue)


def token_reference(text: str) -> str:
    """Return the token id in a token URI or bare id; without issue number the newest is meant.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it names no token.
    """
    for prefix in _URN_PREFIXES:
        # The scheme and namespace of a URN are compared without case (RFC 8141 §3.1).
        if text[: len(prefix)].lower() == prefix:
            return _joined(split_token_id(text[len(prefix) :]))
    return _joined(split_token_id(text))


def token_uri(token_id: str) -> str:
    """Return the URI of a token, `urn:rtgf:token:<token id>`."""
    return _URN_PREFIXES[0] + token_id


def slug(token_id: str) -> str:
    """Return a token id as one path segment below its type: lower case, `-` for `:`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is not a token id.
    """
    _, _, rest = _joined(split_token_id(token_id)).partition(":")
    return rest.lower().replace(":", "-")


def jti(build_id: str, token_id: str) -> str:
    """Return the identifier of one issued token: the same build gives the same one."""
    digest = sha256(canonical_bytes([build_id, token_id]))
    return digest.removeprefix("sha256:")[:_JTI_HEX_DIGITS]


def key_id(issuer_did: str, year_month: str, number: int) -> str:
    """Return a key's id, `<issuer>:ed25519:<yyyy-mm>:<NNN>`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the issuer is no `did:web`, or a part has not its form.
    """
    issuer = issuer_did.removeprefix(DID_PREFIX)
    if issuer == issuer_did or _DID_SUFFIX.fullmatch(issuer) is None:
        _refuse(issuer_did, "an issuer", "a did:web")
    if _YEAR_MONTH.fullmatch(year_month) is None:
        _refuse(year_month, "a month", "YYYY-MM")
    if not 0 < number < 1000:
        _refuse(str(number), "a key number", "1 to 999")
    return f"{issuer}:ed25519:{year_month}:{number:03d}"


def issuer_of_kid(kid: str) -> str:
    """Return the DID of the issuer that a key id names.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is not a key id.
    """
    match = _KEY_ID.fullmatch(kid)
    if match is None:
        _refuse(kid, "a key id", "<issuer>:ed25519:<yyyy-mm>:<NNN>")
    return DID_PREFIX + match[1]


# The parameters of `snapshot_id` carry the names of these two functions.
_jurisdiction, _domain = jurisdiction, domain


def _joined(parts: TokenId) -> str:
    text = f"{parts.type}:{parts.place}:{parts.name}:{parts.version}"
    return text if parts.issue is None else f"{text}.{parts.issue}"


def _refuse(text: str, what: str, form: str) -> NoReturn:
    raise RtgfError(Code.RTGF_INPUT_INVALID, f"{text[:80]!r} is not {what}; write {form}")
