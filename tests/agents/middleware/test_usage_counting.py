"""Whatever a provider bills is counted once: finished and broken answers, retries, repairs, titles and summaries."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from agents.agent import Agent
from agents.clock import now_ms
from agents.context import AgentContext
from agents.conversation import Conversation
from agents.middleware.compaction import Compaction
from agents.middleware.compaction.compaction import Thresholds
from agents.middleware.conversation_title import ConversationTitle
from agents.middleware.retry import Retry
from agents.models import Completed, ModelRequest, ScriptedModel, Step, TextChunk, TokenUsage
from agents.models.anthropic.model import AnthropicModel
from agents.models.prices import cost_of
from agents.tools import ToolContext, tool
from agents.turn.events import AssistantMsg
from agents.turn.inputs import UserMessage
from store.registries.usage import UsageTotal, conversation_scope, day_of, person_scope, tenant_scope
from tests.messages_api import ErrorReply, MessagesServer, Reply, ToolUse
from tests.messages_api.reply import Trouble
from tests.support.conversations import World, ends, rest, say, text, until

MODEL = "claude-opus-4-5"
Make = Callable[..., Agent]


@pytest.fixture
async def make(messages_api: MessagesServer) -> AsyncIterator[Make]:
    """Makes agents on the real client."""
    models: list[AnthropicModel] = []

    def agent(middleware: Sequence[Any] = (), **fields: Any) -> Agent:
        model = AnthropicModel(MODEL, api_key="k", base_url=messages_api.url, retry_pause=0.01)
        models.append(model)
        return Agent(name="payer", model=model, middleware=middleware, **fields)

    yield agent
    for model in models:
        await model.aclose()


async def total(world: World, tokens: int | None = None) -> UsageTotal:
    """The usage of the conversation, which is that of its person's day; if given, once there are so many tokens."""
    scope = conversation_scope("c")
    async with asyncio.timeout(10):
        while tokens is not None and (await world.store.usage.total(scope)).tokens < tokens:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    used = await world.store.usage.total(scope)
    assert await world.store.usage.total(person_scope("ada", day_of(now_ms()))) == used
    return used


def bill(*answers: tuple[int, int]) -> UsageTotal:
    """The usage of answers with so many tokens of input and of output."""
    costs = [cost_of(MODEL, {"input_tokens": read, "output_tokens": written}) for read, written in answers]
    return UsageTotal(sum(map(sum, answers)), sum(cost or 0 for cost in costs))


