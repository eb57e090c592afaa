"""The door: the only way to reach a conversation. It returns the live one or starts it, anywhere in the cluster."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import ray
import structlog
from ray.exceptions import RayActorError, RayError, RayTaskError

from agents.context import AgentContext
from agents.conversation import Glimpse, Receipt
from agents.errors import Superseded
from agents.turn.inputs import Resolve, UserMessage
from deployments.errors import ControlPlaneUnavailable, Unreachable

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")
Actor = Any
"""A handle of a `ConversationActor`; Ray types its methods as never returning."""

ACTOR_NAME = "conversation:{}"
KEPT_HANDLES = 10_000
CONTROL_PLANE_SECONDS = 5.0
CALL_SECONDS = 10.0
START_SECONDS = 60.0
"""How long the first answer may take: a process has to start for it, on a machine that may have much to do."""
PATIENCE_SECONDS = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


def actor_name(conversation_id: str) -> str:
    """The name under which the whole cluster finds the conversation."""
    return ACTOR_NAME.format(conversation_id)


class Door:
    """One per process: `agents.services.Conversations` on the cluster that it belongs to.

    Commands are idempotent (client ids, tool call ids, epochs), so a call that an actor's death left in doubt is
    simply made again. Handles already held keep working while the control plane is away; new ones need it.
    `actor_class` is what is started: an actor has a door itself, so neither module can import the other's class.
    """

    def __init__(self, namespace: str, actor_class: type) -> None:
        self._namespace = namespace
        self._actor_class: Any = ray.remote(actor_class)  # once: every call of it exports the class anew
        self._handles: OrderedDict[str, Actor] = OrderedDict()

    async def ensure_started(self, conversation_id: str) -> Actor:
        """The conversation's actor, started if there is none. Raises `ControlPlaneUnavailable`: nobody can tell."""
        held = self._handles.get(conversation_id)
        return held if held is not None else await self._ask_control_plane(conversation_id, self._get_or_create)

    async def find(self, conversation_id: str) -> Actor | None:
        """The actor if one lives, without starting it."""
        held = self._handles.get(conversation_id)
        return held if held is not None else await self._ask_control_plane(conversation_id, self._get)

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        return await self._call(conversation_id, lambda actor: actor.send.remote(message, context))

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt:
        return await self._call(conversation_id, lambda actor: actor.resolve.remote(resolution, context))

    async def cancel(self, conversation_id: str, principal: str | None) -> Receipt:
        return await self._call(conversation_id, lambda actor: actor.cancel.remote(principal))

    async def wake(self, conversation_id: str) -> Glimpse:
        """Start the conversation if need be, so that it takes up what is unfinished."""
        return await self._call(conversation_id, lambda actor: actor.inspect.remote())

    async def glimpse(self, conversation_id: str) -> Glimpse | None:
        """What a live conversation shows of itself now; None if none lives or it cannot be asked."""
        actor = None
        try:
            actor = await self.find(conversation_id)
            if actor is not None:
                glimpse: Glimpse = await asyncio.wait_for(actor.inspect.remote(), CALL_SECONDS)
                return glimpse
        except RayActorError:
            self._forget(conversation_id, actor)
        except (RayError, TimeoutError, ControlPlaneUnavailable) as error:
            log.info("no_glimpse", conversation=conversation_id, cause=str(error))
        return None

    async def dismiss(self, conversation_id: str) -> None:
        """End the actor of a conversation that has been deleted."""
        actor = await self.find(conversation_id)
        self._handles.pop(conversation_id, None)
        if actor is not None:
            await asyncio.to_thread(ray.kill, actor)

    async def living(self) -> frozenset[str]:
        """The names of all actors that live, in one question to the control plane."""

        def names() -> frozenset[str]:
            everywhere: list[dict[str, str]] = ray.util.list_named_actors(all_namespaces=True)
            return frozenset(found["name"] for found in everywhere if found["namespace"] == self._namespace)

        return await self._ask_control_plane("the cluster", lambda _: names())

    async def _call(self, conversation_id: str, ask: Callable[[Actor], Awaitable[Answer]]) -> Answer:
        """Ask the actor; when it dies under the call, is dying, or has been superseded, ask its successor."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + PATIENCE_SECONDS, FIRST_PAUSE
        while True:
            actor = await self.ensure_started(conversation_id)
            try:
                return await self._answer(conversation_id, actor, ask)
            except RayTaskError as error:
                cause = error.cause
                if not isinstance(cause, Superseded):
                    raise cause from error
            except RayActorError as error:
                log.info("actor_died_under_call", conversation=conversation_id, cause=type(error).__name__)
            except TimeoutError as error:
                raise Unreachable(conversation_id) from error
            self._forget(conversation_id, actor)
            if loop.time() + pause > deadline:
                raise Unreachable(conversation_id)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _answer(self, conversation_id: str, actor: Actor, ask: Callable[[Actor], Awaitable[Answer]]) -> Answer:
        """One try; who has answered once is held."""
        has_answered = self._handles.get(conversation_id) is actor
        answer = await asyncio.wait_for(ask(actor), CALL_SECONDS if has_answered else START_SECONDS)
        self._keep(conversation_id, actor)
        return answer

    async def _ask_control_plane(self, conversation_id: str, ask: Callable[[str], Answer]) -> Answer:
        try:
            return await asyncio.wait_for(asyncio.to_thread(ask, conversation_id), CONTROL_PLANE_SECONDS)
        except RayActorError:
            raise
        except (TimeoutError, RayError, ConnectionError, RuntimeError) as error:
            raise ControlPlaneUnavailable(conversation_id) from error

    def _get_or_create(self, conversation_id: str) -> Actor:
        """`get_if_exists` makes this atomic: of two doors racing, both get the one actor."""
        handle: Actor = self._actor_class.options(
            name=actor_name(conversation_id),
            namespace=self._namespace,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            max_restarts=0,
            max_concurrency=1000,
        ).remote(conversation_id)
        return handle

    def _get(self, conversation_id: str) -> Actor | None:
        try:
            found: Actor = ray.get_actor(actor_name(conversation_id), namespace=self._namespace)
        except ValueError:
            return None
        return found

    def _keep(self, conversation_id: str, handle: Actor) -> None:
        self._handles[conversation_id] = handle
        self._handles.move_to_end(conversation_id)
        if len(self._handles) > KEPT_HANDLES:
            self._handles.popitem(last=False)

    def _forget(self, conversation_id: str, handle: Actor) -> None:
        if self._handles.get(conversation_id) is handle:
            del self._handles[conversation_id]
