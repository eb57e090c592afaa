"""Conversations in one process, under plain asyncio and without Ray: for scripts, notebooks and tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from agents.agent import Agent, Catalog
from agents.clock import now_ms
from agents.context import AgentContext
from agents.conversation.command_target import find_turn, name_question
from agents.conversation.conversation import Conversation
from agents.errors import Superseded
from agents.ports import NoLimits, Tasks, TurnLimits
from agents.receipt import Receipt
from agents.services import Services
from agents.tools.remote import LocalTasks
from agents.tracing import NoTracer, Tracer
from agents.turn.inputs import Resolve, UserMessage
from store import ConversationExists, Store, connect
from store.embedded import EmbeddedServer

LOCAL_PRINCIPAL = "local"
"""The owner of a conversation that is opened without one."""


Sent = tuple[str | int | None, AgentContext]
"""See `Conversation.open`."""


class LocalConversations:
    """`agents.ports.Conversations` in one process: reaches any conversation by its id, and starts it if need be.

    `live` are the newest incarnations by id. They stay until `aclose`; at rest each takes a few kilobytes. Remote tools
    run in threads, no principal's use is limited, and nothing is recorded, unless the caller says how.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        *,
        tasks: Tasks | None = None,
        limits: TurnLimits | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.live: dict[str, Conversation] = {}
        self._catalog = catalog
        self._services = Services(
            store=store,
            conversations=self,
            tasks=tasks or LocalTasks(),
            limits=limits or NoLimits(),
            tracer=tracer or NoTracer(),
        )
        self._starting: dict[str, asyncio.Task[Conversation]] = {}
        self._delivering: set[asyncio.Task[Receipt]] = set()

    async def open(
        self, conversation_id: str, *, agent: str | None = None, principal: str = LOCAL_PRINCIPAL
    ) -> Conversation:
        """The conversation with this id; if there is none yet, one of `agent` (None: the default) is made.

        A turn that an earlier process left unfinished goes on. Raises `agents.errors.UnknownAgent`.
        """
        name = self._catalog.get(agent or self._catalog.default).name
        with suppress(ConversationExists):
            await self._services.store.registry.create(conversation_id, agent=name, principal=principal, now=now_ms())
        return await self.reach(conversation_id)

    async def reach(self, conversation_id: str, sent: Sent | None = None) -> Conversation:
        """The live incarnation, or a new one, opened for what was `sent`. Raises `store.ConversationNotFound`."""
        live = self.live.get(conversation_id)
        if live is not None and not live.gone.done():
            return live
        if conversation_id not in self._starting:
            starting = asyncio.create_task(self._start_and_keep(conversation_id, sent))
            self._starting[conversation_id] = starting
            starting.add_done_callback(lambda _: self._starting.pop(conversation_id))
        return await asyncio.shield(self._starting[conversation_id])

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        sent = (message.client_id, context)
        return await self._deliver(conversation_id, lambda conversation: conversation.send(message, context), sent)

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt:
        named = await name_question(self._services.store, conversation_id, resolution)
        return await self._deliver(conversation_id, lambda conversation: conversation.resolve(named, context))

    async def cancel(self, conversation_id: str, principal: str | None, turn: int | None = None) -> Receipt:
        wanted = await find_turn(self._services.store, conversation_id) if turn is None else turn
        return await self._deliver(conversation_id, lambda conversation: conversation.cancel(principal, wanted))

    async def start(self, conversation_id: str, sent: Sent | None = None) -> Conversation:
        """A new incarnation, which fences any older one. Raises `store.ConversationNotFound`."""
        return await Conversation.open(self._services, conversation_id, self._catalog, sent)

    async def aclose(self) -> None:
        """Stop every conversation; what is unfinished goes on when it is opened again."""
        for conversation in tuple(self.live.values()):
            await conversation.stop()
        await self._services.mcp.aclose()

    async def _start_and_keep(self, conversation_id: str, sent: Sent | None) -> Conversation:
        conversation = self.live[conversation_id] = await self.start(conversation_id, sent)
        return conversation

    async def _deliver(
        self,
        conversation_id: str,
        command: Callable[[Conversation], Awaitable[Receipt]],
        sent: Sent | None = None,
    ) -> Receipt:
        """Carried out even if the caller is cancelled meanwhile, as it would be in another process."""
        task = asyncio.create_task(self._repeat(conversation_id, command, sent))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)
        return await asyncio.shield(task)

    async def _repeat(
        self, conversation_id: str, command: Callable[[Conversation], Awaitable[Receipt]], sent: Sent | None
    ) -> Receipt:
        while True:
            try:
                return await command(await self.reach(conversation_id, sent))
            except Superseded:
                await asyncio.sleep(0)


@asynccontextmanager
async def local_conversations(
    *agents: Agent, data_dir: str | Path | None = None, redis_url: str | None = None
) -> AsyncIterator[LocalConversations]:
    """Conversations with these agents, of which the first is the default, in a store that this process starts.

    They are kept in `data_dir` and are there again the next time; without it they are lost at the end. With `redis_url`
    they are in that Redis or Valkey instead. Raises `store.embedded.EmbeddedServerError`.
    """
    catalog = Catalog(agents)
    async with AsyncExitStack() as stack:
        store = connect(redis_url or await _start_server(data_dir, stack))
        stack.push_async_callback(store.aclose)
        conversations = LocalConversations(store, catalog)
        stack.push_async_callback(conversations.aclose)
        yield conversations


async def _start_server(data_dir: str | Path | None, stack: AsyncExitStack) -> str:
    directory = data_dir if data_dir is not None else stack.enter_context(TemporaryDirectory(prefix="raylogue-"))
    server = EmbeddedServer(Path(directory))
    await asyncio.to_thread(server.start)
    stack.push_async_callback(asyncio.to_thread, server.stop)
    return server.url
