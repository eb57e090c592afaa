"""JSON Web Tokens: which count, whom they name, and what happens while the identity provider is away."""

import asyncio
import base64
import hmac
import json
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from deployments.access import jwks
from deployments.access.errors import CredentialsRefused
from deployments.access.settings import AccessSettings
from deployments.access.tokens import TokenVerifier
from deployments.settings import Settings
from store import Store
from tests.support.access_service import bearer, make_key, serving
from tests.support.identity_provider import AUDIENCE, ISSUER, IdentityProvider, claims

SECRET = "s" * 32


def verifier(provider: IdentityProvider | None = None, **chosen: Any) -> TokenVerifier:
    """With a shared secret, and the keys of the provider if there is one."""
    url = None if provider is None else provider.url
    given = {"auth": "jwt", "jwt_secret": SECRET, "jwt_jwks_url": url, "jwt_audience": AUDIENCE, "jwt_issuer": ISSUER}
    return TokenVerifier(Settings(**{**given, **chosen}))


def shared(content: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(content, secret, algorithm)


def unsigned(content: dict[str, Any], **head: Any) -> str:
    parts = ({"alg": "none", "typ": "JWT", **head}, content)
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


@pytest.mark.parametrize(
    "strange",
    [
        {"exp": math.inf},
        {"exp": math.nan},
        {"exp": [1]},
        {"exp": str(int(time.time()) + 86_400)},
        {"nbf": math.inf},
        {"nbf": time.time() + 86_400},
        {"iat": math.inf},
        {"iat": time.time() + 86_400},
        {"sub": 7},
        {"jti": 7},
        {"aud": {}},
    ],
)
async def test_claims_that_are_signed_and_strange(strange: dict[str, Any]) -> None:
    assert await reason(verifier(), shared(claims(**strange))) in ("credentials_invalid", "wrong_audience")


@pytest.mark.parametrize("head", [{"kid": 7}, {"alg": ["HS256"]}, {"crit": ["x"]}, {"b64": False, "crit": ["b64"]}])
async def test_heads_that_are_strange(head: dict[str, Any]) -> None:
    encoded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT", **head}, claims())
    ]
    signature = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), b".".join(encoded), "sha256")).rstrip(b"=")
    token = b".".join([*encoded, signature]).decode()
    assert await reason(verifier(), token) in ("credentials_malformed", "credentials_invalid")


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with IdentityProvider() as started:
        started.add_key("first")
        yield started


async def reason(tokens: TokenVerifier, token: str) -> str:
    """Why the token is refused."""
    with pytest.raises(CredentialsRefused) as refused:
        await tokens.verify(token)
    return refused.value.reason


async def test_a_token_by_each_algorithm(provider: IdentityProvider) -> None:
    provider.add_key("rsa", "RS256")
    tokens = verifier(provider)
    for token in (shared(claims()), provider.sign("first", claims()), provider.sign("rsa", claims())):
        found = await tokens.verify(token)
        assert (found.id, found.roles) == ("acme/ada", {"user"})
        assert found.credential is not None
        assert found.credential.kind == "jwt"
        assert found.credential.expires_at is not None
        assert found.credential.expires_at / 1000 > time.time() + 86_000


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("nonsense", "credentials_malformed"),
        ("a.b.c", "credentials_malformed"),
        (unsigned(claims()), "credentials_invalid"),
        (unsigned(claims(), alg=[]), "credentials_malformed"),
        (unsigned(claims(), alg=None), "credentials_malformed"),
        (unsigned(claims(), kid=["a"]), "credentials_malformed"),
        (base64.urlsafe_b64encode(b"[" * 9000).decode() + ".e30.e30", "credentials_malformed"),
        (shared(claims(), "x" * 32), "credentials_invalid"),
        (shared(claims(), "s" * 64, "HS512"), "credentials_invalid"),
        (shared(claims(exp=int(time.time()) - 60)), "credentials_expired"),
        (shared(claims(exp=int(time.time()) - 60), "x" * 32), "credentials_invalid"),
        (shared(claims(exp=None)), "credentials_invalid"),
        (shared(claims(nbf=int(time.time()) + 600)), "credentials_invalid"),
        (shared(claims(aud="another")), "wrong_audience"),
        (shared(claims(aud=["another", AUDIENCE])), ""),
        (shared(claims(aud=None)), "credentials_invalid"),
        (shared(claims(iss="https://evil.example")), "credentials_invalid"),
        (shared(claims(tenant=None)), "credentials_invalid"),
        (shared(claims(sub="a/b")), "credentials_invalid"),
        (shared(claims(tenant={"a": 1})), "credentials_invalid"),
    ],
)
async def test_which_tokens_count(token: str, expected: str) -> None:
    tokens = verifier()
    if expected:
        assert await reason(tokens, token) == expected
    else:
        assert (await tokens.verify(token)).id == "acme/ada"


async def test_clocks_may_differ_a_little() -> None:
    just_over = shared(claims(exp=int(time.time()) - 1))
    assert (await verifier(jwt_leeway_seconds=100).verify(just_over)).id == "acme/ada"
    assert await reason(verifier(jwt_leeway_seconds=0), just_over) == "credentials_expired"