async def test_an_answer_counts_with_what_its_provider_says(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(Reply("Yes.", input_tokens=100, cache_read_tokens=50, cache_write_tokens=20, output_tokens=30))
    conversation = await world.start(make())
    await say(conversation)
    await rest(conversation)
    usage = {
        "input_tokens": 100,
        "cache_read_input_tokens": 50,
        "cache_creation_input_tokens": 20,
        "output_tokens": 30,
    }
    assert await total(world) == UsageTotal(200, cost_of(MODEL, usage) or 0)


async def test_a_cancelled_answer_counts_with_what_is_known_of_it(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    words = ["A hundred. "] * 20
    messages_api.enqueue(Reply([*words, "End."], input_tokens=100, trouble=Trouble("stall", after=20)))
    conversation = await world.start(make())
    await say(conversation)
    message = "".join(words)
    await until(lambda: (conversation.inspect().streaming or {}).get("text") == message)
    await conversation.cancel("ada")
    await rest(conversation)
    assert await total(world, 100 + len(message) // 4) == bill((100, len(message) // 4))


async def test_of_a_process_that_dies_in_an_answer_its_input_is_counted(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(Reply(["Well", "then"], input_tokens=100, trouble=Trouble("stall", after=1)))
    conversation = await world.start(make())
    await say(conversation)
    assert (await total(world, 100)).tokens == 101, "the provider says one token of output at the beginning"
    messages_api.enqueue(Reply("Yes.", input_tokens=100, output_tokens=5))
    await world.crash(conversation)
    again = await world.open(world.agents["payer"])
    await rest(again)
    assert ends(await world.events()) == [("completed", None)]
    assert await total(world, 200) == bill((100, 1), (100, 5)), "the repeated call is billed, too"


@pytest.mark.parametrize("kind", ["drop", "truncate", "error", "bad_json", "bad_event"])
async def test_a_broken_answer_counts(world: World, make: Make, messages_api: MessagesServer, kind: Any) -> None:
    messages_api.enqueue(Reply(["abcd", "efgh", "ijkl"], input_tokens=100, trouble=Trouble(kind, after=2)))
    conversation = await world.start(make())
    await say(conversation)
    await rest(conversation)
    assert [outcome for outcome, _ in ends(await world.events())] == ["failed"]
    assert await total(world) == bill((100, 2))


async def test_each_attempt_counts_that_the_provider_has_begun_to_answer(
    world: World, make: Make, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(
        ErrorReply(529, "overloaded_error"),
        Reply("No.", input_tokens=100, trouble=Trouble("error", after=0)),
        Reply("Yes.", input_tokens=100, output_tokens=5),
    )
    conversation = await world.start(make())
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("completed", None)]
    assert await total(world) == bill((100, 1), (100, 5))


class Verdict(BaseModel):
    good: bool


async def test_repairs_of_structured_output_count(world: World, make: Make, messages_api: MessagesServer) -> None:
    messages_api.enqueue(
        Reply('{"good": "perhaps"}', input_tokens=100, output_tokens=7),
        Reply('{"good": true}', input_tokens=120, output_tokens=6),
    )
    conversation = await world.start(make(output=Verdict))
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("completed", None)]
    assert await total(world) == bill((100, 7), (120, 6))


async def test_titles_and_summaries_count(world: World, make: Make, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("One. " * 100, input_tokens=1000, output_tokens=100))
    thresholds = Thresholds(stub=10, summary=10, window=100_000, working_set=100_000)
    agent = make(middleware=[Compaction(thresholds=thresholds, keep_turns=1)])
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    messages_api.enqueue(
        Reply("Two.", input_tokens=1100, output_tokens=2), Reply("A summary.", input_tokens=500, output_tokens=9)
    )
    await say(conversation)
    await rest(conversation)
    assert await total(world, 2600) == bill((1000, 100), (1100, 2), (500, 9))


async def test_titles_count(world: World, make: Make, messages_api: MessagesServer) -> None:
    messages_api.enqueue(
        Reply("Yes.", input_tokens=100, output_tokens=2), Reply("A question", input_tokens=70, output_tokens=3)
    )
    conversation = await world.start(make(middleware=[ConversationTitle()]))
    await say(conversation)
    await rest(conversation)
    assert await total(world, 170) == bill((100, 2), (70, 3))


async def test_what_a_tool_asks_a_model_counts(world: World, make: Make, messages_api: MessagesServer) -> None:
    @tool
    async def ask(context: ToolContext) -> str:
        """Ask a model."""
        request = ModelRequest("", [{"role": "user", "content": text("hello")}])
        return "".join([event.text async for event in agent.model.stream(request) if isinstance(event, TextChunk)])

    messages_api.enqueue(
        Reply("", calls=[ToolUse("ask")], input_tokens=100, output_tokens=9),
        Reply("Indeed.", input_tokens=10, output_tokens=2),
        Reply("Done.", input_tokens=130, output_tokens=1),
    )
    agent = make(tools=[ask])
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    assert await total(world, 250) == bill((100, 9), (10, 2), (130, 1))


class Foreign:
    """A model that reports no usage but what its complete answers have."""

    name = MODEL

    async def stream(self, request: ModelRequest) -> AsyncIterator[Any]:
        yield TextChunk("Yes.")
        yield Completed([{"type": "text", "text": "Yes."}], "end_turn", TokenUsage(100, 2), MODEL)

    async def aclose(self) -> None: ...


class Wrapping(Foreign):
    """A model of one's own that asks a shipped one, which reports."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[Any]:
        async for event in ScriptedModel([Step("Yes.")], name=MODEL).stream(request):
            yield event


@pytest.mark.parametrize("model", [Foreign(), Wrapping()])
async def test_models_of_ones_own_count_once(world: World, model: Any) -> None:
    conversation = await world.start(Agent(name="payer", model=model))
    await say(conversation)
    await rest(conversation)
    [answer] = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    assert await total(world) == UsageTotal(sum(answer.usage.values()), answer.cost or 0)


async def test_a_fallback_of_ones_own_counts(world: World, make: Make, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("No.", input_tokens=50, trouble=Trouble("error", after=0)))
    model = AnthropicModel(MODEL, api_key="k", base_url=messages_api.url, max_retries=0)
    agent = Agent(name="payer", model=model, middleware=[Retry(retries=0, fallbacks=[Foreign()])])
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    await model.aclose()
    assert await total(world) == bill((50, 1), (100, 2))


async def test_who_asks_pays_and_the_tenant_with_them(world: World) -> None:
    agent = Agent(name="payer", model=ScriptedModel(lambda _: Step("Yes.")))
    await world.create(agent)
    conversation = await world.open(agent)
    for principal in ("acme/ada", "acme/bob", "acme/bob"):
        await _ask(conversation, principal)
    events = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    tokens = [sum(event.usage.values()) for event in events]
    day, usage = day_of(now_ms()), world.store.usage
    assert (await usage.total(person_scope("acme/ada", day))).tokens == tokens[0]
    assert (await usage.total(person_scope("acme/bob", day))).tokens == sum(tokens[1:])
    assert (await usage.total(tenant_scope("acme", day))).tokens == sum(tokens)
    assert (await usage.total(conversation_scope("c"))).tokens == sum(tokens)


async def _ask(conversation: Conversation, principal: str) -> None:
    await conversation.send(UserMessage(content=text("hello"), principal=principal), AgentContext(principal=principal))
    await rest(conversation)
