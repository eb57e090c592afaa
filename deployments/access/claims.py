"""Which claims of a token say who acts: the setting RAYLOGUE_JWT_CLAIMS, and the principal that it finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from deployments.access.principal import PART, ROLES, SCOPES, Credential, Principal

REQUIRED: Final = frozenset({"tenant", "user"})
OPTIONAL: Final = frozenset({"roles", "scopes"})
VALUE: Final = "values."


@dataclass(frozen=True, slots=True)
class ClaimMap:
    """`claims` has the name of a claim for each of `tenant`, `user`, `roles`, `scopes` and `values.<name>`.

    A name with dots may lead into objects: `realm_access.roles`.
    """

    claims: Mapping[str, str]

    def principal(self, token: Mapping[str, Any], credential: Credential) -> Principal | None:
        """Who acts; None: the token does not say it. Unknown roles and scopes are ignored, as they are for others.

        Without a claim for scopes a token may be used for everything that the roles allow.
        """
        tenant, user = self._text(token, "tenant"), self._text(token, "user")
        if tenant is None or user is None:
            return None
        roles, scopes = self._words(token, "roles"), self._words(token, "scopes")
        values = {
            target.removeprefix(VALUE): found
            for target, claim in self.claims.items()
            if target.startswith(VALUE) and (found := _find(token, claim)) is not None
        }
        return Principal(
            tenant=tenant,
            user=user,
            roles=frozenset(role for role in ROLES if role in roles) | {"user"},
            scopes=frozenset(scope for scope in SCOPES if scope in scopes) if "scopes" in self.claims else SCOPES,
            values=values,
            credential=credential,
        )

    def _text(self, token: Mapping[str, Any], target: str) -> str | None:
        found = _find(token, self.claims[target])
        text = str(found) if isinstance(found, str | int) else ""
        return text if PART.fullmatch(text) else None

    def _words(self, token: Mapping[str, Any], target: str) -> set[str]:
        """A list of words, or a text with spaces or commas between them."""
        found = _find(token, self.claims[target]) if target in self.claims else None
        words = found.replace(",", " ").split() if isinstance(found, str) else found
        return {word for word in words if isinstance(word, str)} if isinstance(words, list) else set()


def parse_claims(text: str) -> ClaimMap:
    """`tenant=org,user=sub`, or the same as a JSON object. Raises ValueError."""
    if text.lstrip().startswith("{"):
        pairs = list(orjson.loads(text).items())
    else:
        pairs = [tuple(map(str.strip, part.split("=", 1))) for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 or not all(isinstance(word, str) and word for word in pair) for pair in pairs):
        raise ValueError("it is a list such as tenant=org,user=sub,values.plan=plan, or such an object of JSON")
    claims = dict(pairs)
    unknown = {target for target in claims if not target.startswith(VALUE)} - REQUIRED - OPTIONAL
    if unknown or VALUE in claims:
        raise ValueError(f"{min(unknown | {VALUE})} is none of tenant, user, roles, scopes, values.<name>")
    if missing := REQUIRED - set(claims):
        raise ValueError(f"it names no claim for {min(missing)}")
    return ClaimMap(claims)


def _find(token: Mapping[str, Any], claim: str) -> Any:  # noqa: ANN401 - what JSON may hold
    """The claim of this name, or where its dots lead."""
    if claim in token:
        return token[claim]
    found: Any = token
    for part in claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
