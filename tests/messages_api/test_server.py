"""The stand-in over plain HTTP: its wire format, read by the official SDK's own helper and by hand."""

import asyncio
import sys
from typing import Any

import httpx
import orjson
from anthropic import AsyncAnthropic

from tests.messages_api import ErrorReply, MessagesServer, Reply, ToolUse

BODY: Any = {"model": "claude-test", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


async def post(server: MessagesServer, **fields: object) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.post(f"{server.url}/v1/messages", json={**BODY, **fields})


async def test_the_sdks_own_helper_understands_the_stream(messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("One two.", thinking="Hm.", calls=[ToolUse("clock", {"timezone": "UTC"})]))
    async with (
        AsyncAnthropic(api_key="k", base_url=messages_api.url, max_retries=0) as client,
        client.messages.stream(**BODY) as stream,
    ):
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert message.content[2].to_dict()["input"] == {"timezone": "UTC"}
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 2)


async def test_without_stream_the_answer_is_one_message(messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("One two.", calls=[ToolUse("clock")]))
    async with AsyncAnthropic(api_key="k", base_url=messages_api.url, max_retries=0) as client:
        message = await client.messages.create(**BODY)
    assert [block.type for block in message.content] == ["text", "tool_use"]


async def test_the_event_stream(messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("One two."))
    response = await post(messages_api, stream=True)
    assert response.headers["content-type"] == "text/event-stream"
    names = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")]
    data = [orjson.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    assert names == [event["type"] for event in data]
    assert names == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


async def test_refusals(messages_api: MessagesServer) -> None:
    messages_api.enqueue(ErrorReply(529, "overloaded_error", retry_after=1.5))
    response = await post(messages_api)
    assert (response.status_code, response.headers["retry-after"]) == (529, "1.5")
    assert response.json()["error"]["type"] == "overloaded_error"


async def test_an_invalid_request_is_refused_and_recorded_apart(messages_api: MessagesServer) -> None:
    response = await post(messages_api, messages=[])
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert messages_api.requests == []
    assert messages_api.rejections == ["messages: at least one message is required"]


async def test_it_runs_by_itself() -> None:
    command = [sys.executable, "-m", "tests.messages_api", "--tokens", "3"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        url = line.removeprefix("listening on ")
        async with httpx.AsyncClient() as client:
            answer = (await client.post(f"{url}/v1/messages", json=BODY)).json()
    finally:
        process.terminate()
        await process.wait()
    assert answer["content"] == [{"type": "text", "text": "word0 word1 word2 "}]
