"""Finds out who shows a credential."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from agents.clock import now_ms
from deployments.access.api_keys import PREFIX, is_secret_of, principal_by_key, split_key
from deployments.access.errors import CredentialsRefused
from deployments.access.gateway import Gateway
from deployments.access.principal import Credential, Principal
from deployments.access.settings import AccessSettings
from deployments.access.tokens import TokenVerifier
from store import Store
from store.registries.api_keys import ApiKey, ApiKeys

REMEMBERED_SECONDS: Final = 2.0
"""How long a key counts as it was read, so how late a process notices that one was revoked."""
MAX_REMEMBERED: Final = 4096
NOTED_MS: Final = 60_000
SESSION_BYTES: Final = 32


class KnownKeys:
    """The keys that were asked for lately, unknown ones too, so that repeated requests cost no round trip."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._known: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._noted: OrderedDict[str, int] = OrderedDict()

    async def find(self, key_id: str) -> ApiKey | None:
        """The key as it is, or was two seconds ago. Raises StoreUnavailable."""
        read_at, key = self._known.get(key_id, (0.0, None))
        if time.monotonic() - read_at < REMEMBERED_SECONDS and read_at:
            return key
        read_at, key = time.monotonic(), await self._keys.get(key_id)
        _remember(self._known, key_id, (read_at, key))
        return key

    async def note_use(self, key: ApiKey, now: int) -> None:
        """Note that it is used; this process does it once a minute at most."""
        if now - self._noted.get(key.id, 0) < NOTED_MS:
            return
        _remember(self._noted, key.id, now)
        await self._keys.note_use(key, now)


class Authenticator:
    """Of one replica. Every call may raise StoreUnavailable."""

    def __init__(self, settings: AccessSettings, store: Store) -> None:
        self._kinds = settings.credential_kinds
        self._store = store
        self._keys = KnownKeys(store.api_keys)
        self.gateway = Gateway(settings)
        self._tokens = TokenVerifier(settings) if "jwt" in self._kinds else None

    @property
    def is_off(self) -> bool:
        """Whether no credentials are asked for."""
        return not self._kinds

    async def authenticate(self, token: str) -> Principal:
        """Who shows this token. Raises CredentialsRefused."""
        if "keys" in self._kinds and token.startswith(PREFIX):
            return await self._by_key(token)
        if self._tokens is not None and not token.startswith(PREFIX):
            return await self._tokens.verify(token)
        raise CredentialsRefused("credentials_malformed")

    async def by_key(self, token: str) -> Principal:
        """Who shows this API key, to sign in on the page. Raises CredentialsRefused."""
        if "keys" not in self._kinds:
            raise CredentialsRefused("credentials_malformed")
        return await self._by_key(token)

    async def begin_session(self, principal: Principal) -> str:
        """Sign in on the page who has shown an API key: the session's secret."""
        assert principal.credential is not None
        secret = secrets.token_urlsafe(SESSION_BYTES)
        await self._store.page_sessions.begin(digest_of(secret), principal.credential.id)
        return secret

    async def by_session(self, secret: str) -> Principal:
        """Who has signed in on the page. Raises CredentialsRefused."""
        digest = digest_of(secret)
        key_id = await self._store.page_sessions.use(digest) if "keys" in self._kinds else None
        key = None if key_id is None else await self._keys.find(key_id)
        if key is None:
            raise CredentialsRefused("credentials_invalid")
        if _has_expired(key.expires_at):
            raise CredentialsRefused("credentials_expired")
        await self._keys.note_use(key, now_ms())
        return replace(principal_by_key(key), credential=Credential("session", digest, key.expires_at, key.id))

    async def end_session(self, secret: str) -> None:
        """Sign out."""
        await self._store.page_sessions.end(digest_of(secret))

    async def find_ended(self, credentials: Collection[Credential]) -> set[Credential]:
        """Which of these have expired or been revoked."""
        key_ids = {shown.key_id for shown in credentials if shown.key_id is not None}
        keys = await self._store.api_keys.get_many(sorted(key_ids))
        sessions = sorted(shown.id for shown in credentials if shown.kind == "session")
        ended = await self._store.page_sessions.find_ended(sessions)
        return {
            shown
            for shown in credentials
            if _has_expired(shown.expires_at)
            or (shown.key_id is not None and shown.key_id not in keys)
            or (shown.kind == "session" and shown.id in ended)
        }

    async def _by_key(self, token: str) -> Principal:
        parts = split_key(token)
        if parts is None:
            raise CredentialsRefused("credentials_malformed")
        key_id, secret = parts
        key = await self._keys.find(key_id)
        if not is_secret_of(secret, key) or key is None:
            raise CredentialsRefused("credentials_invalid")
        if _has_expired(key.expires_at):
            raise CredentialsRefused("credentials_expired")
        await self._keys.note_use(key, now_ms())
        return principal_by_key(key)


def digest_of(secret: str) -> str:
    """What is kept of the secret of a session."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _has_expired(expires_at: int | None) -> bool:
    return expires_at is not None and expires_at <= now_ms()


def _remember(known: OrderedDict[str, Any], name: str, value: object) -> None:
    known[name] = value
    known.move_to_end(name)
    if len(known) > MAX_REMEMBERED:
        known.popitem(last=False)
