"""A client of the service for the tests: requests, event streams, and waiting for what must come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import orjson

PATIENCE = 45.0
"""Seconds after which a condition is given up; no test waits for this time to pass."""

Event = dict[str, Any]

Answer = TypeVar("Answer")

EVENTS = {"Accept": "text/event-stream"}
ENDS = frozenset({"turn_completed", "turn_cancelled", "turn_failed"})


class Api:
    """One person at the service; remembers the conversations that were created."""

    def __init__(
        self, url: str, placement: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE, transport=transport)
        self.created: list[str] = []
        self._placement = placement

    async def create(self, agent: str | None = None, **fields: Any) -> str:
        """A new conversation; its id."""
        body = {"placement": self._placement, "agent": agent, **fields}
        response = await self.http.post("/v1/conversations", json=body)
        assert response.status_code == 201, response.text
        conversation_id: str = response.json()["id"]
        self.created.append(conversation_id)
        return conversation_id

    async def post(self, conversation_id: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        return await self.http.post(f"/v1/conversations/{conversation_id}/{path}", json=body)

    async def send(self, conversation_id: str, text: str, **fields: Any) -> dict[str, Any]:
        """Say something; the receipt."""
        response = await self.post(conversation_id, "messages", {"text": text, **fields})
        assert response.status_code == 202, response.text
        receipt: dict[str, Any] = response.json()
        return receipt

    async def turn(self, conversation_id: str, text: str, **fields: Any) -> list[Event]:
        """Say something and listen until the stream ends by itself."""
        async with self.speaking(conversation_id, text, **fields) as stream:
            return [event async for event in stream.events()]

    @asynccontextmanager
    async def speaking(self, conversation_id: str, text: str, **fields: Any) -> AsyncIterator["Stream"]:
        """Say something, with the turn as a stream."""
        address = f"/v1/conversations/{conversation_id}/messages"
        body = {"text": text, **fields}
        async with self.http.stream("POST", address, json=body, headers=EVENTS) as response:
            assert response.status_code == 200, await response.aread()
            yield Stream(response)

    @asynccontextmanager
    async def watching(
        self, conversation_id: str, *, last_event_id: object = None, **query: Any
    ) -> AsyncIterator["Stream"]:
        """The conversation's own stream."""
        headers = EVENTS if last_event_id is None else {**EVENTS, "Last-Event-ID": str(last_event_id)}
        address = f"/v1/conversations/{conversation_id}/events"
        async with self.http.stream("GET", address, params=query, headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            yield Stream(response)

    async def show(self, conversation_id: str) -> dict[str, Any]:
        response = await self.http.get(f"/v1/conversations/{conversation_id}")
        assert response.status_code == 200, response.text
        shown: dict[str, Any] = response.json()
        return shown

    async def page(self, conversation_id: str, **query: Any) -> dict[str, Any]:
        address = f"/v1/conversations/{conversation_id}/events"
        try:
            response = await self.http.get(address, params=query)
        except httpx.RemoteProtocolError:  # a proxy may close an idle connection just when it is used (RFC 9112, 9.3.1)
            response = await self.http.get(address, params=query)
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.json()
        return page

    async def log(self, conversation_id: str) -> list[Event]:
        """All canonical events."""
        page = await self.page(conversation_id, limit=1000)
        assert page["next"] is None
        events: list[Event] = page["events"]
        return events

    async def types(self, conversation_id: str) -> list[str]:
        return [event["type"] for event in await self.log(conversation_id)]

    async def rest(self, conversation_id: str, turns: int = 1) -> list[Event]:
        """Wait until so many turns have ended; the log."""

        async def ended() -> bool:
            return (await self.types(conversation_id)).count("turn_ended") == turns

        await eventually(ended)
        return await self.log(conversation_id)


class Stream:
    """Server-sent events as they come; `ids` are the event ids seen, `heartbeats` the comments."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.ids: list[int] = []
        self.heartbeats = 0
        self.seen: list[Event] = []
        self._events = self._parsed()

    async def events(self) -> AsyncIterator[Event]:
        """Until the stream ends."""
        async with asyncio.timeout(PATIENCE):
            async for event in self._events:
                yield event

    async def until(self, kind: str, **fields: Any) -> list[Event]:
        """Read until an event of this type with these fields; all that was seen so far."""
        async for event in self.events():
            if event["type"] == kind and fields.items() <= event.items():
                return self.seen
        raise AssertionError(f"the stream ended without {kind}: {self.seen}")

    async def _parsed(self) -> AsyncIterator[Event]:
        name = ""
        async for line in self.response.aiter_lines():
            field, _, value = line.partition(": ")
            if line == ": heartbeat":
                self.heartbeats += 1
            elif field == "id":
                self.ids.append(int(value))
            elif field == "event":
                name = value
            elif field == "data":
                event: Event = orjson.loads(value)
                assert event["type"] == name
                self.seen.append(event)
                yield event


def canonical(events: list[Event]) -> list[Event]:
    """Only the events that are in the log."""
    return [event for event in events if "v" in event]


def answer_texts(events: list[Event]) -> list[str]:
    """The text of every answer in the log; empty for an answer that only calls tools."""
    return [
        "".join(block["text"] for block in event["content"] if block["type"] == "text")
        for event in events
        if event["type"] == "assistant_msg"
    ]


def text_of(events: list[Event]) -> str:
    """The streamed text of the last message, put together by the rule for clients."""
    message_id, text = None, ""
    for event in events:
        if event["type"] == "text_delta":
            if event["message_id"] != message_id or event["index"] == 0:
                message_id, text = event["message_id"], ""
            assert event["index"] <= len(text), "a delta is missing"
            text = text[: event["index"]] + event["text"]
    return text


async def eventually(condition: Callable[[], Awaitable[Answer | None]], patience: float = PATIENCE) -> Answer:
    """Ask again and again until the condition holds; what it answers then."""
    async with asyncio.timeout(patience):
        while not (answer := await condition()):  # noqa: ASYNC110 - what is awaited lives in another process
            await asyncio.sleep(0.02)
    return answer
