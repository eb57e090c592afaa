"""API keys: how one is made, how it looks, and how a shown one is compared with what is kept of it."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from deployments.access.principal import ROLES, SCOPES, Credential, Principal
from store.registries.api_keys import ApiKey

PREFIX: Final = "rl_"
KEY: Final = re.compile(r"rl_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")
ID_BYTES, SECRET_BYTES = 8, 32
NO_DIGEST: Final = hashlib.sha256(b"").hexdigest()
"""Compared with where there is no key, so that this takes as long."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """`text` is the key itself, which is shown once; `digest` is what is kept of its secret."""

    id: str
    text: str
    digest: str


def new_key() -> NewKey:
    """A key of 256 random bits behind a readable id."""
    key_id = base64.b32encode(secrets.token_bytes(ID_BYTES)).decode().lower()[:12]
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return NewKey(key_id, f"{PREFIX}{key_id}_{secret}", _digest(secret))


def split_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a key; None: it is none."""
    found = KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def is_secret_of(secret: str, key: ApiKey | None) -> bool:
    """Whether this is the secret of the key; takes the same time in each case."""
    kept = NO_DIGEST if key is None else key.digest
    return hmac.compare_digest(_digest(secret), kept) and key is not None


def principal_by_key(key: ApiKey) -> Principal:
    """The principal that acts by this key."""
    return Principal(
        tenant=key.tenant,
        user=key.user,
        roles=frozenset(role for role in ROLES if role in key.roles),
        scopes=frozenset(scope for scope in SCOPES if scope in key.scopes),
        credential=Credential("key", key.id, key.expires_at, key.id),
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
