"""The public keys of an identity provider: read from its JWKS, remembered, and read again when they change."""

import asyncio
import time
from typing import Any, Final

import httpx
import orjson
import structlog
from jwt import PyJWK, PyJWTError

log = structlog.get_logger(__name__)

MAX_AGE_SECONDS: Final = 300.0
"""Older keys still count, while they are read again in the background."""
PAUSE_SECONDS: Final = 10.0
"""Between two attempts to read them, however many requests ask for a key that is not known."""
TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 1024**2
ALGORITHMS: Final = frozenset({"RS256", "ES256"})


class Jwks:
    """One per replica. While the provider is away the known keys go on, and others are unknown."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> PyJWK | None:
        """The key with this id; without an id, the only one there is."""
        now = time.monotonic()
        if (key := self._known(key_id)) is not None:
            if now - self._read_at > MAX_AGE_SECONDS:
                self._begin_to_read(now)
            return key
        if (reading := self._begin_to_read(now)) is not None:
            await asyncio.shield(reading)  # others wait for it as well
        return self._known(key_id)

    def _known(self, key_id: str | None) -> PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _begin_to_read(self, now: float) -> asyncio.Task[None] | None:
        """The attempt that is under way, or a new one if the last is long enough ago."""
        if self._reading is not None and not self._reading.done():
            return self._reading
        if now - self._tried_at < PAUSE_SECONDS:
            return None
        self._tried_at = now
        self._reading = asyncio.create_task(self._read(), name="jwks")
        return self._reading

    async def _read(self) -> None:
        try:
            document = orjson.loads(await _download(self._url))
            keys = dict(filter(None, map(_usable, document["keys"])))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("jwks_not_read", url=self._url, cause=f"{type(error).__name__}: {error}")
        else:
            self._keys, self._read_at = keys, time.monotonic()


async def _download(url: str) -> bytes:
    received = bytearray()
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
        http.stream("GET", url) as response,
    ):
        response.raise_for_status()
        async for chunk in response.aiter_bytes():
            received += chunk
            if len(received) > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return bytes(received)


def _usable(described: dict[str, Any]) -> tuple[str | None, PyJWK] | None:
    """A public key for signatures with its id; others are left out, symmetric ones above all."""
    if described.get("kty") not in ("RSA", "EC") or described.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK(described)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    return (described.get("kid"), key) if key.algorithm_name in ALGORITHMS else None
