"""The forms of single settings: what is a name, a number of seconds, a URL."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

TokenType = Literal["rmt", "imt", "cort", "psrt", "rrmt"]
TokenAlgorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
WholeSeconds: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Did: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^did:web:[A-Za-z0-9.%:_-]{1,200}$")]
Jurisdiction: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
HttpsUrl: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s/?#]+(/[^\s?#]*)?$")]
KeyName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[^\s+]{1,255}$")]
VerifierKey: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[^\s+]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44,48}$")
]
Collector: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^(|/[^\x00]{1,100}|(tls://)?[^\s/]{1,255}:[0-9]{1,5})$")
]
ProofType: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$")]
Share: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^(0(\.[0-9]{1,4})?|1(\.0{1,4})?)$")]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file. A setting that it does not have is refused."""
