"""ModelCalls: exactly what was sent and how the call ended, for a limited time, without a delay of the turn."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.errors import AgentDefinitionError, ModelError
from agents.examples.offline.assistant import assistant_script
from agents.examples.tools import calculator
from agents.middleware.model_calls import ModelCalls
from agents.middleware.parallel import Parallel
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware, StreamCall
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, ModelEvent, ModelRequest, ScriptedModel, Step
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import ErrorReply, MessagesServer
from tests.support.conversations import PATIENCE, World, ends, rest, say, spoken, text, until

KEY = "sk-very-secret"


class Inject(Middleware):
    """Changes the request; it is after ModelCalls in the list, but runs before the stream."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        return replace(request, injected=text("It is noon."))


class UpperCase(Middleware):
    """Wraps the stream."""

    def stream(self, request: ModelRequest, call: StreamCall, context: TurnContext) -> AsyncGenerator[ModelEvent, None]:
        return call(replace(request, system=request.system.upper()))


class Unserialisable(Middleware):
    """Sends half of a surrogate pair in the first turn, which cannot be serialised."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        return replace(request, system=["\ud83d"]) if context.turn == 1 else request


def agent(model: Any, *middleware: Middleware, **fields: Any) -> Agent:
    return Agent(name="audited", model=model, system_prompt="Be brief.", middleware=middleware, **fields)


async def entries(world: World, count: int) -> list[dict[str, Any]]:
    """Wait until there are `count` entries; returns them, oldest first."""
    found: list[bytes] = []

    async def look() -> int:
        found[:] = await world.store.model_calls.list("c", limit=100)
        return len(found)

    async with asyncio.timeout(PATIENCE):
        while await look() < count:
            continue
    assert len(found) == count
    return [orjson.loads(entry) for entry in reversed(found)]


async def test_the_request_and_its_answer(world: World) -> None:
    steps = [Step(calls=[Call("calculator", {"expression": "6*7"})]), Step("It is 42.")]
    audited = agent(ScriptedModel(steps), UpperCase(), ModelCalls(), Inject(), tools=[calculator])
    conversation = await world.start(audited)
    before = now_ms()
    await say(conversation, "What is 6*7?")
    await rest(conversation)
    first, second = await entries(world, 2)
    assert first["request"] == {
        "system": "BE BRIEF.",
        "messages": [{"role": "user", "content": [*text("What is 6*7?"), *text("It is noon.")]}],
        "tools": [calculator.definition()],
        "max_tokens": 8192,
        "model": None,
        "output_schema": None,
        "stable": 0,
        "injected": 1,
    }
    assert first["answer"]["stop_reason"] == "tool_use"
    assert {key: first[key] for key in ("conversation_id", "turn", "step", "principal")} == {
        "conversation_id": "c",
        "turn": 1,
        "step": 1,
        "principal": "ada",
    }
    assert before <= first["at"] <= second["at"] <= now_ms()
    assert 0 <= first["duration_ms"] <= now_ms() - before
    assert (second["step"], second["answer"]["model"]) == (2, "scripted")
    assert second["answer"]["usage"]["output_tokens"] > 0
    assert second["request"]["messages"][-1]["content"][-1] == {"type": "text", "text": "It is noon."}


async def test_a_failed_call(world: World) -> None:
    failing = ScriptedModel([Step("so far", failure=ModelError("overloaded", "Too much."), fails="after")])
    conversation = await world.start(agent(failing, ModelCalls()))
    await say(conversation)
    await rest(conversation)
    [entry] = await entries(world, 1)
    assert entry["error"] == {"reason": "overloaded", "message": "Too much."}
    assert "answer" not in entry


async def test_a_cancelled_call(world: World) -> None:
    conversation = await world.start(agent(ScriptedModel([Step("so far", hangs="after")]), ModelCalls()))
    await say(conversation)
    await until(lambda: (conversation.inspect().streaming or {}).get("text") == "so far")
    await conversation.cancel("ada")
    await rest(conversation)
    [entry] = await entries(world, 1)
    assert entry["error"]["reason"] == "stopped"


async def test_an_unexpected_exception(world: World) -> None:
    class Broken:
        name = "broken"

        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            raise KeyError(KEY)
            yield

    conversation = await world.start(agent(Broken(), ModelCalls()))
    await say(conversation)
    await rest(conversation)
    [entry] = await entries(world, 1)
    assert entry["error"] == {"reason": "internal", "message": "KeyError"}
    assert KEY not in str(entry)


@pytest.mark.parametrize("refuses", [False, True])
async def test_no_key_is_recorded(world: World, messages_api: MessagesServer, refuses: bool) -> None:
    if refuses:
        messages_api.responder = lambda _: ErrorReply(401, "authentication_error", f"invalid x-api-key {KEY}")
    model = AnthropicModel("claude", api_key=KEY, base_url=messages_api.url, headers={"x-api-key": KEY})
    conversation = await world.start(agent(model, ModelCalls()))
    await say(conversation)
    await rest(conversation)
    [entry] = await entries(world, 1)
    await model.aclose()
    assert ("error" in entry) == refuses
    assert KEY not in str(entry)
    assert messages_api.url not in str(entry)


async def test_entries_have_the_given_lifetime(world: World) -> None:
    conversation = await world.start(agent(ScriptedModel(assistant_script), ModelCalls(lifetime=100)))
    await say(conversation)
    await rest(conversation)
    await entries(world, 1)
    key = world.store.keys.conversation("c").model_calls
    assert 0 < await world.store._client.redis.ttl(key) <= 100


async def test_a_call_that_cannot_be_recorded_is_only_missing(world: World) -> None:
    conversation = await world.start(agent(ScriptedModel([Step("One."), Step("Two.")]), Unserialisable(), ModelCalls()))
    for words in ("Be odd.", "Be plain."):
        await say(conversation, words)
        await rest(conversation)
    [entry] = await entries(world, 1)
    assert entry["turn"] == 2
    events = await world.events()
    assert [words for words, _ in spoken(events)] == ["One.", "Two."]
    assert ends(events) == [("completed", None)] * 2


def test_it_must_be_the_last_that_wraps_the_stream() -> None:
    agent(ScriptedModel(assistant_script), UpperCase(), ModelCalls(), Inject())
    agent(ScriptedModel(assistant_script), Parallel(Inject(), ModelCalls()))
    for wrong in ([ModelCalls(), UpperCase()], [ModelCalls(), Parallel(Inject(), UpperCase())]):
        with pytest.raises(AgentDefinitionError, match="UpperCase must come before ModelCalls"):
            agent(ScriptedModel(assistant_script), *wrong)


def test_it_needs_a_lifetime() -> None:
    with pytest.raises(AgentDefinitionError, match="lifetime"):
        agent(ScriptedModel(assistant_script), ModelCalls(lifetime=0))
