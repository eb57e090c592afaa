"""What a provider answers 400 or 413 to is not sent to it for ever: the conversation goes on after it."""

from typing import Any

import pytest

from agents.errors import Refused, ToolError
from agents.tools import Image, tool
from agents.turn.events import ToolResult
from agents.turn.inputs import UserMessage
from tests.agents.models.test_media import IMAGE
from tests.messages_api import MessagesServer, Reply, ToolUse
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
