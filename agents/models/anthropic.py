"""Claude, or any server that speaks the Messages API, through the official SDK on its aiohttp transport."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import httpx2
import orjson
import structlog
from anthropic import AsyncAnthropic, AsyncAPIResponse, DefaultAioHttpClient

from agents.errors import ModelError
from agents.models.accumulate import Accumulator
from agents.models.failures import PRECISE_MIDWAY, failure, from_error_event, translated
from agents.models.protocol import Completed, Json, ModelEvent, ModelRequest
from agents.models.retry import RetryPolicy
from agents.models.sse import LineTooLongError, SseReader

BASE_URL = "https://api.anthropic.com"
CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=60.0)
DRAIN_SECONDS = 0.1

log = structlog.get_logger(__name__)


class AnthropicModel:
    """Streams answers of the Messages API; failures before the first token are retried, later ones are not.

    `read_timeout` is how many seconds the server may send nothing, `retry_pause` the first pause between two
    attempts; `options` are further fields of each request, such as `thinking`. One instance serves any number
    of calls at once, on one event loop.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str,
        base_url: str | None = None,
        max_retries: int = 2,
        retry_pause: float = 0.5,
        connect_timeout: float = 5.0,
        read_timeout: float = 90.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = model
        self._options = dict(options or {})
        self._read_timeout = read_timeout
        self._retry = RetryPolicy(retries=max_retries, first=retry_pause)
        timeout = httpx2.Timeout(read_timeout, connect=connect_timeout)
        # The SDK's own retries are off: it obeys a Retry-After of hours, and its attempts multiply ours.
        self._client = AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or BASE_URL,
            max_retries=0,
            timeout=timeout,
            http_client=DefaultAioHttpClient(timeout=timeout, limits=CONNECTIONS),
        )

    async def aclose(self) -> None:
        """Close the pooled connections; the model is not usable afterwards."""
        await self._client.close()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        for retries_taken in range(self._retry.retries + 1):
            started = False
            try:
                async with aclosing(self._attempt(request)) as events:
                    async for event in events:
                        started = True
                        yield event
            except ModelError as error:
                if started and error.reason not in PRECISE_MIDWAY:
                    raise failure("stream_broken") from error
                pause = None if started else self._retry.pause(error, retries_taken)
                if pause is None:
                    raise
                log.info("model_call_retried", reason=error.reason, pause=round(pause, 2))
                await asyncio.sleep(pause)
            else:
                return

    async def _attempt(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        body = _body(request, self.name, self._options)
        call = self._client.messages.with_streaming_response.create(**body)
        with translated():
            async with call as response, aclosing(self._chunks(response)) as chunks:
                request_id = response.headers.get("request-id")
                answer = Accumulator(body["model"])
                reader = SseReader()
                async for chunk in chunks:
                    for event in _parsed(reader, chunk, request_id):
                        news = _applied(answer, event, request_id)
                        if isinstance(news, Completed):
                            await _drain(chunks)
                        if news is not None:
                            yield news
                        if isinstance(news, Completed):
                            return
                raise failure("stream_broken", request_id)

    async def _chunks(self, response: AsyncAPIResponse[Any]) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Silence is timed here as well: aiohttp drops its timer on a broken framing."""
        chunks = response.iter_bytes()
        while True:
            async with asyncio.timeout(self._read_timeout):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk


def _body(request: ModelRequest, model: str, options: Mapping[str, Any]) -> Json:
    body: Json = {
        "model": request.model or model,
        "max_tokens": request.max_tokens,
        "messages": list(request.messages),
        "stream": True,
    }
    if request.system:  # the marker covers the tools too: they come before the system prompt in the cached prefix
        body["system"] = [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}]
    if request.tools:
        body["tools"] = list(request.tools)
    if options:
        body["extra_body"] = options  # merged by the SDK, which knows not every field of every server
    return body


def _parsed(reader: SseReader, chunk: bytes, request_id: str | None) -> Iterator[Json]:
    try:
        for message in reader.feed(chunk):
            event = orjson.loads(message.data)
            if event["type"] == "error":
                raise from_error_event(event, request_id)
            yield event
    except (orjson.JSONDecodeError, LineTooLongError, KeyError, TypeError) as error:
        raise failure("malformed_stream", request_id) from error


def _applied(answer: Accumulator, event: Json, request_id: str | None) -> ModelEvent | None:
    try:
        return answer.apply(event)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise failure("malformed_stream", request_id) from error


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read to the end of the response, which is due now: only then can the connection be used again."""
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                continue
