"""Models in whole conversations: what the log keeps of their answers, and what a strict provider gets back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from agents.agent import Agent
from agents.examples.tools import calculator
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models.anthropic.model import AnthropicModel
from agents.tools import ToolContext, tool
from agents.tools.decorator import provider_tool
from agents.turn.events import AssistantMsg
from agents.turn.inputs import UserMessage
from tests.agents.models.test_media import IMAGE, PDF
from tests.agents.models.test_provider_tools import CALL, CITED, FOUND
from tests.messages_api import MessagesServer, Reply, ToolUse
from tests.support.conversations import PATIENCE, World, ends, rest, say, text

BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
SUM = ToolUse("calculator", {"expression": "6*7"})

Make = Callable[..., Agent]


@pytest.fixture
async def make(messages_api: MessagesServer) -> AsyncIterator[Make]:
    """Makes agents on the real client."""
    models: list[AnthropicModel] = []

    def agent(server: MessagesServer = messages_api, options: Any = None, **fields: Any) -> Agent:
        model = AnthropicModel("claude-opus-4-5", api_key="k", base_url=server.url, retry_pause=0.01, options=options)
        models.append(model)
        return Agent(name="thinker", model=model, system_prompt="Be brief.", **fields)

    yield agent
    for model in models:
        await model.aclose()


@pytest.fixture
def caching() -> Iterator[MessagesServer]:
    with MessagesServer(caches=True) as server:
        yield server


@pytest.fixture
def binding() -> Iterator[MessagesServer]:
    with MessagesServer(binds_thinking=True) as server:
        yield server


class Counter(Middleware):
    """Injects another text into each call."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        return replace(request, injected=text(f"This is call {context.turn}.{context.step}."))


async def answers(world: World) -> list[AssistantMsg]:
    return [event for event in await world.events() if isinstance(event, AssistantMsg)]


