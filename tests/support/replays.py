"""Parts for the tests of replay: a model that keeps its requests, and a replayer over the test's world."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from agents.agent import Agent, Catalog
from agents.models import ModelEvent, ModelRequest, ScriptedModel
from agents.models.retry import RetryPolicy
from agents.models.scripted.steps import ScriptFunction
from agents.ports import TurnLimits
from agents.replay.change import Change
from agents.replay.replay import Compared, Replayer, ReplaySpec
from agents.services import Services
from store import Store, connect
from tests.support.conversations import World

HASTY = RetryPolicy(max_retries=2, first_pause=0.0, max_pause=0.0)


class KeepingModel(ScriptedModel):
    """Keeps all requests, in order."""

    def __init__(self, script: ScriptFunction, *, name: str = "scripted") -> None:
        super().__init__(script, name=name)
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        async for event in super().stream(request):
            yield event


@asynccontextmanager
async def store_apart(world: World) -> AsyncIterator[Store]:
    """The store of the replays' own conversations; when it is closed, nothing is left in it."""
    apart = connect(world._url, prefix=world._prefix, apart="replay")
    try:
        yield apart
        redis = apart._client.redis
        left = [key async for key in redis.scan_iter(match=f"{world._prefix}-replay:*conversation*")]
        assert left == [], "a replay has left a conversation behind"
    finally:
        await apart.aclose()


def replayer(world: World, apart: Store, *agents: Agent, limits: TurnLimits | None = None, **spec: Any) -> Replayer:
    """A replayer for `ada` with these agents; `model`, `system_prompt` and `without_tools` are what it changes."""
    services = Services(store=world.store, mcp=world.mcp, limits=limits or world.limits)
    change = Change(**{name: spec.pop(name) for name in ("model", "system_prompt", "without_tools") if name in spec})
    asked = ReplaySpec(**{"replay_id": "r1", "principal": "ada", "change": change, **spec})
    return Replayer(services, apart, Catalog(agents), asked, HASTY)


async def replayed(world: World, *agents: Agent, conversation_id: str = "c", **spec: Any) -> list[Compared]:
    """All that a replay of the conversation compares; afterwards what it has kept is deleted."""
    async with store_apart(world) as apart:
        made = replayer(world, apart, *agents, **spec)
        try:
            return [one async for one in made.replay(await world.store.registry.get(conversation_id))]
        finally:
            await made.forget(conversation_id)


def on_model(agent: Agent, model: Any) -> Agent:
    """The same agent on another model."""
    return replace(agent, model=model)
