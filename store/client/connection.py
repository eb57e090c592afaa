"""A connection that spends less per command than redis-py's own, and never swallows a cancellation."""

import asyncio
from collections.abc import Iterable, Sequence

from redis import exceptions
from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection
from redis.connection import HiredisRespSerializer
from redis.typing import EncodableT

SERIALIZER = HiredisRespSerializer()


class _LeanWriting(AbstractConnection):
    """Packs commands in C, and bounds a write with a timer instead of a task.

    Together they save four tenths of the client's work for an append. Besides, redis-py writes inside
    `asyncio.wait_for`, which on Python 3.11 loses a cancellation that arrives in the moment the write is done.
    """

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """The command as it goes over the wire."""
        return packed(args)

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Write a packed command; a write that fails or is cancelled takes the connection with it."""
        if isinstance(command, str | bytes) or not self.is_connected:
            await super().send_packed_command(command, check_health)
            return
        if check_health:
            await self.check_health()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command(command)
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise exceptions.TimeoutError("the server does not read") from None
        except OSError as error:
            await self.disconnect(nowait=True)
            raise exceptions.ConnectionError(str(error)) from error
        except BaseException:  # half a command may have been written
            await self.disconnect(nowait=True)
            raise


class LeanConnection(_LeanWriting, Connection):
    """To a port."""


class LeanUnixConnection(_LeanWriting, UnixDomainSocketConnection):
    """To a Unix socket."""


def packed(command: Sequence[EncodableT]) -> list[bytes]:
    """A command as it goes over the wire."""
    pieces: list[bytes] = SERIALIZER.pack(*command)  # type: ignore[arg-type]
    return pieces
