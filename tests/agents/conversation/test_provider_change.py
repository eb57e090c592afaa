"""After a change of the provider, the new one is never sent what only the earlier one can read."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from agents.agent import Agent
from agents.conversation import Conversation
from agents.middleware.compaction import Compaction, Thresholds
from agents.middleware.retry import Retry
from agents.models import Call, ScriptedModel, Step
from agents.models.anthropic.model import AnthropicModel
from agents.tools import tool
from agents.turn.events import AssistantMsg
from agents.turn.inputs import Resolve, UserMessage
from tests.agents.models.test_provider_tools import CALL, CITED, FOUND
from tests.messages_api import ErrorReply, MessagesServer, Reply, ToolUse
from tests.support.conversations import World, ends, rest, say, text

BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
UNKNOWN = {"type": "painting_of_this_provider", "data": "b3BhcXVl"}


@tool(approval="required")
def buy(what: str = "tea") -> str:
    """Buy something."""
    return f"bought {what}"


@pytest.fixture
def other_api() -> Iterator[MessagesServer]:
    """Another provider, that refuses what it has not written itself."""
    with MessagesServer() as server:
        yield server


@pytest.fixture
async def models(messages_api: MessagesServer, other_api: MessagesServer) -> AsyncIterator[list[AnthropicModel]]:
    """One on each of the two, with the same name."""
    made = [
        AnthropicModel("claude", api_key="k", base_url=api.url, retry_pause=0.01, max_retries=0, options=BUDGET)
        for api in (messages_api, other_api)
    ]
    yield made
    for model in made:
        await model.aclose()


def answers_of_all_kinds() -> list[Reply]:
    """What providers write for themselves alone, and words."""
    return [
        Reply("Hello.", thinking="A greeting."),
        Reply("Hello again.", redacted="b3BhcXVl"),
        Reply(thinking="Let me look.", blocks=[CALL, FOUND, CITED]),
        Reply("Look:", blocks=[UNKNOWN]),
        Reply(blocks=[UNKNOWN]),
    ]


async def talk(conversation: Conversation, turns: int) -> None:
    for number in range(turns):
        await say(conversation, f"hello {number}")
        assert await rest(conversation) == "idle"


def sent(server: MessagesServer) -> str:
    return str([received.body["messages"] for received in server.requests])


async def test_another_configuration(
    world: World, messages_api: MessagesServer, other_api: MessagesServer, models: list[AnthropicModel]
) -> None:
    first, second = (Agent(name="a", model=model, tools=[buy]) for model in models)
    messages_api.enqueue(*answers_of_all_kinds())
    conversation = await world.start(first)
    await talk(conversation, 5)
    assert {event.provider for event in await world.events() if isinstance(event, AssistantMsg)} == {
        messages_api.url.removeprefix("http://")
    }

    await world.crash(conversation)
    other_api.enqueue(Reply("Yes.", thinking="By the other."), Reply("Indeed."))
    conversation = await world.open(second)
    await talk(conversation, 2)
    assert other_api.rejections == []
    [_, last] = other_api.requests
    kinds = {block["type"] for message in last.body["messages"] for block in message["content"]}
    assert kinds == {"text", "thinking"}, "its own thinking is there"
    for words in ("Hello.", "Hello again.", CITED["text"], "Look:"):
        assert words in sent(other_api)
    for foreign in ("citations", "encrypted", "painting", "A greeting", "b3BhcXVl"):
        assert foreign not in sent(other_api)

    await world.crash(conversation)
    messages_api.enqueue(Reply("Back."))
    await talk(await world.open(first), 1)
    assert "A greeting." in sent(messages_api)
    assert "By the other." not in sent(messages_api), "the first one gets its own back, and nothing of the second"
    assert len(ends(await world.events())) == 8
    assert {outcome for outcome, _ in ends(await world.events())} == {"completed"}


async def test_another_choice_of_the_sender(
    world: World, messages_api: MessagesServer, other_api: MessagesServer, models: list[AnthropicModel]
) -> None:
    """With compaction, whose reducers find the same messages."""
    messages_api.counts_tokens = other_api.counts_tokens = True
    compaction = Compaction(thresholds=Thresholds(stub=100_000, summary=100_000, window=30, working_set=100_000))
    agent = Agent(name="a", model=models[0], models={"other": models[1]}, middleware=[compaction])
    conversation = await world.start(agent)
    for number, answer in enumerate(answers_of_all_kinds()[:3]):
        for server, choice in ((messages_api, None), (other_api, "other")):
            server.enqueue(answer)
            message = UserMessage(content=text(f"hello {number} {choice}"), model=choice, principal="ada")
            await conversation.send(message)
            assert await rest(conversation) == "idle"
    assert (messages_api.rejections, other_api.rejections) == ([], [])
    assert ends(await world.events()) == [("completed", None)] * 6
    assert "[The oldest messages of this conversation" in sent(other_api)


async def test_in_the_middle_of_a_turn(
    world: World, messages_api: MessagesServer, other_api: MessagesServer, models: list[AnthropicModel]
) -> None:
    """The call that it goes on with was made after the first one's thinking, which the second would miss."""
    first, second = (Agent(name="a", model=model, tools=[buy]) for model in models)
    messages_api.enqueue(Reply("I shall.", thinking="Tea is good.", calls=[ToolUse("buy")]))
    conversation = await world.start(first)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    [call] = conversation.inspect().pending
    await world.crash(conversation)
    conversation = await world.open(second)
    await conversation.resolve(Resolve(tool_call_id=call, decision="approve", principal="bob"))
    other_api.enqueue(Reply("Bought."))
    assert await rest(conversation) == "idle"
    assert other_api.rejections == []
    assert "Tea is good." not in sent(other_api)
    assert "bought tea" in sent(other_api)
    assert ends(await world.events()) == [("completed", None)]


