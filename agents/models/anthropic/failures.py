"""Translates errors of the provider into ModelError: its message is safe for users, the details go to the log."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import anthropic
import httpx2
import structlog

from agents.errors import ModelError, PromptSize, RefusedPart
from agents.models.protocol import Json

SENTENCES = {
    "rate_limited": "The model provider's rate limit is reached",
    "overloaded": "The model provider is overloaded",
    "unavailable": "The model provider cannot be reached or has a fault",
    "invalid_request": "The model provider refused the request",
    "authentication": "The model provider refused the credentials",
    "stream_broken": "The answer broke off before its end",
    "malformed_stream": "The model provider sent an answer that cannot be read",
    "timeout": "The model provider did not answer in time",
}
REASON_OF_TYPE = {
    "rate_limit_error": "rate_limited",
    "overloaded_error": "overloaded",
    "api_error": "unavailable",
    "timeout_error": "timeout",
    "authentication_error": "authentication",
    "permission_error": "authentication",
    "billing_error": "authentication",
    "invalid_request_error": "invalid_request",
    "not_found_error": "invalid_request",
    "request_too_large": "invalid_request",
}
REASON_OF_STATUS = {
    401: "authentication",
    402: "authentication",
    403: "authentication",
    408: "timeout",
    409: "unavailable",
    429: "rate_limited",
    504: "timeout",
    529: "overloaded",
}
PRECISE_MIDWAY = frozenset({"stream_broken", "malformed_stream", "timeout"})
"""The reasons that a failure in the middle of an answer may have; any other one becomes `stream_broken`."""
THINKING_REFUSED = re.compile(
    r"`signature`.*`thinking`|thinking\.signature|`thinking`.*cannot be modified|Expected `thinking`"
)

UNKNOWN_TYPE = re.compile(r"Input tag '([^']+)'.* does not match any of the expected tags")
TOO_LONG = re.compile(
    r"too long|too large|exceeds? (the )?(maximum )?context|context (length|limit|window|size)", re.IGNORECASE
)
FIGURES = (
    re.compile(r"too long: (?P<tokens>\d+) tokens > (?P<limit>\d+)"),
    re.compile(r"context limit: (?P<tokens>\d+) \+ (?P<answer>\d+) > (?P<limit>\d+)"),
    re.compile(r"context length is (?P<limit>\d+) tokens.*\((?P<tokens>\d+) in the messages, (?P<answer>\d+) in"),
    re.compile(r"context length is (?P<limit>\d+) tokens.*(?:resulted in|requested|has|contains) (?P<tokens>\d+)"),
    re.compile(r"request \((?P<tokens>\d+) tokens\) exceeds .*context size \((?P<limit>\d+) tokens"),
)
"""How providers put it: the prompt, the room for the `answer` if it counts too, and what the model reads."""
NOT_OF_THE_MESSAGES = re.compile(
    r'"message": ?"(tools|tool_choice|system|model|max_tokens|thinking|output_config|temperature|metadata)\b'
    r"|credit balance|anthropic-beta|api key|usage limits",
    re.IGNORECASE,
)

NO_KEY = "There is no key for the model provider: the model's api_key is empty (ANTHROPIC_API_KEY)."

log = structlog.get_logger(__name__)


def failure(
    reason: str,
    request_id: str | None = None,
    retry_after: float | None = None,
    refused: RefusedPart | None = None,
    size: PromptSize | None = None,
) -> ModelError:
    """The error for a reason; with the request id an operator finds the details in the log."""
    suffix = f" (request {request_id})." if request_id else "."
    return ModelError(reason, SENTENCES[reason] + suffix, retry_after, refused, size)


def from_error_event(event: Json, request_id: str | None) -> ModelError:
    """The error for an `error` event inside a stream."""
    error = event.get("error")
    details = error if isinstance(error, Mapping) else {}
    kind = str(details.get("type"))
    log.warning("model_error_event", type=kind, detail=str(details.get("message"))[:500], request_id=request_id)
    return failure(REASON_OF_TYPE.get(kind, "unavailable"), request_id)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise every error of the SDK, and of the transport below it, as ModelError."""
    try:
        yield
    except anthropic.APIStatusError as error:
        raise _from_status(error) from error
    except (anthropic.APITimeoutError, httpx2.TimeoutException, TimeoutError) as error:
        raise failure("timeout") from error
    except anthropic.APIConnectionError as error:
        raise failure("unavailable") from error
    except httpx2.RequestError as error:
        raise failure("stream_broken") from error
    except anthropic.AnthropicError as error:
        log.warning("model_call_failed", detail=str(error)[:500])
        raise failure("unavailable") from error


def _from_status(error: anthropic.APIStatusError) -> ModelError:
    log.warning(
        "model_call_refused",
        status=error.status_code,
        type=error.type,
        detail=error.message[:500],
        request_id=error.request_id,
    )
    fallback = "unavailable" if error.status_code >= 500 else "invalid_request"
    reason = REASON_OF_STATUS.get(error.status_code, fallback)
    refused = _refused_part(error)
    size = prompt_size(error.message) if refused == "size" else None
    return failure(reason, error.request_id, retry_after(error.response.headers), refused, size)


def _refused_part(error: anthropic.APIStatusError) -> RefusedPart | None:
    """What of the messages is refused; None if the fault is elsewhere, such as in the options of the model."""
    if error.status_code == 413:
        return "size"
    if error.status_code not in (400, 422) or NOT_OF_THE_MESSAGES.search(error.message):
        return None
    return "size" if TOO_LONG.search(error.message) else "content"


def prompt_size(words: str) -> PromptSize | None:
    """The figures in the provider's words about a prompt that is too long; None if there are none that make sense."""
    for found in filter(None, (figures.search(words) for figures in FIGURES)):
        groups = found.groupdict(default="0")
        size = PromptSize(int(groups["tokens"]), int(groups["limit"]) - int(groups.get("answer", "0")))
        if size.tokens >= size.limit > 0:
            return size
    return None


def thinking_complaint(error: ModelError) -> str | None:
    """The provider's words, if it refused the thinking of earlier answers or missed it; None for another error."""
    cause = error.__cause__
    if (
        isinstance(cause, anthropic.APIStatusError)
        and cause.status_code == 400
        and THINKING_REFUSED.search(cause.message)
    ):
        return cause.message
    return None


def unknown_type(error: ModelError) -> str | None:
    """The type of a content block that the provider does not know and refuses; None for another error."""
    cause = error.__cause__
    if isinstance(cause, anthropic.APIStatusError) and cause.status_code == 400:
        found = UNKNOWN_TYPE.search(cause.message)
        return found[1] if found else None
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The Retry-After in seconds; a date is compared with the provider's own clock, if the response has it."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):  # absent, or a date
            continue
    due = _date(headers.get("retry-after"))
    if due is None:
        return None
    now = _date(headers.get("date")) or datetime.now(UTC)
    return max(0.0, (due - now).total_seconds())


def _date(header: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):  # no date, or one beyond the calendar
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
