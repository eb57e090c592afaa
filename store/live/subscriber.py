"""One pub/sub connection for each process, which passes live messages on to any number of readers."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context

import orjson
from redis import exceptions
from redis.asyncio.connection import AbstractConnection

from store.client.client import TRANSIENT_ERRORS, Client, Reply
from store.errors import StoreUnavailable
from store.keys import Keys
from store.live.subscription import Channel, Subscription

log = logging.getLogger(__name__)

CONFIRMATION_SECONDS = 5.0
SILENCE_SECONDS = 5.0
"""After so long without a message the server is asked whether it still answers."""
PAUSE_SECONDS = 0.1


class LiveSubscriber:
    """Subscribes this process to the channels that have readers; its connection comes back by itself."""

    def __init__(self, client: Client, keys: Keys, *, silence: float = SILENCE_SECONDS) -> None:
        self._client = client
        self._keys = keys
        self._silence = silence
        self._channels: dict[bytes, Channel] = {}
        self._unconfirmed: Counter[bytes] = Counter()
        self._commands: asyncio.Queue[tuple[str, list[bytes]]] | None = None
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def subscribe(self, conversation_id: str, *, size: int = 1024) -> AsyncIterator[Subscription]:
        """Listen to a conversation. Every message published after the block was entered reaches `get`.

        Raises StoreUnavailable if Redis does not confirm within five seconds.
        """
        async with self._subscribe(self._keys.conversation(conversation_id).live, conversation_id, size) as reader:
            yield reader

    @asynccontextmanager
    async def subscribe_to_access(self, *, size: int = 1024) -> AsyncIterator[Subscription]:
        """Listen to which conversations have other members now; as `subscribe`."""
        async with self._subscribe(self._keys.access, "", size) as reader:
            yield reader

    @asynccontextmanager
    async def subscribe_to_person(self, principal: str, *, size: int = 1024) -> AsyncIterator[Subscription]:
        """Listen to what a person is told; as `subscribe`."""
        async with self._subscribe(self._keys.personal_channel(principal), principal, size) as reader:
            yield reader

    @asynccontextmanager
    async def subscribe_to_batch(self, batch_id: str, *, size: int = 64) -> AsyncIterator[Subscription]:
        """Listen to whether a batch has changed; as `subscribe`."""
        async with self._subscribe(self._keys.batch(batch_id).channel, "", size) as reader:
            yield reader

    @asynccontextmanager
    async def subscribe_to_feed(self, *, size: int = 1024) -> AsyncIterator[Subscription]:
        """Listen to which partitions of the feed have a new entry; as `subscribe`."""
        async with self._subscribe(self._keys.feed_channel, "", size) as reader:
            yield reader

    @asynccontextmanager
    async def _subscribe(self, channel_name: str, conversation_id: str, size: int) -> AsyncIterator[Subscription]:
        name = channel_name.encode()
        reader = Subscription(conversation_id, size)
        channel = self._channels.get(name)
        is_new = channel is None
        if channel is None:
            channel = self._channels[name] = Channel(conversation_id)
        channel.join(reader)
        try:
            if is_new:
                self._queue_command("SUBSCRIBE", name)
            await self._wait_until_confirmed(channel)
            yield reader
        finally:
            channel.readers.discard(reader)
            self._unsubscribe_unread(name, channel)

    async def aclose(self) -> None:
        """Stop listening; readers that still wait get StoreUnavailable."""
        if self._listener is not None:
            while not self._listener.done():  # once is not enough while it connects, see store/client/connection.py
                self._listener.cancel()
                await asyncio.wait({self._listener}, timeout=0.1)
            self._listener = None
        for channel in self._channels.values():
            for reader in channel.readers:
                reader.interrupt(StoreUnavailable("this process closed its subscriptions"))

    async def _wait_until_confirmed(self, channel: Channel) -> None:
        if self._listener is None:
            self._listener = asyncio.create_task(
                self._listen(), name="store subscriptions", context=Context()
            )  # it outlives the caller that happens to need it first
        if channel.listening.is_set():
            return
        try:
            async with asyncio.timeout(CONFIRMATION_SECONDS):
                await channel.listening.wait()
        except TimeoutError:
            raise StoreUnavailable("the subscription was not confirmed") from None

    def _unsubscribe_unread(self, name: bytes, channel: Channel) -> None:
        if not channel.readers and self._channels.get(name) is channel:
            del self._channels[name]
            self._queue_command("UNSUBSCRIBE", name)

    def _queue_command(self, command: str, *names: bytes) -> None:
        """Pass a command to the task that writes to the connection, if there is one.

        Readers never write themselves: a reader that is cancelled in the middle would break the connection of all.
        """
        if self._commands is None:
            return
        if command == "SUBSCRIBE":
            self._unconfirmed.update(names)
        self._commands.put_nowait((command, list(names)))

    async def _listen(self) -> None:
        while True:
            try:
                connection = await self._client.connect_listener()
                try:
                    await self._serve(connection)
                finally:
                    self._forget_connection()
                    await connection.disconnect(nowait=True)
            except (exceptions.RedisError, *TRANSIENT_ERRORS) as error:
                self._client.observer.note_trouble("listener_lost")
                log.warning("subscriptions lost their connection: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _serve(self, connection: AbstractConnection) -> None:
        self._commands = asyncio.Queue()
        if self._channels:
            self._queue_command("SUBSCRIBE", *self._channels)
        writer = asyncio.create_task(self._write(connection, self._commands))
        try:
            await self._read(connection)
        finally:
            writer.cancel()

    async def _write(self, connection: AbstractConnection, commands: asyncio.Queue[tuple[str, list[bytes]]]) -> None:
        with suppress(*TRANSIENT_ERRORS):  # the task that reads the connection notices
            while True:
                command, names = await commands.get()
                await connection.send_command(command, *names, check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        silent, since = False, time.monotonic()
        while True:
            message = await connection.read_response(
                timeout=self._silence, disconnect_on_error=False, push_request=True
            )
            if message is not None:
                silent = False
                self._receive(message)
            elif silent:
                raise exceptions.ConnectionError("the server stopped answering")
            elif self._client.failed_over_at > since:  # a demoted server may answer, and get no messages
                raise exceptions.ConnectionError("another server has become the primary")
            else:
                silent = True
                self._queue_command("PING")

    def _forget_connection(self) -> None:
        self._commands = None
        self._unconfirmed.clear()
        for channel in self._channels.values():
            channel.listening.clear()

    def _receive(self, message: Reply) -> None:
        match message:
            case [b"message", name, data] if name in self._channels:
                self._deliver(name, data)
            case [b"subscribe", name, _]:
                # A channel that was left and entered again at once is subscribed after the last of its confirmations.
                self._unconfirmed[name] -= 1
                if self._unconfirmed[name] <= 0:
                    del self._unconfirmed[name]
                    if name in self._channels:
                        self._channels[name].confirm()

    def _deliver(self, name: bytes, data: bytes) -> None:
        try:
            payload = orjson.loads(data)
        except orjson.JSONDecodeError:
            log.warning("ignored a message on %s that is not JSON", name.decode())
        else:
            self._channels[name].deliver(payload, len(data))