async def test_after_an_answer_that_its_provider_had_paused(
    world: World, messages_api: MessagesServer, other_api: MessagesServer, models: list[AnthropicModel]
) -> None:
    first, second = (Agent(name="a", model=model) for model in models)
    paused = Reply(thinking="Let me look.", blocks=[CALL], stop_reason="pause_turn")
    messages_api.enqueue(paused, Reply("never heard", first_delay=60))
    conversation = await world.start(first)
    await say(conversation, "What is tea?")
    await messages_api.wait_request(2)
    await world.crash(conversation)
    other_api.enqueue(Reply("A drink."))
    conversation = await world.open(second)
    assert await rest(conversation) == "idle"
    assert other_api.rejections == []
    assert [message["role"] for message in other_api.requests[0].body["messages"]] == ["user"]
    assert ends(await world.events()) == [("completed", None)]


async def test_a_fallback_on_another_server(
    world: World, messages_api: MessagesServer, other_api: MessagesServer, models: list[AnthropicModel]
) -> None:
    retry = Retry(retries=0, fallbacks=[models[1]])
    agent = Agent(name="a", model=models[0], middleware=[retry])
    messages_api.enqueue(*answers_of_all_kinds())
    conversation = await world.start(agent)
    await talk(conversation, 5)
    messages_api.enqueue(ErrorReply(529, "overloaded_error"))
    other_api.enqueue(Reply("I stand in."))
    await talk(conversation, 1)
    assert other_api.rejections == []
    assert sent(other_api).count("painting") == 0
    answers = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    assert answers[-1].provider == other_api.url.removeprefix("http://")


async def test_from_the_scripted_model_to_a_provider(
    world: World, messages_api: MessagesServer, models: list[AnthropicModel]
) -> None:
    script = ScriptedModel([Step("I shall.", thinking="Hm.", calls=[Call("buy")]), Step("Done.", thinking="So.")])
    conversation = await world.start(Agent(name="a", model=script, tools=[buy]))
    await say(conversation)
    await rest(conversation)
    [call] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=call, decision="approve", principal="bob"))
    await rest(conversation)
    await world.crash(conversation)
    await talk(await world.open(Agent(name="a", model=models[0], tools=[buy])), 1)
    assert messages_api.rejections == []


def test_the_provider_is_the_address_without_credentials() -> None:
    def provider(url: str | None, **options: Any) -> str:
        return AnthropicModel("m", api_key="k", base_url=url, **options).provider

    assert provider(None) == "api.anthropic.com"
    assert provider("https://user:secret@gateway.example:8443/anthropic/") == "gateway.example:8443/anthropic"
    assert provider("https://gateway.example", provider="anthropic") == "anthropic"
