"""What a provider refuses for its size teaches Compaction how much the model reads: once, and for all incarnations."""

from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agents.agent import Agent
from agents.conversation import Conversation
from agents.errors import PromptSize
from agents.middleware.compaction import Compaction
from agents.middleware.compaction.context_limit import SOURCE
from agents.middleware.compaction.summarise import TASK
from agents.models.anthropic.failures import prompt_size
from agents.models.anthropic.model import AnthropicModel
from agents.turn.events import WINDOW_EXCEEDED, StatePatch, Summary
from agents.turn.inputs import UserMessage
from tests.agents.models.test_media import IMAGE
from tests.messages_api import ErrorReply, MessagesServer, Reply
from tests.messages_api.rules import size_of
from tests.support.conversations import World, ends, rest, say, text, until

WINDOW = 25_000
PICTURE = {
    "type": "image",
    "source": {**IMAGE["source"], "data": b64encode(b"\x89PNG\r\n\x1a\n" + bytes(300_000)).decode()},
}
Content = Callable[[int], list[Any]]


def chinese(turn: int) -> list[Any]:
    return text(f"{turn} " + "語" * 4_000)


def growing(turn: int) -> list[Any]:
    return text(f"{turn} " + "語" * (1_000 * (1 + turn * 3 % 7)))


def pictures(turn: int) -> list[Any]:
    return [PICTURE, *text(f"{turn}: what is it?")]


def accents(turn: int) -> list[Any]:
    """Each has fewer tokens by our estimate than the stand-in counts."""
    return text(f"{turn} " + "é" * 4_000)


@pytest.fixture
async def agent(messages_api: MessagesServer) -> AsyncIterator[Agent]:
    """One that compacts for a model that reads 200,000 tokens."""
    messages_api.window = WINDOW
    model = AnthropicModel("claude", api_key="k", base_url=messages_api.url, retry_pause=0.01)
    yield Agent(name="talker", model=model, middleware=[Compaction()])
    await model.aclose()


async def send_each(conversation: Conversation, content: Content, turns: range) -> None:
    for turn in turns:
        await conversation.send(UserMessage(content=content(turn), principal="ada"))
        await rest(conversation)


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "does not count"])
@pytest.mark.parametrize("content", [chinese, growing, pictures, accents])
async def test_a_prompt_is_refused_once_and_never_again(
    world: World, messages_api: MessagesServer, agent: Agent, content: Content, counts: bool
) -> None:
    messages_api.counts_tokens, messages_api.picture_tokens = counts, 4_800
    conversation = await world.start(agent)
    await send_each(conversation, content, range(12))
    await world.crash(conversation)
    await send_each(await world.open(agent), content, range(12, 20))
    assert ends(await world.events()) == [("completed", None)] * 20
    [refused] = messages_api.rejections
    assert "prompt is too long" in refused
    bodies = [received.body for received in messages_api.requests if TASK[:50] not in str(received.body.get("system"))]
    sizes = [size_of(body, 4_800) for body in bodies]
    assert min(sizes[-8:]) > WINDOW // 6, "what fits is shown"


async def test_it_is_learned_before_the_call_is_made_again(
    world: World, messages_api: MessagesServer, agent: Agent
) -> None:
    conversation = await world.start(agent)
    await send_each(conversation, chinese, range(6))
    messages_api.enqueue(Reply("never heard", first_delay=60))
    await conversation.send(UserMessage(content=chinese(6), principal="ada"))
    await messages_api.wait_request(len(messages_api.requests) + 1)
    await world.crash(conversation)
    conversation = await world.open(agent)
    await rest(conversation)
    await send_each(conversation, chinese, range(7, 14))
    assert ends(await world.events()) == [("completed", None)] * 14
    assert len(messages_api.rejections) == 1


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "does not count"])
async def test_an_answer_that_fills_the_window_is_learned_from(
    world: World, messages_api: MessagesServer, agent: Agent, counts: bool
) -> None:
    def responder(body: Any) -> Reply:
        size = size_of(body)
        is_full = size > WINDOW - 2_000
        return Reply("Well", stop_reason=WINDOW_EXCEEDED, output_tokens=WINDOW - size) if is_full else Reply("Yes.")

    messages_api.responder, messages_api.counts_tokens = responder, counts
    conversation = await world.start(agent)
    await send_each(conversation, chinese, range(6))
    await world.crash(conversation)
    await send_each(await world.open(agent), chinese, range(6, 14))
    outcomes = ends(await world.events())
    assert outcomes.count(("failed", "context_window_exceeded")) == 1
    assert outcomes.count(("completed", None)) == 13
    assert messages_api.rejections == []


@pytest.mark.parametrize("status", [400, 413])
async def test_a_refusal_without_figures_is_learned_from(
    world: World, messages_api: MessagesServer, agent: Agent, status: int
) -> None:
    refused: list[int] = []

    def responder(body: Any) -> Reply | ErrorReply:
        if (size := size_of(body)) <= WINDOW:
            return Reply("Yes.")
        refused.append(size)
        return ErrorReply(status, "invalid_request_error", "Input is too long for requested model.")

    messages_api.responder, messages_api.window, messages_api.counts_tokens = responder, 200_000, True
    conversation = await world.start(agent)
    await send_each(conversation, chinese, range(20))
    assert ends(await world.events()) == [("completed", None)] * 20
    assert len(refused) == 1


async def test_a_turn_that_is_too_long_by_itself_is_tried_once(
    world: World, messages_api: MessagesServer, agent: Agent
) -> None:
    conversation = await world.start(agent)
    await say(conversation, "hello")
    await rest(conversation)
    await say(conversation, "語" * (WINDOW + 1_000))
    await rest(conversation)
    await send_each(conversation, chinese, range(12))
    outcomes = ends(await world.events())
    assert outcomes == [("completed", None), ("failed", "invalid_request"), *[("completed", None)] * 12]
    assert len(messages_api.rejections) == 1


async def test_what_compaction_leaves_out_is_summarised(
    world: World, messages_api: MessagesServer, agent: Agent
) -> None:
    """The summary is written by a model that reads as much: its prompt fits, too."""
    conversation = await world.start(agent)
    for turn in range(16):
        await send_each(conversation, chinese, range(turn, turn + 1))
        await until(lambda: not conversation._driver.runtime.has_background)
    assert any(isinstance(event, Summary) for event in await world.events())
    assert len(messages_api.rejections) == 1
    learned = [event for event in await world.events() if isinstance(event, StatePatch) and event.source == SOURCE]
    assert [event.patch["claude"]["tokens"] for event in learned] == [WINDOW]


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("prompt is too long: 205000 tokens > 200000 maximum", (205_000, 200_000)),
        (
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length",
            (188_240, 178_667),
        ),
        (
            "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the "
            "messages, 1000 in the completion).",
            (8_000, 7_192),
        ),
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            (9_000, 8_192),
        ),
        ("request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it", (9_000, 8_192)),
        ("prompt is too long: 10 tokens > 200000 maximum", None),
        ("prompt is too long", None),
    ],
)
def test_the_figures_in_a_refusal(words: str, size: tuple[int, int] | None) -> None:
    assert prompt_size(words) == (size and PromptSize(*size))
