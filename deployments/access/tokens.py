"""Verifies JSON Web Tokens: by a shared secret (HS256), or by an identity provider's public keys (RS256, ES256)."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import jwt

from deployments.access.claims import parse_claims
from deployments.access.errors import CredentialsRefused
from deployments.access.jwks import ALGORITHMS, Jwks
from deployments.access.principal import Credential, Principal
from deployments.access.settings import AccessSettings

SHARED: Final = "HS256"
MAX_TOKEN_CHARACTERS: Final = 16_384


NO_JSON: Final = (RecursionError, OverflowError)
"""What a document may lead to beside the errors of PyJWT: nesting without end, numbers that are none."""


def expiry_of(claims: Mapping[str, Any]) -> float | None:
    """The `exp` in seconds; None if it is no number, which PyJWT lets pass where it is a text of digits."""
    exp = claims["exp"]
    return exp if isinstance(exp, int | float) else None


class TokenVerifier:
    """The algorithm that a token names only chooses among the ones that the settings give keys for, never `none`."""

    def __init__(self, settings: AccessSettings) -> None:
        self._secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret is not None else None
        self._jwks = Jwks(settings.jwt_jwks_url) if settings.jwt_jwks_url is not None else None
        self._audience, self._issuer = settings.jwt_audience, settings.jwt_issuer
        self._leeway = settings.jwt_leeway_seconds
        self._claims = parse_claims(settings.jwt_claims)

    async def verify(self, token: str) -> Principal:
        """Who acts by this token. Raises CredentialsRefused."""
        try:
            header = jwt.get_unverified_header(token[:MAX_TOKEN_CHARACTERS])
        except (jwt.InvalidTokenError, *NO_JSON) as error:
            raise CredentialsRefused("credentials_malformed") from error
        algorithm = header.get("alg")
        if not isinstance(algorithm, str):
            raise CredentialsRefused("credentials_malformed")
        key = await self._key(algorithm, header.get("kid"))
        if key is None:
            raise CredentialsRefused("credentials_invalid")
        claims = self._decode(token, key, algorithm)
        name = str(claims.get("jti") or hashlib.sha256(token.encode()).hexdigest()[:16])
        if (exp := expiry_of(claims)) is None:
            raise CredentialsRefused("credentials_invalid")
        expires_at = int((exp + self._leeway) * 1000)
        principal = self._claims.principal(claims, Credential("jwt", name, expires_at))
        if principal is None:
            raise CredentialsRefused("credentials_invalid")
        return principal

    async def _key(self, algorithm: str, key_id: str | None) -> str | jwt.PyJWK | None:
        if algorithm == SHARED:
            return self._secret
        if self._jwks is None or algorithm not in ALGORITHMS:
            return None
        key = await self._jwks.find(key_id)
        return key if key is not None and key.algorithm_name == algorithm else None

    def _decode(self, token: str, key: str | jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise CredentialsRefused("credentials_expired") from error
        except jwt.InvalidAudienceError as error:
            raise CredentialsRefused("wrong_audience") from error
        except (jwt.InvalidTokenError, *NO_JSON) as error:
            raise CredentialsRefused("credentials_invalid") from error
