"""Conversations whose own actor has to be started: their commands are accepted in the log, and the start follows."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

import orjson
import structlog

from agents.agent import Catalog
from agents.conversation import Conversation
from agents.conversation.abort_turn import give_up_start_in_log
from agents.conversation.acceptance import NeedsIncarnation, accepting
from agents.conversation.crash_loops import must_be_alone
from agents.errors import Refused, Superseded
from agents.ports import Conversations
from agents.services import Services
from agents.turn import State
from deployments.access.known_limits import KnownLimits
from deployments.access.turn_limits import TurnLimits
from deployments.process.tracing import tracer_of
from deployments.routing.control_plane import Actor, cluster_name
from deployments.routing.errors import Unreachable
from deployments.routing.placement import actor_name
from deployments.routing.start_line import StartLine
from deployments.settings import Settings
from store import ConversationMeta, Fenced, Store
from store.errors import Conflict

log = structlog.get_logger(__name__)

T = TypeVar("T")
Command = Callable[[Actor, int], Awaitable[T]]
"""A call of an actor, with the number of the door's code version."""
Accept = Callable[[Conversation], Awaitable[T]]
"""The same command, to a conversation that accepts it in its log and carries nothing out."""
MAX_DEATHS = 3
"""A start is given up when the actor has died again and again while it was made, in so many rounds of tries."""


class Reach(NamedTuple):
    """What the door does here: `call` starts an actor and calls it, `end` ends the one of that name, or its start."""

    conversations: Conversations
    call: Callable[[str, Command[Any]], Awaitable[object]]
    end: Callable[[str, str], Awaitable[None]]


class DedicatedStarts:
    """Of one door."""

    def __init__(
        self, settings: Settings, store: Store, agents: Catalog, line: StartLine, reach: Reach, limits: KnownLimits
    ) -> None:
        self._patience = settings.start_seconds
        self._tracer = tracer_of(settings, "door")
        self._limits = TurnLimits(limits, store)
        self._store = store
        self._agents = agents
        self._line = line
        self._reach = reach

    async def accept(
        self, meta: ConversationMeta, accept: Accept[T], first: Command[Any], *, messages: bool = False
    ) -> T:
        """Accept a command for a conversation that lives nowhere; if there is work then, its actor is started.

        The start is in the background. The actor's `first` call makes it go on. `messages`: the command is a message,
        for which more of the log is read. Raises `Superseded` if the conversation may live now: then call it; and what
        the command raises.
        """
        services = Services(
            store=self._store,
            conversations=self._reach.conversations,
            cluster=cluster_name(),
            limits=self._limits,
            tracer=self._tracer,
        )
        try:
            async with accepting(services, self._agents, meta, messages=messages) as conversation:
                try:
                    accepted = await accept(conversation)
                except (Refused, NeedsIncarnation):
                    await self._follow(conversation, first)
                    raise
                await self._follow(conversation, first)
                return accepted
        except (Fenced, Conflict) as error:
            raise Superseded(meta.id) from error
        except NeedsIncarnation as error:
            await self._line.wait(meta.id)
            raise Superseded(meta.id) from error

    async def require_room(self, conversation: Conversation, client_id: str | None) -> None:
        """Raises `Refused` if the line is too long for one more conversation."""
        is_new = not conversation.is_in_turn and not await conversation.find_receipt(client_id)
        if is_new and await self._line.is_full():
            raise Refused("cluster_full", "So many conversations wait for a process of their own; try again.")

    async def _follow(self, conversation: Conversation, first: Command[Any]) -> None:
        """Put the conversation into the line if there is work in it; take it out if there is none any more."""
        now = conversation.inspect()
        if conversation.is_in_turn:
            suspect = must_be_alone(conversation.meta)  # there may be many: people do not wait behind them
            start = partial(self._start, conversation.id, first)
            self._line.enter(conversation.id, now.turn, now.epoch, start, yields=suspect)
        elif self._line.leave(conversation.id):
            await self._reach.end(conversation.id, actor_name(conversation.id))

    async def _start(self, conversation_id: str, first: Command[Any]) -> None:
        """Start the actor; again if that fails, until its turn is over, or the start is given up."""
        loop = asyncio.get_running_loop()
        give_up_at, deaths = loop.time() + self._patience, 0
        if self._agents.get((await self._store.registry.get(conversation_id)).agent).ray:
            await self._line.release(conversation_id)  # Ray starts it when its resources are free
        while True:
            try:
                await self._reach.call(conversation_id, first)
            except Unreachable as error:
                is_silent = isinstance(error.__cause__, TimeoutError)
                deaths += not is_silent
                log.warning("start_failed", conversation_id=conversation_id, silent=is_silent)
            else:
                return
            meta = await self._store.registry.get(conversation_id)
            if meta.state is None or orjson.loads(meta.state)["state"] == State.IDLE:
                return
            if deaths >= MAX_DEATHS or loop.time() > give_up_at:
                with suppress(Fenced):  # it lives after all
                    await self._give_up(meta, died=deaths >= MAX_DEATHS)
                    return

    async def _give_up(self, meta: ConversationMeta, *, died: bool) -> None:
        asked = dict(self._agents.get(meta.agent).ray or {})
        if died:
            why = "it ended whenever it was made"
        elif asked:
            why = f"what its agent asks for is free on no node ({', '.join(map(str, asked))})"
        else:
            why = "it did not answer in time"
        log.error("start_given_up", conversation_id=meta.id, cause=why)
        await give_up_start_in_log(self._store, meta, f"No process could be started for this turn: {why}.")
        await self._reach.end(meta.id, actor_name(meta.id))


def wake(conversation_id: str) -> Command[Any]:
    """The call that makes a conversation go on with what is unfinished."""
    return lambda actor, version: actor.wake.remote(conversation_id, version)
