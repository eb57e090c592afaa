"""The log as the service tells it over HTTP, and the rows that a page has to make of it."""

from collections.abc import Iterator
from typing import Any

import httpx

Wire = dict[str, Any]

PAGE = 500


def written(url: str, conversation_id: str) -> list[Wire]:
    """All canonical events, oldest first; their numbers have no gap."""
    events: list[Wire] = []
    after: int | None = 0
    while after is not None:
        query = {"after": after, "limit": PAGE}
        page = httpx.get(f"{url}/v1/conversations/{conversation_id}/events", params=query).json()
        events += page["events"]
        after = page["next"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return events


def keys_of(events: list[Wire]) -> list[str]:
    """The keys of the rows, in the order of reading.

    A message that waited stands below the turn that it waited for, a summary below the last turn that it covers.
    """
    return [key for event in sorted(events, key=_turn_of) for key in _keys(event)]


def _turn_of(event: Wire) -> int:
    turn: int = event["through_turn"] if event["type"] == "summary" else event["turn"]
    return turn


def _keys(event: Wire) -> Iterator[str]:
    match event["type"]:
        case "user_msg":
            yield f"user:{event['client_id'] or event['seq']}"
        case "assistant_msg" if event["status"] != "completed" or _has_words(event["content"]):
            yield f"message:{event['message_id']}"
        case "tool_call":
            yield f"tool:{event['tool_call_id']}"
        case "summary":
            yield f"summary:{event['seq']}"
        case "turn_ended" if event["outcome"] != "completed":
            yield f"end:{event['seq']}"


def _has_words(content: list[Wire]) -> bool:
    return any(block["type"] in ("text", "thinking") for block in content)
