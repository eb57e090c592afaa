"""How AnthropicModel reports failures of the provider, and which of them it retries."""

import socket
import time
from typing import Any

import pytest

from agents.models.anthropic.failures import retry_after
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import ErrorReply, MessagesServer, Reply, Trouble
from tests.support.model_requests import model_at, read, read_until_failure, request, text_of

STATUSES = [
    (400, "invalid_request_error", "invalid_request"),
    (401, "authentication_error", "authentication"),
    (402, "billing_error", "authentication"),
    (403, "permission_error", "authentication"),
    (404, "not_found_error", "invalid_request"),
    (408, "timeout_error", "timeout"),
    (413, "request_too_large", "invalid_request"),
    (429, "rate_limit_error", "rate_limited"),
    (500, "api_error", "unavailable"),
    (503, "api_error", "unavailable"),
    (504, "timeout_error", "timeout"),
    (529, "overloaded_error", "overloaded"),
]
PASSING = [408, 429, 500, 503, 504, 529]


@pytest.mark.parametrize(("status", "error_type", "reason"), STATUSES)
async def test_statuses(messages_api: MessagesServer, status: int, error_type: str, reason: str) -> None:
    model = model_at(messages_api, max_retries=0)
    messages_api.enqueue(ErrorReply(status, error_type, "internal detail of the provider"))
    events, error = await read_until_failure(model, request())
    assert (events, error.reason) == ([], reason)
    assert "internal detail" not in str(error)
    assert "req_refused" in str(error)
    await model.aclose()


@pytest.mark.parametrize("status", PASSING)
async def test_passing_trouble_is_retried(claude: AnthropicModel, messages_api: MessagesServer, status: int) -> None:
    messages_api.enqueue(ErrorReply(status), ErrorReply(status), Reply("At last."))
    assert text_of(await read(claude, request())) == "At last."
    assert len(messages_api.requests) == 3


@pytest.mark.parametrize("status", sorted({status for status, *_ in STATUSES} - set(PASSING)))
async def test_lasting_trouble_is_not(claude: AnthropicModel, messages_api: MessagesServer, status: int) -> None:
    messages_api.enqueue(ErrorReply(status))
    await read_until_failure(claude, request())
    assert len(messages_api.requests) == 1


