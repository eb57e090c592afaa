"""redis-py's client for one server, with all of its single commands on one line."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.typing import EncodableT

from store.client.multiplexed import MultiplexedConnection, Reply


class MultiplexedRedis(Redis):
    """Pipelines keep connections of their own, from the pool."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - redis-py's own
        super().__init__(*arguments, **options)
        timeout: float = self.connection_pool.connection_kwargs["socket_timeout"]
        self._line = MultiplexedConnection(self._dial, timeout)

    def submit(self, *command: EncodableT) -> Reply:
        """Send a command; the reply comes as the server gave it."""
        return self._line.submit(*command)

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py declares it
        """The reply in the shape that redis-py gives it."""
        reply = await self._line.submit(*args)
        options.pop("keys", None)  # those are for a cache of redis-py's
        shape = self.response_callbacks.get(args[0])
        return reply if shape is None else shape(reply, **options)

    async def part(self) -> None:
        """Let go of every connection that is idle, and of the line."""
        await self._line.hang_up()
        await self.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await self._line.aclose()
        await super().aclose(close_connection_pool)

    async def _dial(self) -> AbstractConnection:
        connection: AbstractConnection = self.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()  # type: ignore[no-untyped-call]
        return connection
