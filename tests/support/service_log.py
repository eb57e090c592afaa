"""The log as the service returns it over HTTP, and the rows that the page has to make of it."""

from collections.abc import Iterator
from typing import Any

import httpx

WireEvent = dict[str, Any]

MAX_PAGE_EVENTS = 500


def read_log(url: str, conversation_id: str) -> list[WireEvent]:
    """All canonical events, oldest first; their numbers have no gap."""
    events: list[WireEvent] = []
    after: int | None = 0
    while after is not None:
        query = {"after": after, "limit": MAX_PAGE_EVENTS}
        page = httpx.get(f"{url}/v1/conversations/{conversation_id}/events", params=query).json()
        events += page["events"]
        after = page["next"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return events


def row_keys(events: list[WireEvent]) -> list[str]:
    """The keys of the rows, in the order of reading.

    A message that was queued comes after the turn that ran then, a summary after the last turn that it covers.
    """
    return [key for event in sorted(events, key=_turn_of) for key in _keys(event)]


def _turn_of(event: WireEvent) -> int:
    turn: int = event["through_turn"] if event["type"] == "summary" else event["turn"]
    return turn


def _keys(event: WireEvent) -> Iterator[str]:
    match event["type"]:
        case "user_msg":
            yield f"user:{event['client_id'] or event['seq']}"
        case "assistant_msg" if event["status"] != "completed" or _has_text(event["content"]):
            yield f"message:{event['message_id']}"
        case "tool_call":
            yield f"tool:{event['tool_call_id']}"
        case "summary":
            yield f"summary:{event['seq']}"
        case "turn_ended" if event["outcome"] != "completed":
            yield f"end:{event['seq']}"


def _has_text(content: list[WireEvent]) -> bool:
    return any(block["type"] in ("text", "thinking") for block in content)