async def test_retries_are_bounded(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.responder = lambda _: ErrorReply(529, "overloaded_error")
    _, error = await read_until_failure(claude, request())
    assert error.reason == "overloaded"
    assert len(messages_api.requests) == 3


async def test_retry_after_is_respected(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(ErrorReply(429, "rate_limit_error", retry_after=0.2), Reply("Now."))
    started = time.monotonic()
    assert text_of(await read(claude, request())) == "Now."
    assert time.monotonic() - started >= 0.2


async def test_a_long_retry_after_is_reported_at_once(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(ErrorReply(429, "rate_limit_error", retry_after=3600))
    _, error = await read_until_failure(claude, request())
    assert (error.reason, error.retry_after) == ("rate_limited", 3600.0)
    assert len(messages_api.requests) == 1


async def test_a_retry_after_that_is_a_date(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    """The date is far away: it is reported, and the call is not retried."""
    messages_api.enqueue(ErrorReply(529, "overloaded_error", retry_after="Wed, 01 Jan 2200 00:00:00 GMT"))
    _, error = await read_until_failure(claude, request())
    assert error.retry_after is not None
    assert error.retry_after > 365 * 86_400
    assert len(messages_api.requests) == 1


@pytest.mark.parametrize("date", ["Tue, 01 Jan 2019 00:00:00 GMT", "in a while", ""])
async def test_a_retry_after_that_has_passed_or_says_nothing(
    claude: AnthropicModel, messages_api: MessagesServer, date: str
) -> None:
    messages_api.enqueue(ErrorReply(503, retry_after=date), Reply("Now."))
    assert text_of(await read(claude, request())) == "Now."


def test_a_date_is_measured_by_the_providers_clock() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry_after(headers) == 10.0
    assert retry_after({**headers, "retry-after-ms": "250"}) == 0.25
    assert retry_after({}) is None


@pytest.mark.parametrize("kind", ["error", "drop", "truncate"])
async def test_trouble_before_the_first_token_is_retried(
    claude: AnthropicModel, messages_api: MessagesServer, kind: Any
) -> None:
    messages_api.enqueue(Reply("Lost.", trouble=Trouble(kind)), Reply("Kept."))
    assert text_of(await read(claude, request())) == "Kept."
    assert len(messages_api.requests) == 2


@pytest.mark.parametrize(
    ("error_type", "reason"),
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limited"),
        ("api_error", "unavailable"),
        ("never_heard_of_error", "unavailable"),
        ("invalid_request_error", "invalid_request"),
    ],
)
async def test_an_error_event_comes_first(messages_api: MessagesServer, error_type: str, reason: str) -> None:
    model = model_at(messages_api, max_retries=0)
    messages_api.enqueue(Reply("Lost.", trouble=Trouble("error", error_type=error_type)))
    events, error = await read_until_failure(model, request())
    assert (events, error.reason) == ([], reason)
    await model.aclose()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("error", "stream_broken"),
        ("drop", "stream_broken"),
        ("truncate", "stream_broken"),
        ("bad_json", "malformed_stream"),
        ("bad_event", "malformed_stream"),
    ],
)
async def test_nothing_is_retried_after_the_first_token(
    claude: AnthropicModel, messages_api: MessagesServer, kind: Any, reason: str
) -> None:
    messages_api.enqueue(Reply("One two three four.", trouble=Trouble(kind, after=2)), Reply("Never asked for."))
    events, error = await read_until_failure(claude, request())
    assert text_of(events) == "One two"
    assert error.reason == reason
    assert len(messages_api.requests) == 1


@pytest.mark.parametrize("kind", ["bad_json", "bad_event"])
async def test_a_malformed_stream_is_not_retried(
    claude: AnthropicModel, messages_api: MessagesServer, kind: Any
) -> None:
    messages_api.enqueue(Reply("Lost.", trouble=Trouble(kind)))
    _, error = await read_until_failure(claude, request())
    assert error.reason == "malformed_stream"
    assert len(messages_api.requests) == 1


@pytest.mark.parametrize("kind", ["stall", "bad_chunk"])
async def test_silence_in_the_middle_is_a_timeout(messages_api: MessagesServer, kind: Any) -> None:
    """`bad_chunk` too: aiohttp stops its own timer on a broken framing, and its reader gets no error."""
    model = model_at(messages_api, read_timeout=0.2)
    messages_api.enqueue(Reply("One two three.", trouble=Trouble(kind, after=2)))
    events, error = await read_until_failure(model, request())
    assert (text_of(events), error.reason) == ("One two", "timeout")
    assert await messages_api.requests[0].wait_hung_up()
    await model.aclose()


async def test_silence_before_the_headers_is_a_timeout(messages_api: MessagesServer) -> None:
    model = model_at(messages_api, read_timeout=0.1, max_retries=1)
    messages_api.enqueue(Reply("Late.", first_delay=60), Reply("In time."))
    assert text_of(await read(model, request())) == "In time."
    assert await messages_api.requests[0].wait_hung_up()
    await model.aclose()


async def test_no_server_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        model = AnthropicModel("claude-test", api_key="k", base_url=url, retry_pause=0.001)
        _, error = await read_until_failure(model, request())
    assert error.reason == "unavailable"
    await model.aclose()


async def test_a_request_that_breaks_the_providers_rules(claude: AnthropicModel) -> None:
    _, error = await read_until_failure(claude, request([{"role": "assistant", "content": "I go first."}]))
    assert error.reason == "invalid_request"


async def test_the_model_works_after_a_failure(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("Broken off.", trouble=Trouble("drop", after=1)))
    await read_until_failure(claude, request())
    messages_api.enqueue(Reply("Fine."))
    assert text_of(await read(claude, request())) == "Fine."


def test_a_date_beyond_the_calendar_is_no_retry_after() -> None:
    assert retry_after({"retry-after": "Fri, 31 Dec 99999999999 23:59:59 GMT"}) is None
    assert retry_after({"retry-after": "Mon, 99999999999999999999 Jan 2026 00:00:00 GMT"}) is None
    assert retry_after({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359", "date": "x"}) is not None
    assert retry_after({"retry-after": "Mon, 01 Jan 2026 00:00:00 +99999999999999"}) is None


@pytest.mark.parametrize("headers", [{}, {"x-trace": "1"}])
async def test_without_a_key_it_is_not_asked(monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    model = AnthropicModel("claude-sonnet-4-5", api_key="", headers=headers)
    events, error = await read_until_failure(model, request())
    assert (events, error.reason) == ([], "authentication")
    assert str(error).startswith("There is no key for the model provider")
    await model.aclose()