async def test_thinking_is_logged_with_its_signature_and_goes_back(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(
        Reply("Let me see.", thinking="Six times seven.", redacted="b3BhcXVl", calls=[SUM]),
        Reply(thinking="", calls=[SUM]),
        Reply("It is 42.", thinking="Sure."),
        Reply("You are welcome."),
    )
    conversation = await world.start(make(options=BUDGET, tools=[calculator]))
    for words in ("What is 6*7?", "Thanks."):
        await say(conversation, words)
        await rest(conversation)
    kinds = [[block["type"] for block in answer.content] for answer in await answers(world)]
    assert kinds[0] == ["thinking", "redacted_thinking", "text", "tool_call"]
    assert kinds[1:3] == [["thinking", "tool_call"], ["thinking", "text"]]
    assert messages_api.rejections == []
    first = (await answers(world))[0].content
    assert messages_api.requests[1].body["messages"][1]["content"][:3] == list(first[:3])
    assert ends(await world.events()) == [("completed", None)] * 2


async def test_thinking_survives_a_crash_in_the_middle_of_a_tool_cycle(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(Reply(thinking="Slowly.", calls=[ToolUse("dawdle")]), Reply("Done."))
    entered = asyncio.Event()
    finish = asyncio.Event()

    @tool
    async def dawdle(context: ToolContext) -> str:
        """Take time."""
        entered.set()
        await finish.wait()
        return "at last"

    agent = make(options=BUDGET, tools=[dawdle])
    conversation = await world.start(agent)
    await say(conversation)
    async with asyncio.timeout(PATIENCE):
        await entered.wait()
    await world.crash(conversation)
    finish.set()
    await rest(await world.open(agent))
    assert messages_api.rejections == []
    assert messages_api.requests[1].body["messages"][1]["content"][0]["thinking"] == "Slowly."


async def test_what_is_injected_does_not_stop_a_provider_that_binds_thinking(
    world: World, make: Make, binding: MessagesServer
) -> None:
    binding.enqueue(*(Reply(thinking="Hm.", calls=[SUM]) for _ in range(3)), Reply("It is 42.", thinking="Yes."))
    conversation = await world.start(make(binding, tools=[calculator], middleware=[Counter()]))
    await say(conversation, "What is 6*7, three times?")
    await rest(conversation)
    assert ends(await world.events()) == [("completed", None)]
    assert len(binding.rejections) == 1, "after the first refusal the provider is told to drop such thinking"
    assert [block["type"] for block in binding.requests[3].body["messages"][1]["content"]] == ["thinking", "tool_use"]


async def test_without_injection_it_keeps_all_of_its_thinking(
    world: World, make: Make, binding: MessagesServer
) -> None:
    binding.enqueue(*(Reply("Hm.", thinking="Hm.", calls=[SUM]) for _ in range(2)), Reply("42.", thinking="Yes."))
    conversation = await world.start(make(binding, tools=[calculator]))
    for _ in range(2):
        await say(conversation, "What is 6*7?")
        await rest(conversation)
    assert binding.rejections == []


async def test_images_and_documents_of_people_and_of_tools(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    @tool
    async def look() -> list[dict[str, Any]]:
        """Look at the screen."""
        return [{"type": "text", "text": "The screen:"}, IMAGE]

    messages_api.enqueue(Reply(calls=[ToolUse("look")]), Reply("A cat and a report."))
    conversation = await world.start(make(tools=[look]))
    await conversation.send(UserMessage(content=[IMAGE, PDF, *text("What is it?")], principal="ada"))
    await rest(conversation)
    sent = messages_api.requests[1].body["messages"]
    assert _unmarked(sent[0]["content"]) == [IMAGE, PDF, *text("What is it?")]
    assert sent[2]["content"][0]["content"] == [*text("The screen:"), IMAGE]
    assert messages_api.rejections == []


@pytest.mark.parametrize("middleware", [[], [Counter()]], ids=["plain", "with something injected"])
async def test_a_provider_tool_that_takes_its_time(
    world: World, make: Make, messages_api: MessagesServer, middleware: list[Middleware]
) -> None:
    """The provider pauses the turn; the search and what it found are logged, and go back as they came."""
    messages_api.enqueue(
        Reply("Let me look.", blocks=[CALL], stop_reason="pause_turn"),
        Reply(blocks=[FOUND, CITED]),
        Reply("About 6,650 km."),
    )
    conversation = await world.start(
        make(tools=[provider_tool("web_search_20250305", "web_search", max_uses=3)], middleware=middleware)
    )
    for words in ("Which river is the longest?", "How long is it?"):
        await say(conversation, words)
        await rest(conversation)
    assert messages_api.rejections == []
    assert [list(answer.content) for answer in await answers(world)] == [
        [*text("Let me look."), CALL],
        [FOUND, CITED],
        text("About 6,650 km."),
    ]
    whole = messages_api.requests[2].body["messages"]
    assert _unmarked(whole[1]["content"]) == [*text("Let me look."), CALL, FOUND, CITED]
    assert ends(await world.events()) == [("completed", None)] * 2


async def test_a_provider_tool_that_never_came_to_its_end(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    """The turn was cancelled while the provider paused it: the conversation goes on without that search."""
    messages_api.enqueue(Reply("Let me look.", blocks=[CALL], stop_reason="pause_turn"), Reply("?", first_delay=60))
    conversation = await world.start(make(tools=[provider_tool("web_search_20250305", "web_search")]))
    await say(conversation, "Which river is the longest?")
    await messages_api.wait_request(2)
    await conversation.cancel("ada")
    await rest(conversation)
    messages_api.enqueue(Reply("I have not looked."))
    await say(conversation, "And?")
    await rest(conversation)
    assert messages_api.rejections == []
    sent = messages_api.requests[2].body["messages"]
    assert [_unmarked(message["content"]) for message in sent] == [
        text("Which river is the longest?"),
        text("Let me look."),
        text("And?"),
    ]


@pytest.mark.parametrize("middleware", [[], [Counter()]], ids=["plain", "with something injected"])
async def test_each_call_reads_from_the_cache_what_the_last_one_wrote(
    world: World, make: Make, caching: MessagesServer, middleware: list[Middleware]
) -> None:
    caching.enqueue(Reply(calls=[SUM] * 12), Reply("It is 42."), Reply("No."))
    conversation = await world.start(make(caching, tools=[calculator], middleware=middleware))
    for words in ("What is 6*7, over and over? " * 50, "Not 43?"):
        await say(conversation, words)
        await rest(conversation)
    usages = [answer.usage for answer in await answers(world)]
    for before, after in pairwise(usages):
        known = before["cache_read_input_tokens"] + before["cache_creation_input_tokens"]
        assert after["cache_read_input_tokens"] == known
        assert after["input_tokens"] < 30, "only what is injected"


async def test_the_cost_is_on_the_answer(world: World, make: Make, messages_api: MessagesServer) -> None:
    reply = Reply("Yes.", input_tokens=100, output_tokens=10, cache_write_tokens=40, cache_read_tokens=1000)
    messages_api.enqueue(reply)
    conversation = await world.start(make())
    await say(conversation)
    await rest(conversation)
    [answer] = await answers(world)
    assert answer.cost == 100 * 5 + 10 * 25 + 40 * 6.25 + 1000 * 0.5
    assert answer.usage["cache_read_input_tokens"] == 1000


async def test_blocks_of_an_unknown_type_are_kept_but_not_sent_to_a_provider_that_refuses_them(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    novel = {"type": "hologram", "data": "x"}
    messages_api.enqueue(Reply(blocks=[novel]), Reply("Yes."), Reply("Yes."))
    conversation = await world.start(make())
    for words in ("Show it.", "And now?", "And now?"):
        await say(conversation, words)
        await rest(conversation)
    assert list((await answers(world))[0].content) == [novel]
    assert ends(await world.events()) == [("completed", None)] * 3
    assert len(messages_api.rejections) == 1, "what it does not know is sent once"


def _unmarked(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in block.items() if key != "cache_control"} for block in content]
