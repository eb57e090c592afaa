"""The offline assistant, which a person without an API key talks to on the page."""

import re

import pytest

from agents.examples.offline.assistant import assistant_script
from agents.examples.offline.entities import find_expression, find_timezone
from agents.examples.offline.phrases import NOTICE
from agents.examples.tools import announce, calculator, clock
from agents.models import Json, ScriptedModel
from agents.tools import Tool, ToolContext, run_tool
from tests.support.model_requests import completed, read, request

TOOLS = {tool.name: tool for tool in (clock, calculator, announce)}


class Chat:
    """Talks to the offline assistant and runs the tools that it asks for."""

    def __init__(self, tools: dict[str, Tool] = TOOLS) -> None:
        self.messages: list[Json] = []
        self.called: list[tuple[str, Json]] = []
        self.denial: str | None = None
        self._model = ScriptedModel(assistant_script)
        self._tools = tools

    async def say(self, text: str) -> str:
        """The text of the last answer, after all tools have run."""
        self.messages.append({"role": "user", "content": [{"type": "text", "text": text}]})
        while True:
            definitions = [tool.definition() for tool in self._tools.values()]
            content = completed(await read(self._model, request(self.messages, tools=definitions))).content
            self.messages.append({"role": "assistant", "content": content})
            calls = [block for block in content if block["type"] == "tool_use"]
            if not calls:
                return "".join(block["text"] for block in content)
            self.messages.append({"role": "user", "content": [await self._result(call) for call in calls]})

    async def _result(self, call: Json) -> Json:
        self.called.append((call["name"], call["input"]))
        result = {"type": "tool_result", "tool_use_id": call["id"]}
        if self.denial is not None:
            return {**result, "content": self.denial, "is_error": True}
        outcome = await run_tool(self._tools[call["name"]], call["input"], ToolContext("c", call["id"]))
        return {**result, "content": outcome.content, "is_error": outcome.status != "ok"}


async def test_it_says_once_that_it_is_offline() -> None:
    chat = Chat()
    answers = [await chat.say(text) for text in ("Hello", "Hello again", "What time is it?")]
    assert [NOTICE in answer for answer in answers] == [True, False, False]


async def test_it_says_so_before_a_first_call() -> None:
    chat = Chat()
    await chat.say("What time is it?")
    assert NOTICE in chat.messages[1]["content"][0]["text"]


async def test_it_asks_the_clock() -> None:
    chat = Chat()
    answer = await chat.say("What time is it in Berlin?")
    assert chat.called == [("clock", {"timezone": "Europe/Berlin"})]
    assert re.search(r"It is \*\*\d\d:\d\d\*\* on \w+day, \d{4}-\d\d-\d\d \(Europe/Berlin\)", answer)


async def test_it_calculates() -> None:
    chat = Chat()
    answer = await chat.say("What is (17 + 4) * 2?")
    assert chat.called == [("calculator", {"expression": "(17 + 4) * 2"})]
    assert answer == "`(17 + 4) * 2` is **42**."


async def test_it_calls_two_tools_at_once() -> None:
    chat = Chat()
    answer = await chat.say("What is the time in Tokyo, and what is 6 * 7?")
    assert [name for name, _ in chat.called] == ["clock", "calculator"]
    assert "(Asia/Tokyo)" in answer
    assert "**42**" in answer


async def test_it_announces() -> None:
    chat = Chat()
    assert await chat.say("Please announce that lunch is ready") == "Announced: lunch is ready"
    assert chat.called == [("announce", {"text": "lunch is ready"})]


async def test_it_accepts_a_denial() -> None:
    chat = Chat()
    chat.denial = "Denied: not now."
    answer = await chat.say("announce: lunch is ready")
    assert answer == "`announce` did not go through: Denied: not now."


async def test_a_failed_tool_is_told() -> None:
    chat = Chat()
    assert "Division by zero." in await chat.say("What is 1 / 0?")


async def test_it_remembers() -> None:
    chat = Chat()
    assert "have not told me" in await chat.say("What is my name?")
    assert "Ada Lovelace" in await chat.say("My name is Ada Lovelace.")
    await chat.say("Tell me a story")
    assert await chat.say("what's my name?") == "Your name is Ada Lovelace."
    assert await chat.say("What did I say?") == "Just before, you said: “what's my name?”"


async def test_nothing_was_said_before() -> None:
    assert "first thing you said" in await Chat().say("What did I say?")


async def test_without_the_tool_it_says_so() -> None:
    chat = Chat(tools={})
    assert "`clock`, which this agent does not have" in await chat.say("What time is it?")
    assert chat.called == []


@pytest.mark.parametrize("text", ["help", "Tell me a story", "thanks!", "Hello", "quantum gravity", "🙂", "x" * 5000])
async def test_there_is_always_an_answer(text: str) -> None:
    chat = Chat()
    await chat.say("Hi")
    assert 5 < len(await chat.say(text)) < 2000
    assert chat.called == []


async def test_plain_strings_are_content_too() -> None:
    answer = completed(await read(ScriptedModel(assistant_script), request([{"role": "user", "content": "help"}])))
    assert "announce" in answer.content[0]["text"]


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("what is 2+2?", "2+2"),
        ("17 times (3 + 4)", "17 * (3 + 4)"),
        ("100 divided by 7.", "100 / 7"),
        ("2 to the power of 10", "2 ** 10"),
        ("the square root of 16 plus 2", "sqrt(16) + 2"),
        ("sqrt(2) * pi", "sqrt(2) * pi"),
        ("3 x 4 =", "3 * 4"),
        ("(what is 3 * 4)", "3 * 4"),
        ("-3 - -4", "-3 - -4"),
        ("I have 3 cats", None),
        ("on 2024-01-05", None),
        ("am 05.01.2024", None),
        ("call me at 555 1234", None),
        ("well-known (really)", None),
        ("", None),
    ],
)
def test_expressions(text: str, expression: str | None) -> None:
    assert find_expression(text) == expression


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("time in Berlin", "Europe/Berlin"),
        ("time in New York please", "America/New_York"),
        ("time in America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        ("time in UTC", None),
        ("what time is it", None),
        ("time in a minute", None),
    ],
)
def test_time_zones(text: str, zone: str | None) -> None:
    assert find_timezone(text) == zone
