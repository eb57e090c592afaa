"""The header in which one's own gateway sends the application's context: what of it counts, and what is refused."""

import math
import time
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from deployments.access.errors import CredentialsRefused
from deployments.access.gateway import MAX_CHARACTERS, Gateway, GatewayContext
from deployments.access.principal import LOCAL, Principal
from deployments.settings import Settings
from store import Store
from tests.deployments.test_problems import check_problem
from tests.support.access_service import bearer, make_key, serving

SECRET = "g" * 64
ADA = Principal("acme", "ada")


def signed(secret: str = SECRET, algorithm: str = "HS256", seconds: float = 60, **claims: Any) -> str:
    return jwt.encode({"exp": time.time() + seconds, **claims}, secret, algorithm)


def read(token: str, principal: Principal = ADA, **settings: Any) -> GatewayContext | None:
    return Gateway(Settings(**{"gateway_secret": SECRET, **settings})).read([token.encode()], principal)


def test_what_counts() -> None:
    assert read(signed(values={"plan": "gold"})) == GatewayContext(None, {"plan": "gold"})
    assert read(signed(tenant="acme", sub="acme/ada", aud="whatever")) == GatewayContext("acme", {})
    assert read(signed(tenant="acme"), LOCAL) == GatewayContext("acme", {})
    assert Gateway(Settings(gateway_secret=SECRET)).read([], ADA) is None
    assert Gateway(Settings()).read([], ADA) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        signed("x" * 32),
        signed(algorithm="HS512"),
        jwt.encode({"exp": time.time() + 60}, None, "none"),
        jwt.encode({"values": {}}, SECRET),
        signed(seconds=-60),
        signed(seconds=3600),
        signed(seconds=math.inf),
        jwt.encode({"exp": str(int(time.time()) + 60)}, SECRET),
        signed(sub="acme/bob"),
        signed(tenant="evil"),
        signed(tenant=7),
        signed(values=["plan"]),
        signed(values={"plan": "x" * MAX_CHARACTERS}),
    ],
)
def test_what_is_refused(token: str) -> None:
    with pytest.raises(CredentialsRefused) as refused:
        read(token)
    assert refused.value.reason == "context_invalid"


def test_it_needs_the_setting_and_comes_once() -> None:
    token = signed().encode()
    for gateway, shown in ((Gateway(Settings()), [token]), (Gateway(Settings(gateway_secret=SECRET)), [token, token])):
        with pytest.raises(CredentialsRefused):
            gateway.read(shown, ADA)
    with pytest.raises(ValidationError, match="at least 32 bytes"):
        Settings(gateway_secret="short")
    with pytest.raises(ValidationError, match="RAYLOGUE_JWT_SECRET too"):
        Settings(gateway_secret=SECRET, jwt_secret=SECRET)
    with pytest.raises(CredentialsRefused):
        read(signed(tenant="a b"), LOCAL)


async def test_it_stands_beside_the_credentials(store: Store) -> None:
    shown = bearer(await make_key(store))
    async with serving(store, Settings(auth="keys", gateway_secret=SECRET)) as http:
        good, bad = {"X-Raylogue-Context": signed(values={"a": 1})}, {"X-Raylogue-Context": signed("x" * 32)}
        assert (await http.get("/v1/info", headers={**shown, **good})).status_code == 200
        answer = await http.get("/v1/info", headers={**shown, **bad})
        check_problem(answer, 401, "context_invalid")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        check_problem(await http.get("/v1/info", headers=good), 401, "credentials_missing")
        assert (await http.get("/healthz", headers=bad)).status_code == 200
