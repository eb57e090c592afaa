"""What both ends of a direct connection have in common: frames with a length, the proofs of the handshake, the bounds.

Each end first shows that it knows the host's secret. Nothing is unpickled before that; then pickles travel, as they do
between the processes of Ray.
"""

import asyncio
import hashlib
import hmac
import pickle
import secrets
import socket
import struct
from collections.abc import Iterator
from typing import Any, Literal, cast

import structlog

log = structlog.get_logger(__name__)

MAGIC = b"raylogue-direct-1\n"
"""The first bytes of a connection: an end that speaks otherwise is refused, and Ray's calls serve."""
NONCE_BYTES = 32
PROOF_BYTES = hashlib.sha256().digest_size
HANDSHAKE_SECONDS = 5.0
MAX_FRAME_BYTES = 4 * 1024**2
"""Ray makes a larger call; a larger frame that arrives ends its connection."""
LENGTH = struct.Struct(">I")
NODE_SILENCE_MS = 4000
"""When a node's kernel is silent for so long, its connections end: as soon as the control plane gives a node up."""


class BadFrame(Exception):
    """What arrived, or should be sent, is not what a connection carries."""


class ConnectionLost(Exception):
    """The connection ended; whether the calls under way were carried out is not known."""


def pack(value: object) -> bytes:
    """A frame. Raises `BadFrame` if it would be too large, and what pickling raises."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    if len(body) > MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {len(body)} bytes")
    return LENGTH.pack(len(body)) + body


def new_nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)


def make_proof(secret: bytes, end: Literal["caller", "host"], nonces: bytes) -> bytes:
    """What only an end that knows the secret can say, and only once."""
    return hmac.digest(secret, end.encode() + nonces, "sha256")


class FramedConnection(asyncio.Protocol):
    """One end. A subclass shakes hands with what comes first, and takes what each frame holds after that."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._is_proven = False
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's have another base class
        notice_dead_nodes(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            if not self._is_proven:
                self._is_proven = self.shake_hands(self._received)
            if self._is_proven:
                for value in self._frames():
                    self.take(value)
        except Exception as error:  # noqa: BLE001 - unpickling may raise anything, if the other end has other code
            log.warning("direct_connection_refused", cause=repr(error))
            self.abort()

    def shake_hands(self, received: bytearray) -> bool:
        """Remove what has been understood; whether the other end is proven. Raises `BadFrame`."""
        raise NotImplementedError

    def take(self, value: Any) -> None:  # noqa: ANN401 - it was just unpickled
        """Do what the frame says. Raises if it says nothing that is known."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send it, unless the connection has ended."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """End the connection once everything has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _frames(self) -> Iterator[Any]:
        begin = 0
        while len(self._received) >= begin + LENGTH.size:
            (length,) = LENGTH.unpack_from(self._received, begin)
            if length > MAX_FRAME_BYTES:
                raise BadFrame(f"a frame of {length} bytes")
            end = begin + LENGTH.size + length
            if len(self._received) < end:
                break
            yield pickle.loads(bytes(self._received[begin + LENGTH.size : end]))  # noqa: S301 - proven, see above
            begin = end
        del self._received[:begin]


def take_hello(received: bytearray, size: int) -> bytes | None:
    """Remove and return the `size` bytes after the magic ones; None while they are not there. Raises `BadFrame`."""
    if not received.startswith(MAGIC[: len(received)]):
        raise BadFrame("not a direct connection")
    if len(received) < len(MAGIC) + size:
        return None
    hello = bytes(received[len(MAGIC) : len(MAGIC) + size])
    del received[: len(MAGIC) + size]
    return hello


def check_proof(shown: bytes, expected: bytes) -> None:
    """Raises `BadFrame`."""
    if not hmac.compare_digest(shown, expected):
        raise BadFrame("the other end does not know the secret")


def notice_dead_nodes(connection: socket.socket) -> None:
    """A process that is stopped stays connected, since its kernel answers; a node that is gone does not."""
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, NODE_SILENCE_MS),
    ):
        connection.setsockopt(level, option, value)
