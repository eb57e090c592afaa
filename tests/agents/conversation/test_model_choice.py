"""A message may choose among the agent's models, for the turn that it begins."""

import pytest

from agents.agent import Agent
from agents.errors import Refused
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.turn.events import AssistantMsg, UserMsg
from agents.turn.inputs import UserMessage
from tests.support.conversations import World, rest, say


@tool
def look() -> str:
    """Look around."""
    return "nothing"


def agent() -> Agent:
    def model(name: str) -> ScriptedModel:
        return ScriptedModel([Step(calls=[Call("look")]), Step(name)] * 3, name=name)

    return Agent(name="a", model=model("plain"), models={"clever": model("clever")}, tools=(look,))


def wish(model: str | None, on_busy: str = "reject") -> UserMessage:
    return UserMessage(content=[{"type": "text", "text": "hello"}], model=model, on_busy=on_busy)  # type: ignore[arg-type]


async def test_the_choice_holds_for_the_whole_turn_and_no_longer(world: World) -> None:
    conversation = await world.start(agent())
    await conversation.send(wish("clever"))
    await rest(conversation)
    await say(conversation)
    await rest(conversation)
    answers = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    assert [answer.model for answer in answers] == ["clever", "clever", "plain", "plain"]
    assert [event.model for event in await world.events() if isinstance(event, UserMsg)] == ["clever", None]


async def test_the_choice_survives_a_crash(world: World) -> None:
    conversation = await world.start(agent())
    await conversation.send(wish("clever"))
    await world.crash(conversation)
    conversation = await world.open(agent())
    await rest(conversation)
    answers = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    assert {answer.model for answer in answers} == {"clever"}


async def test_an_unknown_model_is_refused(world: World) -> None:
    conversation = await world.start(agent())
    with pytest.raises(Refused) as refused:
        await conversation.send(wish("unheard of"))
    assert refused.value.code == "unknown_model"
    assert await world.events() == []
