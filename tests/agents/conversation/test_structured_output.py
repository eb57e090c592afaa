"""What an answer must be before the turn ends: an object of a class, or the success of a certain tool."""

from pydantic import BaseModel

from agents.agent import Agent
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.tools import tool
from agents.turn.events import AssistantMsg, UserMsg
from tests.support.conversations import World, ends, rest, results, say, spoken


class City(BaseModel):
    name: str
    people: int


def cities(*texts: str) -> Agent:
    return Agent(name="a", model=ScriptedModel([Step(text) for text in texts]), output=City)


async def test_the_object_is_kept_on_the_message(world: World) -> None:
    conversation = await world.start(cities('{"name": "Ulm", "people": 126000}'))
    await say(conversation)
    await rest(conversation)
    [answer] = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    assert answer.output == {"name": "Ulm", "people": 126000}


async def test_the_model_is_told_the_schema(world: World) -> None:
    seen: list[ModelRequest] = []

    def script(request: ModelRequest) -> Step:
        seen.append(request)
        return Step('{"name": "Ulm", "people": 1}')

    conversation = await world.start(Agent(name="a", model=ScriptedModel(script), output=City))
    await say(conversation)
    await rest(conversation)
    assert seen[0].output_schema is not None
    assert set(seen[0].output_schema["properties"]) == {"name", "people"}


async def test_a_wrong_object_is_asked_for_again_with_the_reason(world: World) -> None:
    conversation = await world.start(cities('{"name": "Ulm"}', '{"name": "Ulm", "people": 7}'))
    await say(conversation)
    await rest(conversation)
    events = await world.events()
    [_, again] = [event for event in events if isinstance(event, UserMsg)]
    assert again.origin == "agent"
    assert "people: Field required" in again.content[0]["text"]
    assert [event.output for event in events if isinstance(event, AssistantMsg)] == [None, {"name": "Ulm", "people": 7}]
    assert ends(events) == [("completed", None)]


async def test_a_model_that_never_gives_the_object_fails_the_turn(world: World) -> None:
    conversation = await world.start(cities("Ulm", "Ulm!", "Ulm!!", "never asked"))
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "invalid_output")]
    assert [text for text, _ in spoken(await world.events())] == ["Ulm", "Ulm!", "Ulm!!"]


@tool
def hand_in(text: str) -> str:
    """Hand in the work."""
    if text == "blank":
        raise RuntimeError("nothing there")
    return "taken"


def pupil(*steps: Step) -> Agent:
    return Agent(name="a", model=ScriptedModel(list(steps)), tools=(hand_in,), until_tool="hand_in")


async def test_the_success_of_the_tool_ends_the_turn(world: World) -> None:
    conversation = await world.start(pupil(Step("Here.", calls=[Call("hand_in", {"text": "essay"})]), Step("never")))
    await say(conversation)
    await rest(conversation)
    assert results(await world.events()) == [("ok", "taken")]
    assert [text for text, _ in spoken(await world.events())] == ["Here."]
    assert ends(await world.events()) == [("completed", None)]


async def test_an_answer_without_the_tool_is_not_the_end(world: World) -> None:
    steps = (
        Step("I am done."),
        Step(calls=[Call("hand_in", {"text": "blank"})]),
        Step(calls=[Call("hand_in", {"text": "essay"})]),
    )
    conversation = await world.start(pupil(*steps))
    await say(conversation)
    await rest(conversation)
    events = await world.events()
    assert "hand_in" in [event for event in events if isinstance(event, UserMsg)][1].content[0]["text"]
    assert [status for status, _ in results(events)] == ["error", "ok"]
    assert ends(events) == [("completed", None)]
