"""An identity provider on the loopback interface: it signs tokens, publishes its keys, rotates them, and goes away."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE, ISSUER = "raylogue-tests", "https://issuer.example"


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token; a change to None leaves a claim out."""
    good = {"sub": "ada", "tenant": "acme", "aud": AUDIENCE, "iss": ISSUER, "exp": int(time.time()) + 86_400}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


class IdentityProvider:
    """`document` is what it answers; `requests` counts how often it was asked."""

    def __init__(self) -> None:
        self._private: dict[str, tuple[str, Any]] = {}
        self.document: dict[str, Any] = {"keys": []}
        self.requests = 0
        self.delay = 0.0
        self.url = ""
        self._server: asyncio.Server | None = None

    def add_key(self, key_id: str, algorithm: str = "ES256", *, published: bool = True) -> None:
        if algorithm == "ES256":
            private: Any = ec.generate_private_key(ec.SECP256R1())
            public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        else:
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        self._private[key_id] = (algorithm, private)
        if published:
            self.document["keys"].append({**public, "kid": key_id, "use": "sig"})

    def sign(self, key_id: str, content: Mapping[str, Any], *, named: str | None = None) -> str:
        """A token signed by that key, which says that it is by the key `named`."""
        algorithm, private = self._private[key_id]
        return jwt.encode(dict(content), private, algorithm, headers={"kid": named or key_id})

    async def __aenter__(self) -> "IdentityProvider":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/jwks.json"

    async def stop(self) -> None:
        """It answers no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        await asyncio.sleep(self.delay)
        body = json.dumps(self.document).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
