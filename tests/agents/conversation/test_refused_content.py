"""What a provider answers 400 or 413 to is not sent to it for ever: the conversation goes on after it."""

from base64 import b64encode
from typing import Any

import pytest

from agents.errors import Refused, ToolError
from agents.tools import Image, tool
from agents.turn.events import StatePatch, ToolResult
from agents.turn.inputs import UserMessage
from tests.agents.models.test_media import IMAGE, LINKED
from tests.messages_api import ErrorReply, MessagesServer, Reply, ToolUse
from tests.support.conversation_workbench import Talker
from tests.support.conversations import World, ends, rest, say, text

NO_IMAGE = {"type": "image", "source": {**IMAGE["source"], "data": "PHN2Zy8+"}}


@tool
async def fail() -> str:
    """Fail without a word."""
    raise ToolError("")


@tool
async def draw() -> Image:
    """Give what is no picture."""
    return Image(b"<svg/>")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(ToolUse("fail"), id="an error without text"),
        pytest.param(ToolUse("draw"), id="a picture that is none"),
        pytest.param(ToolUse("f" * 300), id="a long name"),
        pytest.param(ToolUse(""), id="no name"),
        pytest.param(ToolUse("größe.x"), id="letters of other alphabets"),
    ],
)
async def test_a_call_that_the_provider_would_not_take_back(
    call: ToolUse, world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply(calls=[call]), Reply("It failed."), Reply("Yes."))
    conversation = await world.start(talker(fail, draw))
    for words in ("Try.", "And now?"):
        await say(conversation, words)
        await rest(conversation)
    assert messages_api.rejections == []
    assert ends(await world.events()) == [("completed", None)] * 2
    [result] = [event for event in await world.events() if isinstance(event, ToolResult)]
    assert result.status == "error"


async def test_a_message_whose_picture_is_none_is_refused(world: World, talker: Talker) -> None:
    conversation = await world.start(talker())
    with pytest.raises(Refused) as refused:
        await conversation.send(UserMessage(content=[NO_IMAGE, *text("What is it?")], principal="ada"))
    assert refused.value.code == "unreadable_attachment"
    assert await world.events() == []


async def test_a_picture_gets_the_media_type_of_its_bytes(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    wrong: dict[str, Any] = {"type": "image", "source": {**IMAGE["source"], "media_type": "image/webp"}}
    conversation = await world.start(talker())
    await conversation.send(UserMessage(content=[wrong, *text("What is it?")], principal="ada"))
    await rest(conversation)
    assert messages_api.rejections == []
    assert messages_api.requests[0].body["messages"][0]["content"][0] == IMAGE


def refuse(words: str) -> ErrorReply:
    return ErrorReply(400, "invalid_request_error", words)


def gone(body: Any) -> Reply | ErrorReply:
    """A provider that cannot fetch any linked picture."""
    return refuse("Unable to download the file.") if "https://" in str(body["messages"]) else Reply("Yes.")


async def test_a_linked_picture_that_has_gone_is_left_out(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    conversation = await world.start(talker())
    await conversation.send(UserMessage(content=[IMAGE, *text("And this?")], principal="ada"))
    await rest(conversation)
    await conversation.send(UserMessage(content=[LINKED, *text("What is it?")], principal="ada"))
    await rest(conversation)
    messages_api.responder = gone
    await say(conversation, "Still there?")
    await rest(conversation)
    assert ends(await world.events()) == [("completed", None)] * 3
    sent = str(messages_api.requests[-1].body["messages"])
    assert "left out here" in sent
    assert IMAGE["source"]["data"] in sent, "the newest suspect is left out, not every picture"
    patches = [event.patch for event in await world.events() if isinstance(event, StatePatch)]
    assert patches == [{"pictures": [2], "turns": [], "first_turn": 0}]
    count = len(messages_api.requests)
    await say(conversation, "And now?")
    await rest(conversation)
    assert len(messages_api.requests) == count + 1, "it is not tried again"


async def test_a_turn_that_was_refused_is_not_shown_again(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    def responder(body: Any) -> Reply | ErrorReply:
        return refuse("messages: no") if "poison" in str(body["messages"]) else Reply("Yes.")

    messages_api.responder = responder
    agent = talker()
    conversation = await world.start(agent)
    for words in ("Hello", "poison", "And now?"):
        await say(conversation, words)
        await rest(conversation)
    assert ends(await world.events()) == [("completed", None), ("failed", "invalid_request"), ("completed", None)]
    await world.crash(conversation)
    conversation = await world.open(agent)
    await say(conversation, "And after a crash?")
    await rest(conversation)
    assert ends(await world.events())[-1] == ("completed", None)


async def test_what_was_refused_in_an_older_turn_does_not_stay_for_ever(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    conversation = await world.start(talker())
    for words in ("Hello", "poison later", "Fine"):
        await say(conversation, words)
        await rest(conversation)
    messages_api.responder = lambda body: refuse("no") if "poison" in str(body["messages"]) else Reply("Yes.")
    for words in ("One", "Two", "Three"):
        await say(conversation, words)
        await rest(conversation)
    assert ends(await world.events())[3:] == [("failed", "invalid_request"), ("completed", None), ("completed", None)]


async def test_a_prompt_that_is_too_long_loses_its_oldest_turns(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.window = 2_000
    conversation = await world.start(talker())
    for turn in range(12):
        await say(conversation, f"{turn} " + "語" * 400)
        await rest(conversation)
    assert ends(await world.events()) == [("completed", None)] * 12
    assert any("too long" in words for words in messages_api.rejections)


async def test_a_turn_that_is_too_long_by_itself_fails_alone(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.window = 2_000
    conversation = await world.start(talker())
    for words in ("Hello", "語" * 3_000, "And now?"):
        await say(conversation, words)
        await rest(conversation)
    assert ends(await world.events()) == [("completed", None), ("failed", "invalid_request"), ("completed", None)]
    assert "Hello" in str(messages_api.requests[-1].body["messages"])


async def test_a_request_of_too_many_bytes_goes_on_without_them(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    conversation = await world.start(talker())
    data = b64encode(b"\x89PNG\r\n\x1a\n" + bytes(9 * 1024 * 1024)).decode()
    large = {"type": "image", "source": {**IMAGE["source"], "data": data}}
    for _ in range(4):
        await conversation.send(UserMessage(content=[large, *text("Look.")], principal="ada"))
        await rest(conversation)
    assert "request_too_large" in messages_api.rejections
    assert ends(await world.events())[-1] == ("completed", None)


async def test_a_fault_of_the_configuration_leaves_nothing_out(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(refuse("max_tokens: 999999 > 64000"), Reply("Yes."))
    conversation = await world.start(talker())
    for words in ("One", "Two"):
        await say(conversation, words)
        await rest(conversation)
    assert ends(await world.events()) == [("failed", "invalid_request"), ("completed", None)]
    assert "One" in str(messages_api.requests[-1].body["messages"])
