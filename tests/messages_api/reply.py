"""The answers of the stand-in, and the faults in them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

WORD = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call in an answer; `raw` is sent instead of the JSON of the arguments."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    raw: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault after so many deltas (0: before the first one, right after message_start).

    stall: nothing more comes, the connection stays open. drop: the connection is closed. truncate: the body
    ends properly, but too early. error: an `error` event of type `error_type`. bad_json, bad_event: an event
    that is no JSON or has the wrong shape. bad_chunk: broken HTTP framing.
    """

    kind: Literal["stall", "drop", "truncate", "error", "bad_json", "bad_event", "bad_chunk"]
    after: int = 0
    error_type: str = "overloaded_error"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in status 200; `delay` is per token. The order is: thinking, redacted, text, blocks, calls.

    `thinking` gets a signature; None leaves the block out, "" signs a thought that is not shown. `redacted` is opaque.
    `blocks` are more content blocks, for what does not fit this order; a thinking one without signature gets one.
    The counts of the input give way to those of the prompt cache, if the stand-in has one.
    """

    text: str | Sequence[str] = ""
    calls: Sequence[ToolUse] = ()
    thinking: str | None = None
    redacted: str | None = None
    blocks: Sequence[Json] = ()
    delay: float = 0.0
    first_delay: float = 0.0
    trouble: Trouble | None = None
    stop_reason: str | None = None
    input_tokens: int = 10
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int | None = None

    def tokens(self) -> Sequence[str]:
        return WORD.findall(self.text) if isinstance(self.text, str) else self.text


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An answer in another status than 200; `retry_after` is in seconds or an HTTP date."""

    status: int
    error_type: str = "api_error"
    message: str = "scripted refusal"
    retry_after: float | str | None = None


Responder = Callable[[Json], Reply | ErrorReply]
"""Chooses the answer from the body of the request."""


def tokens_reply(count: int, delay: float = 0.0) -> Reply:
    """A text of exactly so many tokens."""
    return Reply(text=[f"word{number} " for number in range(count)], delay=delay)
