"""Whatever goes wrong between a message and its model ends the turn, with a reason that people see."""

import sys
from typing import Any

import pytest

from agents.agent import Agent, Catalog
from agents.context import AgentContext
from agents.conversation import Conversation
from agents.errors import TurnError
from agents.models import ModelRequest, ScriptedModel
from agents.models.scripted.steps import Call, Step
from agents.services import Services
from agents.tools import tool
from agents.turn.events import ToolResult
from store import ConversationMeta
from tests.support.conversations import World
from tests.support.unstorable import stopped_by

ANSWER = [Step("fine")]


class NameLost(ScriptedModel):
    """Its name cannot be read any more, some time after the definition."""

    name = property(lambda model: model.names.pop(), lambda model, name: None)  # type: ignore[assignment]

    def __init__(self) -> None:
        self.names = ["scripted"]
        super().__init__(ANSWER)


class Exits(ScriptedModel):
    """Wants to end the process."""

    def __init__(self) -> None:
        super().__init__(self.choose)

    def choose(self, request: ModelRequest) -> Step:
        sys.exit("the model gives up")


class NoStream(ScriptedModel):
    """Its stream is none."""

    def __init__(self) -> None:
        super().__init__(ANSWER)

    def stream(self, request: ModelRequest) -> Any:
        return None


@pytest.mark.parametrize("model", [NameLost, Exits, NoStream])
async def test_a_broken_model(world: World, model: type[ScriptedModel]) -> None:
    conversation = await world.start(Agent(name="a", model=model()))
    with pytest.raises(TurnError) as failed:
        await conversation.ask("hello")
    assert (failed.value.reason, failed.value.message) == ("internal", "The turn failed for an internal reason.")


async def _exit(*_: object) -> Any:
    sys.exit(1)


@pytest.mark.parametrize("callback", ["system_prompt", "before_model", "after_model"])
async def test_a_middleware_that_wants_to_end_the_process(world: World, callback: str) -> None:
    culprit = stopped_by(callback, _exit)
    conversation = await world.start(Agent(name="a", model=ScriptedModel(ANSWER), middleware=[culprit]))
    with pytest.raises(TurnError) as failed:
        await conversation.ask("hello")
    assert failed.value.reason == "middleware_failed"
    assert failed.value.message == f"The turn failed: the middleware Culprit failed in {callback}."


async def test_a_tool_that_wants_to_end_the_process(world: World) -> None:
    @tool
    async def leave() -> str:
        """Leave."""
        sys.exit(1)

    script = ScriptedModel([Step(calls=[Call("leave", {})]), *ANSWER])
    conversation = await world.start(Agent(name="a", model=script, tools=[leave]))
    assert (await conversation.ask("hello")).text == "fine"
    [result] = [event for event in await world.events() if isinstance(event, ToolResult)]
    assert (result.status, result.content) == (
        "error",
        f"leave failed with an internal error (call {result.tool_call_id}).",
    )


def _no_context(tenant: str | None, principal: str | None, conversation: ConversationMeta) -> AgentContext:
    raise LookupError(f"no tenant for {conversation.principal}")


def _other_context(tenant: str | None, principal: str | None, conversation: ConversationMeta) -> Any:
    return {"principal": conversation.principal}


@pytest.mark.parametrize("context", [_no_context, _other_context])
async def test_a_context_that_cannot_be_made(world: World, context: Any) -> None:
    agent = Agent(name="a", model=ScriptedModel(ANSWER))
    await world.create(agent)
    catalog = Catalog([agent], context=context)
    conversation = await Conversation.open(Services(store=world.store), "c", catalog)
    with pytest.raises(TurnError) as failed:
        await conversation.ask("hello")
    assert failed.value.reason == "internal"
    await conversation.stop()