async def test_a_public_key_is_no_secret(provider: IdentityProvider) -> None:
    """Neither as what an HS256 token is signed with, nor under another key's id or algorithm."""
    provider.add_key("second")
    provider.add_key("rsa", "RS256")
    provider.document["keys"].append({"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(b"y" * 32).decode()})
    tokens = verifier(provider, jwt_secret=None)
    octet = jwt.encode(claims(), "y" * 32, "HS256", headers={"kid": "oct"})
    misnamed = [provider.sign("first", claims(), named=name) for name in ("second", "rsa")]
    for token in (octet, *misnamed):
        assert await reason(tokens, token) == "credentials_invalid"
    assert await reason(tokens, shared(claims())) == "credentials_invalid"
    assert await reason(verifier(None), provider.sign("first", claims())) == "credentials_invalid"


async def test_rotation(provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "PAUSE_SECONDS", 0.0)
    tokens = verifier(provider)
    await tokens.verify(provider.sign("first", claims()))
    provider.add_key("second")
    await tokens.verify(provider.sign("second", claims()))
    await tokens.verify(provider.sign("first", claims()))
    assert provider.requests == 2


async def test_keys_that_are_withdrawn_count_no_longer(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = verifier(provider)
    await tokens.verify(token := provider.sign("first", claims()))
    monkeypatch.setattr(jwks, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "MAX_AGE_SECONDS", 0.0)
    provider.document = {"keys": []}
    async with asyncio.timeout(10):
        while True:
            try:
                await tokens.verify(token)
            except CredentialsRefused:
                break
            await asyncio.sleep(0.01)


async def test_unknown_keys_ask_the_provider_once_however_many_wait(provider: IdentityProvider) -> None:
    provider.add_key("hidden", published=False)
    provider.delay = 0.2
    tokens = verifier(provider)
    many = [provider.sign("hidden", claims(), named=f"unknown-{number}") for number in range(50)]
    known = provider.sign("first", claims())
    found = await asyncio.gather(*(reason(tokens, token) for token in many), tokens.verify(known))
    assert found[:50] == ["credentials_invalid"] * 50
    assert await reason(tokens, many[0]) == "credentials_invalid"
    assert provider.requests == 1


@pytest.mark.parametrize("document", [{"keys": "x"}, {}, [], {"keys": [1]}, {"keys": [{"kty": "EC"}]}])
async def test_known_keys_go_on_while_the_provider_is_away_or_talks_nonsense(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch, document: Any
) -> None:
    provider.add_key("late", published=False)
    tokens = verifier(provider)
    await tokens.verify(known := provider.sign("first", claims()))
    monkeypatch.setattr(jwks, "PAUSE_SECONDS", 0.0)
    if document == {"keys": "x"}:
        await provider.stop()
    elif document == {"keys": [{"kty": "EC"}]}:
        provider.document["keys"].append({"kty": "EC"})
    else:
        provider.document = document
    assert await reason(tokens, provider.sign("late", claims())) == "credentials_invalid"
    assert (await tokens.verify(known)).id == "acme/ada"


async def test_which_claims_say_who_acts() -> None:
    mapping = (
        "tenant=org.id, user=email, roles=realm.roles, scopes=scope, values.plan=https://x.example/plan, values.n=n"
    )
    tokens = verifier(jwt_claims=mapping)
    roles = {"roles": ["admin", "king"]}
    content = claims(org={"id": 7}, email="ada@acme.example", realm=roles, scope="openid read")
    found = await tokens.verify(shared({**content, "https://x.example/plan": {"seats": 3}}))
    assert (found.id, found.roles, found.scopes) == ("7/ada@acme.example", {"user", "admin"}, {"read"})
    assert found.values == {"plan": {"seats": 3}}
    as_json = json.dumps({"tenant": "org.id", "user": "email"})
    assert (await verifier(jwt_claims=as_json).verify(shared(content))).roles == {"user"}


@pytest.mark.parametrize(
    ("chosen", "variable"),
    [
        ({"jwt_secret": None}, "jwt_jwks_url"),
        ({"jwt_secret": "short"}, "jwt_secret"),
        ({"jwt_audience": None}, "jwt_audience"),
        ({"jwt_jwks_url": "http://issuer.example/jwks"}, "jwt_jwks_url"),
        ({"jwt_claims": "tenant"}, "jwt_claims"),
        ({"jwt_claims": "tenant=org"}, "jwt_claims"),
        ({"jwt_claims": "tenant=org,user=sub,king=role"}, "jwt_claims"),
        ({"jwt_claims": '{"tenant": 1, "user": "sub"}'}, "jwt_claims"),
    ],
)
def test_settings_that_would_let_others_in_are_refused(chosen: dict[str, Any], variable: str) -> None:
    given = {"auth": "jwt", "jwt_secret": SECRET, "jwt_audience": AUDIENCE, **chosen}
    with pytest.raises(ValidationError) as refused:
        AccessSettings(**given)
    assert refused.value.errors()[0]["loc"] == (variable,)


async def test_keys_and_tokens_at_once(store: Store) -> None:
    both = Settings(auth="keys,jwt", jwt_secret=SECRET, jwt_audience=AUDIENCE)  # type: ignore[arg-type]
    async with serving(store, both) as http:
        for credential, status in [
            (await make_key(store), 200),
            (shared(claims()), 200),
            ("rl_nonsense", 401),
            (shared(claims(aud="x")), 401),
        ]:
            assert (await http.get("/v1/info", headers=bearer(credential))).status_code == status
        created = await http.post("/v1/conversations", json={}, headers=bearer(shared(claims(sub="bob"))))
        assert (await store.registry.get(created.json()["id"])).principal == "acme/bob"
