"""A service that asks for no credentials is not reachable from outside."""

import pytest
from pydantic import ValidationError

from deployments.access.public_address import PublicWithoutAuthentication, require_private_or_authenticated
from deployments.settings import Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_a_public_address_needs_authentication(host: str) -> None:
    with pytest.raises(ValidationError, match="RAYLOGUE_AUTH is off"):
        Settings(host=host)
    assert Settings(host=host, auth="keys").host == host
    with pytest.raises(PublicWithoutAuthentication, match="RAYLOGUE_AUTH is off"):
        require_private_or_authenticated(Settings(), host)
    require_private_or_authenticated(Settings(auth="keys"), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", None])
def test_a_loopback_one_does_not(host: str | None) -> None:
    require_private_or_authenticated(Settings(), host)


@pytest.mark.parametrize("auth", ["", "on", "keys,off", "off,keys", "password", ","])
def test_other_kinds_of_credentials_are_refused(auth: str) -> None:
    with pytest.raises(ValidationError, match="auth"):
        Settings(auth=auth)


def test_the_key_of_the_commands_is_in_nothing_that_travels() -> None:
    settings = Settings(auth="keys", api_key="rl_secret")  # type: ignore[arg-type]
    assert settings.environment()["RAYLOGUE_AUTH"] == "keys"
    assert "rl_secret" not in repr(settings) + str(settings.environment())
