"""Claude, or any server that speaks the Messages API, through the official SDK on its aiohttp transport."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
import structlog
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from agents.errors import ModelError
from agents.models.anthropic.accumulate import Accumulator, join_chunks
from agents.models.anthropic.body import build_body, without_types
from agents.models.anthropic.failures import (
    NO_KEY,
    PRECISE_MIDWAY,
    failure,
    from_error_event,
    thinking_complaint,
    translate_errors,
    unknown_type,
)
from agents.models.anthropic.http import HttpTransport
from agents.models.anthropic.message_batches import MessageBatches
from agents.models.anthropic.sse import LineTooLongError, SseReader
from agents.models.anthropic.thinking import (
    headers_of,
    with_unbound_thinking,
    without_missing_thinking,
    without_thinking,
)
from agents.models.metering import report_retry, report_usage
from agents.models.protocol import Completed, Json, ModelEvent, ModelRequest
from agents.models.read_pacing import coalescing_delay
from agents.models.retry import RetryPolicy

BASE_URL = "https://api.anthropic.com"
CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=60.0)
TLS = httpx2.create_ssl_context()
"""Made on import, which a process does in advance: loading the certificates takes longer than starting an actor."""
DRAIN_SECONDS = 0.1
"""How long the end of a response is waited for after the answer is complete."""
OWN_KEY_HEADERS = frozenset({"authorization", "x-api-key"})
MAX_UNKNOWN_TYPES = 100
"""How many types of content blocks are remembered as refused; others are refused and left out with each call."""

log = structlog.get_logger(__name__)


class AnthropicModel:
    """Streams answers of the Messages API; failures before the first token are retried, later ones are not.

    `read_timeout` is how many seconds the server may be silent, `retry_pause` the first pause between two attempts.
    `options` are further fields of each request, such as `thinking`; `headers` are further headers, such as
    `anthropic-beta`. `knows_schemas=False` is for models and servers without structured outputs: an output schema
    goes into the system prompt instead. `provider` is what its answers are marked with, by default the address of the
    server: servers with the same one can read each other's thinking and search results. One instance serves any number
    of calls at once, on one event loop, with a key and connections of its own.
    """

    reports_usage = True
    api = "anthropic"
    """Whose API it speaks, in the words of OpenTelemetry; which server, `provider` says."""

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
        headers: Mapping[str, str] | None = None,
        knows_schemas: bool = True,
        provider: str | None = None,
    ) -> None:
        self.name = model
        self.provider = provider or _address(base_url or BASE_URL)
        self._options = dict(options or {})
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._knows_schemas = knows_schemas
        self._binding: set[str] = set()  # the models that have refused thinking after a changed prefix
        self._unknown_types: set[str] = set()  # of content blocks, which this provider has refused
        self._read_timeout = read_timeout
        self._retry = RetryPolicy(max_retries=max_retries, first_pause=retry_pause)
        timeout = httpx2.Timeout(read_timeout, connect=connect_timeout)
        # The SDK's own retries are off: it obeys a Retry-After of hours, and its attempts multiply ours.
        http = DefaultAioHttpClient(verify=TLS, timeout=timeout, limits=CONNECTIONS)
        self._client = AsyncAnthropic(
            api_key=api_key, base_url=base_url or BASE_URL, max_retries=0, timeout=timeout, http_client=http
        )
        self._http = HttpTransport(self._client, http)
        has_key = self._client.api_key or self._client.auth_token or OWN_KEY_HEADERS & self._headers.keys()
        self._lacks_key = base_url is None and not has_key  # other servers may need none

    @property
    def batches(self) -> MessageBatches:
        """The provider's own batches of requests to this model."""
        return MessageBatches(self._client, self._body)

    async def aclose(self) -> None:
        """Close the pooled connections; the model is not used afterwards."""
        await self._client.close()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        if self._lacks_key:
            raise ModelError("authentication", NO_KEY)
        body = self._body(request)
        retries_taken = 0
        while True:
            started, asked_at = False, time.monotonic()
            try:
                async with aclosing(self._attempt(body)) as events:
                    async for event in events:
                        started = True
                        yield event
            except ModelError as error:
                if started and error.reason not in PRECISE_MIDWAY:
                    raise failure("stream_broken") from error
                if not started and (simpler := self._without_refused_part(body, error)) is not None:
                    body = simpler
                    continue
                pause = None if started else self._retry.pause(error, retries_taken)
                if pause is None:
                    raise
                log.info("model_call_retried", reason=error.reason, pause=round(pause, 2))
                report_retry(body["model"], error, time.monotonic() - asked_at)
                await asyncio.sleep(pause)
                retries_taken += 1
            else:
                return

    def _body(self, request: ModelRequest) -> Json:
        try:
            body = build_body(request, self.name, self._options, knows_schemas=self._knows_schemas)
        except ValueError as error:
            log.warning("output_schema_refused", detail=str(error)[:500])
            raise failure("invalid_request") from error
        body = without_missing_thinking(without_types(body, self._unknown_types))
        return with_unbound_thinking(body) or body if body["model"] in self._binding else body

    def _without_refused_part(self, body: Json, error: ModelError) -> Json | None:
        """The request without what this provider cannot read; None when it was refused for another reason."""
        if (kind := unknown_type(error)) is None:
            return self._without_refused_thinking(body, error)
        without = without_types(body, {kind})
        if without is body:
            return None
        log.warning("unknown_blocks_refused", model=body["model"], type=kind[:100])
        if len(self._unknown_types) < MAX_UNKNOWN_TYPES:
            self._unknown_types.add(kind)
        return without

    def _without_refused_thinking(self, body: Json, error: ModelError) -> Json | None:
        """The request without the earlier thinking that was refused; None when it was refused for another reason.

        The same request would be refused for ever, and the conversation could never go on.
        """
        complaint = thinking_complaint(error)
        if complaint is None:
            return None
        unbound = with_unbound_thinking(body) if "block_binding" in complaint else None
        if unbound is not None:
            self._binding.add(body["model"])
        log.warning("earlier_thinking_refused", model=body["model"], dropped_by_provider=unbound is not None)
        return unbound or without_thinking(body)

    async def _attempt(self, body: Json) -> AsyncGenerator[ModelEvent, None]:
        with translate_errors():
            response = await self._http.post("v1/messages", _serialised(body), headers_of(body, self._headers))
            async with aclosing(response), aclosing(self._chunks(response)) as chunks:
                request_id = response.headers.get("request-id")
                answer = Accumulator(body["model"], self.provider)
                reader = SseReader()
                try:
                    async for chunk in chunks:
                        had_begun = answer.has_begun
                        for event in join_chunks(_model_events(answer, _parsed(reader, chunk, request_id), request_id)):
                            if isinstance(event, Completed):
                                await _drain(chunks)
                            yield event
                            if isinstance(event, Completed):
                                return
                        if answer.has_begun and not had_begun:
                            report_usage(answer, answer.model, answer.usage())  # should this process die before its end
                        if seconds := coalescing_delay():
                            await asyncio.sleep(seconds)  # what comes meanwhile is read and sent as one piece
                    raise failure("stream_broken", request_id)
                finally:
                    if answer.has_begun:
                        report_usage(answer, answer.model, answer.usage())

    async def _chunks(self, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Silence is timed here too: aiohttp drops its timer when the framing is broken."""
        chunks = response.aiter_bytes()
        while True:
            async with asyncio.timeout(self._read_timeout):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk


def _address(base_url: str) -> str:
    """The address of a server, without credentials."""
    url = urlsplit(base_url)
    return f"{url.netloc.rpartition('@')[2]}{url.path.rstrip('/')}"


def _serialised(body: Json) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as error:  # a value that is no JSON, or half of a surrogate pair
        log.warning("request_not_json", detail=str(error)[:500])
        raise failure("invalid_request") from error


def _parsed(reader: SseReader, chunk: bytes, request_id: str | None) -> Iterator[Json]:
    try:
        for message in reader.feed(chunk):
            event = orjson.loads(message.data)
            if event["type"] == "error":
                raise from_error_event(event, request_id)
            yield event
    except (orjson.JSONDecodeError, LineTooLongError, KeyError, TypeError) as error:
        raise failure("malformed_stream", request_id) from error


def _model_events(answer: Accumulator, events: Iterable[Json], request_id: str | None) -> Iterator[ModelEvent]:
    for event in events:
        try:
            model_event = answer.apply(event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise failure("malformed_stream", request_id) from error
        if model_event is not None:
            yield model_event


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read to the end of the response, which comes at once: only then can the connection be used again."""
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                continue
