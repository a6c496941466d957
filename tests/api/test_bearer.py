"""Bearer tokens of an issuer: whom they name, and every way in which one is no good."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trio
import trio.testing
from joserfc import jws, jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from rtgf_node.api.access import Access
from rtgf_node.api.bearer import BearerError, BearerTokens
from rtgf_node.api.door import Door
from rtgf_node.api.issuer_keys import IssuerKeys, signing_keys
from rtgf_node.api.limits import RateLimitedError, RateLimits
from rtgf_node.egress import Fetched
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import LimitsConfig, OauthConfig, RoleConfig
from rtgf_node.telemetry import Metrics

ISSUER, AUDIENCE, NOW = "https://login.example", "https://node.example", 1_800_000_000
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}, private=True)
KEYS = {
    "RS256": RSA,
    "PS256": RSA,
    "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
    "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}
CONFIG = OauthConfig(
    issuer=ISSUER,
    jwks_uri="https://login.example/jwks",
    roles={"rtgf.verify": ("partner",), "watch": ("monitor",)},
)
CLAIMS = {"iss": ISSUER, "sub": "bank-a", "aud": AUDIENCE, "exp": NOW + 300, "scope": "rtgf.verify"}


class StoppedClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> int:
        return self.time


class Served:
    """Stands for the egress: gives the keys, or fails, and counts."""

    def __init__(self, *keys: Any) -> None:
        self.keys: tuple[Any, ...] = keys
        self.asked = 0

    async def get(self, uri: str) -> Fetched:
        self.asked += 1
        if not self.keys:
            raise RtgfError(Code.RTGF_SANCTIONS_FETCH_FAILED, "down")
        return Fetched(jwks(*self.keys), None, None)


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def signed(alg: str = "ES256", *, key: Any = None, header: Any = None, **changes: Any) -> str:
    key = key or KEYS[alg]
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    head = {"alg": alg, "kid": key.kid, **(header or {})}
    return jwt.encode(head, claims, key, algorithms=[alg])


@pytest.fixture
async def made(nursery: trio.Nursery):
    """The check with its keys at hand, the clock, and what serves the keys."""
    served = Served(RSA, KEYS["ES256"], KEYS["Ed25519"])
    clock = StoppedClock()
    tokens = BearerTokens(
        CONFIG, audience=AUDIENCE, keys=IssuerKeys(CONFIG, served, Metrics()), clock=clock
    )
    await nursery.start(tokens.keys.run)
    await trio.testing.wait_all_tasks_blocked()
    return tokens, clock, served


def refused(
    tokens: BearerTokens, token: str, code: Code = Code.RTGF_UNAUTHENTICATED
) -> BearerError:
    with pytest.raises(BearerError) as caught:
        tokens.identify(f"Bearer {token}")
    assert caught.value.code is code
    assert caught.value.challenge.startswith('Bearer realm="rtgf", error="')
    assert len(token) < 20 or token not in caught.value.challenge
    return caught.value


@pytest.mark.parametrize("alg", sorted(KEYS))
async def test_a_token_names_its_subject_and_roles(made, alg):
    tokens, _, _ = made
    for _ in range(2):
        bearer = tokens.identify(f"Bearer {signed(alg)}")
        assert bearer == (f"oauth:{ISSUER}#bank-a", {"partner"})


async def test_the_scheme_is_read_in_any_case_and_others_are_left_alone(made):
    tokens, _, _ = made
    assert tokens.identify(f"bearer {signed()}") is not None
    assert tokens.identify("Basic dTpw") is None
    assert tokens.identify("urn:rtgf:operator:first") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.example/"},
        {"iss": None},
        {"aud": "https://other.example"},
        {"aud": ["https://other.example"]},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\nb"},
        {"exp": None},
        {"exp": "2030-01-01"},
        {"exp": NOW - 60},
        {"nbf": NOW + 61},
        {"iat": NOW + 61},
    ],
    ids=str,
)
async def test_claims_that_do_not_fit(made, changes):
    tokens, _, _ = made
    error = refused(tokens, signed(**changes))
    assert 'error="invalid_token"' in error.challenge


@pytest.mark.parametrize(
    "changes", [{"exp": NOW - 59}, {"nbf": NOW + 60}, {"aud": ["x", AUDIENCE]}, {"exp": NOW + 0.5}]
)
async def test_the_skew_and_several_audiences_are_allowed(made, changes):
    tokens, _, _ = made
    assert tokens.identify(f"Bearer {signed(**changes)}") is not None


async def test_a_token_that_was_taken_expires(made):
    tokens, clock, _ = made
    token = signed()
    assert tokens.identify(f"Bearer {token}") is not None
    clock.time = NOW + 300 + 60
    refused(tokens, token)


async def test_a_token_without_a_known_word_gives_no_role(made):
    tokens, _, _ = made
    for scope in (None, "", "openid", ["rtgf.verif"], {"rtgf.verify": 1}, 7):
        error = refused(tokens, signed(scope=scope), Code.RTGF_FORBIDDEN)
        assert 'error="insufficient_scope"' in error.challenge
    assert tokens.identify(f"Bearer {signed(scope=['watch'])}").roles == {"monitor"}


def segment(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


async def test_none_and_hmac_with_a_public_key_are_refused(made):
    tokens, _, _ = made
    for alg in ("none", "None", "nOnE", ""):
        for signature in ("", "AA"):
            refused(tokens, f"{segment({'alg': alg, 'kid': 'rsa'})}.{segment(CLAIMS)}.{signature}")
    for encoding in ("PEM", "DER"):
        secret = OctKey.import_key(base64.urlsafe_b64encode(RSA.as_bytes(encoding, private=False)))
        for alg in ("HS256", "HS384", "HS512"):
            head = {"alg": alg, "kid": "rsa"}
            refused(tokens, jwt.encode(head, CLAIMS, secret, algorithms=[alg]))


async def test_an_algorithm_that_is_not_in_the_settings_is_refused(made):
    tokens, _, _ = made
    refused(tokens, jwt.encode({"alg": "RS512", "kid": "rsa"}, CLAIMS, RSA, algorithms=["RS512"]))


async def test_a_key_is_used_for_its_own_kind_of_algorithm_only(made):
    tokens, _, _ = made
    for alg in KEYS:
        for kid in ("rsa", "ec", "ed"):
            if KEYS[alg].kid != kid:
                head, body = segment({"alg": alg, "kid": kid}), segment(CLAIMS)
                refused(tokens, f"{head}.{body}.{segment(b'x' * 64)}")


async def test_another_key_under_a_known_name_is_refused(made):
    tokens, _, _ = made
    refused(tokens, signed(key=ECKey.generate_key("P-256", {"kid": "ec"})))


async def test_a_key_in_the_header_is_not_believed(made):
    tokens, _, _ = made
    own = ECKey.generate_key("P-256", {"kid": "ec"})
    refused(tokens, signed(key=own, header={"jwk": own.as_dict(private=False)}))


async def test_a_changed_token_is_refused(made):
    tokens, _, _ = made
    head, body, signature = signed().split(".")
    other = segment({**CLAIMS, "sub": "bank-b"})
    refused(tokens, f"{head}.{other}.{signature}")
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    refused(tokens, f"{head}.{body}.{flipped}")


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "..", "a.b.c.d.e", "\u00e9.b.c", "A" * 20_000, "W10.W10.AA"],
    ids=lambda token: token[:8] or "empty",
)
async def test_what_is_no_token_is_refused(made, token):
    tokens, _, _ = made
    refused(tokens, token)


async def test_a_critical_header_and_another_type_are_refused(made):
    tokens, _, _ = made
    body = segment(CLAIMS)
    for extra in ({"crit": ["b64"], "b64": False}, {"crit": ["x"], "x": 1}, {"typ": "logout+jwt"}):
        head = segment({"alg": "ES256", "kid": "ec", **extra})
        signature = jws.serialize_compact(
            {"alg": "ES256", "kid": "ec"}, json.dumps(CLAIMS), KEYS["ES256"], algorithms=["ES256"]
        ).rpartition(".")[2]
        refused(tokens, f"{head}.{body}.{signature}")
    assert tokens.identify(f"Bearer {signed(header={'typ': 'at+jwt'})}") is not None


@pytest.mark.parametrize(
    "head",
    [
        {"alg": "ES256", "kid": "ec", "crit": [1]},
        {"alg": "ES256", "kid": "ec", "crit": [[]]},
        {"alg": ["ES256"], "kid": "ec"},
        {"alg": "ES256", "kid": ["ec"]},
        ["alg"],
        "alg",
        b"[" * 3000,
    ],
    ids=lambda head: str(head)[:40],
)
async def test_a_header_that_is_none_is_refused(made, head):
    tokens, _, _ = made
    refused(tokens, f"{segment(head)}.{segment(CLAIMS)}.{segment(b'x' * 64)}")


async def test_a_member_that_stands_there_twice_is_refused(made):
    tokens, _, _ = made
    body = json.dumps(CLAIMS)[:-1] + ', "sub": "bank-b"}'
    head = {"alg": "ES256", "kid": "ec"}
    refused(tokens, jws.serialize_compact(head, body, KEYS["ES256"], algorithms=["ES256"]))


# --- the keys of the issuer -----------------------------------------------------------------------


async def test_an_unknown_key_has_the_keys_fetched_again_once_in_a_while(made, autojump_clock):
    tokens, _, served = made
    new = ECKey.generate_key("P-256", {"kid": "new"})
    token = signed(key=new)
    refused(tokens, token)  # they were fetched a moment ago
    served.keys = (*served.keys, new)
    await trio.sleep(CONFIG.jwks_refresh_seconds)
    with pytest.raises(RtgfError) as caught:
        tokens.identify(f"Bearer {token}")
    assert caught.value.code is Code.RTGF_UNAVAILABLE
    await trio.testing.wait_all_tasks_blocked()
    assert tokens.identify(f"Bearer {token}") is not None
    assert served.asked == 2
    for number in range(50):
        refused(tokens, signed(key=ECKey.generate_key("P-256", {"kid": f"x{number}"})))
    await trio.testing.wait_all_tasks_blocked()
    assert served.asked == 2


async def test_a_key_that_the_issuer_withdrew_ends_with_the_next_fetch(made, autojump_clock):
    tokens, _, served = made
    token = signed()
    assert tokens.identify(f"Bearer {token}") is not None
    served.keys = (RSA,)
    await trio.sleep(CONFIG.jwks_max_age_seconds / 2 + 1)
    refused(tokens, token)


async def test_keys_that_cannot_be_fetched_again_end_in_time(made, autojump_clock):
    tokens, _, served = made
    token, served.keys = signed(), ()
    await trio.sleep(CONFIG.jwks_max_age_seconds - 1)
    assert tokens.identify(f"Bearer {token}") is not None
    await trio.sleep(2)
    # Also a token that was checked before: it is not remembered past its key.
    for one in (token, signed(sub="bank-b")):
        with pytest.raises(RtgfError) as caught:
            tokens.identify(f"Bearer {one}")
        assert caught.value.code is Code.RTGF_UNAVAILABLE
    served.keys = (KEYS["ES256"],)
    await trio.sleep(CONFIG.jwks_refresh_seconds)
    assert tokens.identify(f"Bearer {token}") is not None


def test_only_keys_that_can_check_signatures_are_taken():
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    private = ECKey.generate_key("P-256", {"kid": "private"}).as_dict(private=True)
    secret = OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True)
    other = {"kty": "AKP", "kid": "later"}
    for_secrecy = {**RSA.as_dict(private=False), "use": "enc"}
    good = RSA.as_dict(private=False)
    entries = [weak.as_dict(private=False), private, secret, other, for_secrecy, 7, good]
    assert [key.kid for key in signing_keys({"keys": entries})] == ["rsa"]
    for document in ({}, {"keys": {}}, {"keys": []}, {"keys": entries[:-1]}):
        with pytest.raises(RtgfError):
            signing_keys(document)


# --- with everything else -------------------------------------------------------------------------


async def test_a_bearer_token_opens_no_privileged_route(made):
    tokens, _, _ = made
    access = Access([RoleConfig(uri=f"oauth:{ISSUER}#bank-a", roles=("operator",))], tokens)
    scope = {
        "headers": [(b"authorization", f"Bearer {signed()}".encode())],
        "state": {"client": None, "address": "192.0.2.1"},
    }
    caller = access.caller(scope)
    assert (caller.identity, caller.roles) == (f"oauth:{ISSUER}#bank-a", {"partner"})
    for role in ("operator", "partner", "monitor"):
        with pytest.raises(RtgfError) as caught:
            access.require(scope, role)
        assert caught.value.code is Code.RTGF_UNAUTHENTICATED


async def test_a_certificate_goes_before_a_token(made):
    tokens, _, _ = made
    access = Access([], tokens)
    assert access.named("urn:a", "192.0.2.1", "Bearer rubbish").identity == "urn:a"


async def test_bad_tokens_count_against_their_address(made):
    tokens, _, _ = made
    limits = RateLimits(LimitsConfig(public_burst=2, public_per_second=0.1))
    door = Door(Access([], tokens), limits)

    def come(token: str) -> None:
        door.admit(None, "192.0.2.1", f"Bearer {token}", path="/catalog", at=0.0)

    for _ in range(2):
        with pytest.raises(BearerError):
            come("rubbish")
    with pytest.raises(RateLimitedError):
        come("rubbish")
    come(signed())


async def test_a_token_without_a_kid_fits_an_issuer_with_one_key_only(made, autojump_clock):
    tokens, _, served = made
    nameless = jwt.encode({"alg": "ES256"}, CLAIMS, KEYS["ES256"], algorithms=["ES256"])
    refused(tokens, nameless)
    served.keys = (KEYS["ES256"],)
    await trio.sleep(CONFIG.jwks_max_age_seconds / 2 + 1)
    assert tokens.identify(f"Bearer {nameless}") is not None
