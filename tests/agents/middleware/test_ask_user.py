"""AskUser: the person sees a form and answers all of it, and the model reads the answers by question id."""

from typing import Any

import orjson
import pytest

from agents.agent import Agent, Expiries
from agents.conversation import Conversation
from agents.errors import Refused
from agents.middleware.ask_user import AskUser, ask_user, form_of
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns
from agents.turn.events import ToolResult
from agents.turn.inputs import Resolve
from tests.support.conversations import World, ends, rest, results, say, spoken, until

COLOUR = {"id": "colour", "prompt": "Which colour?", "options": [{"label": "Red"}, {"label": "Blue"}]}
SIZES = {
    "id": "sizes",
    "prompt": "Which sizes?",
    "options": [{"label": "S", "description": "Up to 170 cm"}, {"label": "L"}],
    "multiple": True,
}
EXTRAS = {"id": "extras", "prompt": "Anything else?", "options": [{"label": "A bow"}], "multiple": True, "free": True}
NAME = {"id": "name", "prompt": "What is your name?"}
EVERYTHING = [COLOUR, SIZES, EXTRAS, NAME]
ANSWERS = {"colour": "Blue", "sizes": ["S", "L"], "extras": ["A bow", "a card"], "name": "Ada"}


def asking_agent(*questions: dict[str, Any], **options: Any) -> Agent:
    """An agent that asks these questions once and then repeats the answers."""

    def ask(request: ModelRequest) -> Step:
        if answers := tool_returns(request.messages):
            return Step(answers[-1].text)
        return Step(calls=[Call("ask_user", {"questions": list(questions)})])

    return Agent(name="asking", model=ScriptedModel(ask), middleware=(AskUser(),), **options)


async def waiting_conversation(world: World, agent: Agent) -> tuple[Conversation, str]:
    """A conversation that waits for an answer, and the id of the call that asks."""
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    [tool_call_id] = conversation.inspect().pending
    return conversation, tool_call_id


async def answer(conversation: Conversation, tool_call_id: str, answer: Any) -> None:
    resolution = Resolve(tool_call_id=tool_call_id, decision="respond", answer=answer, principal="ada")
    await conversation.resolve(resolution)
    assert await rest(conversation) == "idle"


def test_the_form_of_a_call() -> None:
    assert form_of({"questions": EVERYTHING}) == {
        "questions": [
            {
                "id": "colour",
                "prompt": "Which colour?",
                "options": [{"value": "Red", "label": "Red"}, {"value": "Blue", "label": "Blue"}],
                "multiple": False,
                "free": False,
            },
            {
                "id": "sizes",
                "prompt": "Which sizes?",
                "options": [
                    {"value": "S", "label": "S", "description": "Up to 170 cm"},
                    {"value": "L", "label": "L"},
                ],
                "multiple": True,
                "free": False,
            },
            {
                "id": "extras",
                "prompt": "Anything else?",
                "options": [{"value": "A bow", "label": "A bow"}],
                "multiple": True,
                "free": True,
            },
            {"id": "name", "prompt": "What is your name?", "options": [], "multiple": False, "free": True},
        ]
    }


def test_the_model_is_told_when_to_ask() -> None:
    definition = ask_user.definition()
    assert definition["name"] == "ask_user"
    assert "Ask when you cannot go on well without knowing" in definition["description"]
    assert "Do not ask for what you\ncan find out yourself" in definition["description"]
    properties = definition["input_schema"]["$defs"]["Question"]["properties"]
    assert all("description" in properties[field] for field in ("id", "prompt", "options", "multiple", "free"))


async def test_every_kind_of_question_in_one_call(world: World) -> None:
    conversation, call = await waiting_conversation(world, asking_agent(*EVERYTHING))
    shown = conversation.inspect().pending[call]
    assert (shown["executor"], shown["kind"], shown["name"]) == ("human", "elicitation", "ask_user")
    assert shown["form"] == form_of({"questions": EVERYTHING})

    await answer(conversation, call, ANSWERS)

    [(status, read)] = results(await world.events())
    assert (status, orjson.loads(read)) == ("ok", ANSWERS)
    assert spoken(await world.events())[-1] == (read, "completed"), "the model has read it"


