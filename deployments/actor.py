"""The doorman of one conversation: a named Ray actor that activates it, delivers to it, and leaves when it is gone."""

import asyncio
import os
from typing import Any

import ray

from agents.context import AgentContext
from agents.conversation import Conversation, Glimpse, Receipt
from agents.services import Services
from agents.turn.inputs import Resolve, UserMessage
from deployments.catalog import catalog
from deployments.door import Door
from deployments.settings import Settings
from deployments.tasks import RayTasks
from deployments.telemetry import configure_logging
from store import ConversationNotFound, Store, StoreUnavailable, connect


def connect_store(settings: Settings) -> Store:
    """This process's store, on the server that the settings name."""
    if settings.redis_url is None:
        raise ValueError("RAYLOGUE_REDIS_URL is not set: `raylogue up` sets it, and so must a cluster's nodes")
    return connect(settings.redis_url, prefix=settings.prefix, cluster=settings.redis_cluster)


class ConversationActor:
    """Holds the one live incarnation of a conversation; all that matters about it is in its log."""

    def __init__(self, conversation_id: str) -> None:
        configure_logging()
        settings = Settings()
        self._id = conversation_id
        self._store = connect_store(settings)
        self._services = Services(store=self._store, conversations=open_door(settings.namespace), tasks=RayTasks())
        self._catalog = catalog(settings)
        self._activation: asyncio.Task[Conversation] | None = None

    async def send(self, message: UserMessage, context: AgentContext) -> Receipt:
        return await (await self._live()).send(message, context)

    async def resolve(self, resolution: Resolve, context: AgentContext) -> Receipt:
        return await (await self._live()).resolve(resolution, context)

    async def cancel(self, principal: str | None) -> Receipt:
        return await (await self._live()).cancel(principal)

    async def inspect(self) -> Glimpse:
        return (await self._live()).inspect()

    async def stop(self) -> None:
        """Leave in good order; the process ends once the answer is out."""
        await (await self._live()).stop()

    async def pid(self) -> int:
        """The process, for operators and for tests that kill it."""
        return os.getpid()

    async def exit(self) -> None:
        """End this process: a detached actor lives until it says so."""
        await self._services.mcp.aclose()
        await self._store.aclose()
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]  # Ray has no type for it

    async def _live(self) -> Conversation:
        """The conversation, activated by whoever asks first."""
        if self._activation is None:
            self._activation = asyncio.create_task(self._activate())
        try:
            return await asyncio.shield(self._activation)
        except Exception:
            self._activation = None
            raise

    async def _activate(self) -> Conversation:
        try:
            conversation = await Conversation.open(self._services, self._id, self._catalog)
        except (ConversationNotFound, StoreUnavailable):
            self._leave()  # the sweeper must not take this for a living conversation
            raise
        self._departure = asyncio.create_task(self._leave_with(conversation))
        return conversation

    async def _leave_with(self, conversation: Conversation) -> None:
        """When the incarnation is over (stopped, or fenced by a newer one), so is the actor."""
        await conversation.gone.wait()
        self._leave()

    def _leave(self) -> None:
        """End this process once the answers under way are out."""
        me: Any = ray.get_runtime_context().current_actor
        me.exit.remote()


def open_door(namespace: str) -> Door:
    """A door to the conversations of this deployment."""
    return Door(namespace, ConversationActor)
