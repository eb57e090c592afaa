"""What an operator chooses about access: which credentials are taken, and the key that the commands show."""

import re
from typing import Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from deployments.access.claims import parse_claims
from deployments.access.limits import parse_limits

OFF: Final = "off"
URL: Final = re.compile(r"https://\S+|http://(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])[:/]\S*")
"""Plain HTTP on this machine only: elsewhere others on the way could put keys of theirs in."""
KINDS: Final = frozenset({"keys", "jwt"})
MIN_SECRET_BYTES: Final = 32


class AccessSettings(BaseSettings):
    """A part of `deployments.settings.Settings`, which reads all of them."""

    auth: str = Field(
        OFF,
        description="Which credentials requests must have: `off` (none, on loopback addresses only) `keys` "
        "(API keys), `jwt` (JSON Web Tokens), or `keys,jwt` (docs/access.md).",
    )
    api_key: SecretStr | None = Field(None, description="API key that the commands of `raylogue` show to the service.")

    audit_days: float = Field(365.0, gt=0, description="How long the lines of the audit are kept (docs/access.md).")

    jwt_secret: SecretStr | None = Field(
        None, description="Secret of at least 32 bytes that tokens are signed with (HS256); keep it in a file."
    )
    jwt_jwks_url: str | None = Field(
        None,
        validate_default=True,
        description="Where the identity provider publishes the keys that tokens are signed with (RS256, ES256).",
    )
    jwt_audience: str | None = Field(
        None, validate_default=True, description="The `aud` that tokens must have: the name of this service."
    )
    jwt_issuer: str | None = Field(None, description="The `iss` that tokens must have; unset: it is not looked at.")
    jwt_leeway_seconds: float = Field(10.0, ge=0, le=300, description="How far the clocks of issuers may differ.")
    jwt_claims: str = Field(
        "tenant=tenant,user=sub,roles=roles",
        description="Which claims say who acts: `tenant`, `user`, `roles`, `scopes` and `values.<name>`, each with the "
        "name of a claim, as a list or as JSON (docs/access.md).",
    )

    gateway_secret: SecretStr | None = Field(
        None,
        description="Secret of at least 32 bytes by which your gateway signs the context that it sends to the agents "
        "in `X-Raylogue-Context` (docs/access.md); keep it in a file.",
    )
    limits: str | None = Field(
        None,
        description="What each principal may use, where admins set nothing else: `requests=20/second`, "
        "`bytes=100000000/day`, `turns=5`, `streams=20`, `tokens=2000000`, `cost=5.00`, separated by commas "
        "(docs/access.md). Unset: there are no limits.",
    )
    tenant_limits: str | None = Field(None, description="The same for all principals of a tenant together.")

    @field_validator("limits", "tenant_limits")
    @classmethod
    def _limits_can_be_read(cls, limits: str | None) -> str | None:
        parse_limits(limits or "")
        return limits

    @field_validator("auth")
    @classmethod
    def _auth_is_off_or_names_kinds(cls, auth: str) -> str:
        named = comma_separated(auth)
        if auth != OFF and not (named and KINDS.issuperset(named)):
            raise ValueError(f"it is off or {','.join(sorted(KINDS))}, not {auth!r}")
        return ",".join(named)

    @field_validator("jwt_secret", "gateway_secret")
    @classmethod
    def _secret_is_long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"it has at least {MIN_SECRET_BYTES} bytes")
        return secret

    @field_validator("gateway_secret")
    @classmethod
    def _people_have_no_token_by_it(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is not None and secret == info.data.get("jwt_secret"):
            raise ValueError("it is RAYLOGUE_JWT_SECRET too: people could send their own tokens as a context")
        return secret

    @field_validator("jwt_jwks_url")
    @classmethod
    def _keys_are_known_and_come_by_https(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None and _takes_tokens(info) and info.data.get("jwt_secret") is None:
            raise ValueError("with jwt in RAYLOGUE_AUTH set this, or RAYLOGUE_JWT_SECRET")
        if url is not None and not URL.match(url):
            raise ValueError("it is an address with https://")
        return url

    @field_validator("jwt_audience")
    @classmethod
    def _audience_is_set(cls, audience: str | None, info: ValidationInfo) -> str | None:
        if audience is None and _takes_tokens(info):
            raise ValueError("with jwt in RAYLOGUE_AUTH set this, or tokens for other services would count here")
        return audience

    @field_validator("jwt_claims")
    @classmethod
    def _claims_can_be_read(cls, claims: str) -> str:
        parse_claims(claims)
        return claims

    @property
    def credential_kinds(self) -> frozenset[str]:
        """The kinds of credentials that are taken; empty: none are asked for."""
        return frozenset(comma_separated(self.auth)) - {OFF}


def _takes_tokens(info: ValidationInfo) -> bool:
    return "jwt" in comma_separated(info.data.get("auth"))


def comma_separated(text: str | None) -> tuple[str, ...]:
    """The words of a setting that may name several."""
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))