@pytest.mark.parametrize(
    ("question", "given"),
    [
        (COLOUR, "Red"),
        ({**COLOUR, "free": True}, "Green, please."),
        (SIZES, ["L"]),
        (EXTRAS, ["a card", "a letter"]),
        (NAME, "Ada"),
    ],
)
async def test_one_question(world: World, question: dict[str, Any], given: Any) -> None:
    conversation, call = await waiting_conversation(world, asking_agent(question))
    await answer(conversation, call, {question["id"]: given})
    [result] = [event for event in await world.events() if isinstance(event, ToolResult)]
    assert orjson.loads(str(result.content)) == {question["id"]: given}
    assert result.principal == "ada"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("Blue", "The answer must be an object with an entry for each of colour, sizes, extras, name."),
        ([ANSWERS], "The answer must be an object with an entry for each of colour, sizes, extras, name."),
        ({}, "Not every question is answered: colour, sizes, extras, name is missing."),
        ({**ANSWERS, "shape": "round"}, "Nobody asked shape; the questions are colour, sizes, extras, name."),
        ({**ANSWERS, "colour": "Green"}, "The answer to colour must be one of Red, Blue, not 'Green'."),
        ({**ANSWERS, "sizes": ["S", "S"]}, "The answer to sizes names the same twice."),
        ({**ANSWERS, "sizes": "S"}, "The answer to sizes must be a list: several may be chosen."),
        ({**ANSWERS, "name": 7}, "The answer to name must be a text, not int."),
    ],
)
async def test_an_answer_that_does_not_fit_changes_nothing(world: World, given: Any, problem: str) -> None:
    conversation, call = await waiting_conversation(world, asking_agent(*EVERYTHING))
    before = await world.events()
    with pytest.raises(Refused) as refused:
        await conversation.resolve(Resolve(tool_call_id=call, decision="respond", answer=given))
    assert (refused.value.code, refused.value.detail) == ("invalid_decision", problem)
    assert await world.events() == before
    await answer(conversation, call, ANSWERS)


@pytest.mark.parametrize(
    ("questions", "problem"),
    [
        ([], "questions: List should have at least 1 item"),
        ([NAME] * 2, "two of the questions are called 'name'"),
        ([{**COLOUR, "options": [{"label": "Red"}] * 2}], "two of the options are called 'Red'"),
        ([{**NAME, "multiple": True}], "a question with several answers needs options"),
        ([{**NAME, "prompt": " "}], "questions.0.prompt: "),
        ([{**NAME, "id": "two words"}], "questions.0.id: "),
        ([{**NAME, "hint": "x"}], "questions.0.hint: Extra inputs are not permitted"),
        ([{"id": f"q{n}", "prompt": "?"} for n in range(11)], "questions: List should have at most 10 items"),
    ],
)
async def test_invalid_questions_are_not_asked(world: World, questions: list[dict[str, Any]], problem: str) -> None:
    conversation = await world.start(asking_agent(*questions))
    await say(conversation)
    assert await rest(conversation) == "idle"
    [(status, read)] = results(await world.events())
    assert status == "error"
    assert read.startswith("Invalid arguments for ask_user: questions")
    assert problem in read
    assert "pydantic" not in read


async def test_a_person_may_refuse_to_answer(world: World) -> None:
    conversation, call = await waiting_conversation(world, asking_agent(NAME))
    await conversation.resolve(Resolve(tool_call_id=call, decision="reject", reason="That is private."))
    await rest(conversation)
    assert results(await world.events()) == [("denied", "Denied by the user: That is private.")]


@pytest.mark.parametrize("decision", ["approve", "edit"])
async def test_there_is_nothing_to_approve(world: World, decision: Any) -> None:
    conversation, call = await waiting_conversation(world, asking_agent(NAME))
    with pytest.raises(Refused) as refused:
        await conversation.resolve(Resolve(tool_call_id=call, decision=decision))
    assert refused.value.code == "invalid_decision"


async def test_a_question_outlives_its_incarnation(world: World) -> None:
    agent = asking_agent(*EVERYTHING)
    conversation, call = await waiting_conversation(world, agent)
    shown = conversation.inspect().pending
    await world.crash(conversation)

    conversation = await world.open(agent)
    assert await rest(conversation) == "awaiting_input"
    assert conversation.inspect().pending == shown
    with pytest.raises(Refused):
        await conversation.resolve(Resolve(tool_call_id=call, decision="respond", answer={"name": "Ada"}))
    await answer(conversation, call, ANSWERS)
    assert orjson.loads(results(await world.events())[0][1]) == ANSWERS


async def test_a_question_expires(world: World) -> None:
    conversation = await world.start(asking_agent(NAME, expiries=Expiries(people=0.0)))
    await say(conversation)
    await until(lambda: ends(conversation.history.events))
    assert results(await world.events()) == [("timeout", "Nobody answered in time.")]
    assert ends(await world.events()) == [("completed", None)]
