"""The application's context that one's own gateway sends along with a request: a tenant and values, in a signed header.

It stands beside the credentials, which say who acts: no header makes a request act for another person.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from deployments.access.errors import CredentialsRefused
from deployments.access.principal import PART, Principal
from deployments.access.settings import AccessSettings
from deployments.access.tokens import NO_JSON, expiry_of

HEADER: Final = b"x-raylogue-context"
ALGORITHM: Final = "HS256"
MAX_CHARACTERS: Final = 8192
MAX_LIFETIME_SECONDS: Final = 300
"""How far its `exp` may be away: it is made for one request."""


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """What goes to the agents: `tenant` None stands for the principal's own."""

    tenant: str | None
    values: Mapping[str, Any]


class Gateway:
    """Reads the header by the secret that the settings share with the gateway; without one no header is taken."""

    def __init__(self, settings: AccessSettings) -> None:
        secret = settings.gateway_secret
        self._secret = None if secret is None else secret.get_secret_value()
        self._leeway = settings.jwt_leeway_seconds

    def read(self, shown: Sequence[bytes], principal: Principal) -> GatewayContext | None:
        """The context in a request's headers of this name; None: there is none. Raises CredentialsRefused."""
        if not shown:
            return None
        claims = self._claims(shown)
        tenant, values = claims.get("tenant"), claims.get("values", {})
        is_for_another = claims.get("sub", principal.id) != principal.id
        if is_for_another or not isinstance(values, dict) or not _may_name(tenant, principal):
            raise CredentialsRefused("context_invalid")
        return GatewayContext(tenant, values)

    def _claims(self, shown: Sequence[bytes]) -> Mapping[str, Any]:
        if self._secret is None or len(shown) > 1 or len(shown[0]) > MAX_CHARACTERS:
            raise CredentialsRefused("context_invalid")
        options: Any = {"require": ["exp"], "verify_aud": False, "verify_sub": False}
        try:
            claims = jwt.decode(shown[0], self._secret, algorithms=[ALGORITHM], leeway=self._leeway, options=options)
        except (jwt.InvalidTokenError, *NO_JSON) as error:
            raise CredentialsRefused("context_invalid") from error
        exp = expiry_of(claims)
        if exp is None or exp > time.time() + MAX_LIFETIME_SECONDS + self._leeway:
            raise CredentialsRefused("context_invalid")
        return claims


def _may_name(tenant: object, principal: Principal) -> bool:
    """Whether the header may name this tenant: none, the principal's, or any for one who has none."""
    if tenant is None:
        return True
    return isinstance(tenant, str) and PART.fullmatch(tenant) is not None and principal.tenant in (None, tenant)
