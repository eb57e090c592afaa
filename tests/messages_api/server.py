"""The stand-in's HTTP server, in a thread of its own; it records the requests, and which clients hung up."""

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import orjson
from aiohttp import web

from tests.messages_api.batches import MessageBatches
from tests.messages_api.cache import PromptCache
from tests.messages_api.past_answers import PastAnswers
from tests.messages_api.reply import ErrorReply, Json, Reply, Responder, Trouble, tokens_reply
from tests.messages_api.rules import InvalidRequestError, check_headers, check_request, check_size, size_of
from tests.messages_api.wire import Frame, content_of, error_event, frame, frames, usage_of, whole_message

MAX_BODY = 64 * 1024 * 1024
MAX_REQUEST = 32 * 1024 * 1024
"""A longer body is answered with a 413."""


@dataclass(slots=True, eq=False)
class Received:
    """One request; `hung_up` is set when its client closed the connection before the answer was complete."""

    body: Json
    headers: dict[str, str]
    peer: tuple[str, int]
    answering: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)

    async def wait_hung_up(self, seconds: float = 5.0) -> bool:
        return await asyncio.to_thread(self.hung_up.wait, seconds)

    async def wait_answering(self, seconds: float = 5.0) -> bool:
        """Wait until the first bytes of the answer have been sent."""
        return await asyncio.to_thread(self.answering.wait, seconds)


class MessagesServer:
    """Use it as a context manager, sync or async; answers come from the queue, then from `responder`.

    `key` is the only one it accepts, if there is one. `caches` counts tokens as a prompt cache does; `binds_thinking`
    signs thinking together with everything before it. Without `keeps_requests` it does not keep its answers either.
    """

    def __init__(
        self,
        responder: Responder | None = None,
        *,
        port: int = 0,
        keeps_requests: bool = True,
        key: str | None = None,
        caches: bool = False,
        binds_thinking: bool = False,
    ) -> None:
        self.responder: Responder = responder or (lambda _: tokens_reply(50))
        self.replies: deque[Reply | ErrorReply] = deque()
        self.requests: list[Received] = []
        self.rejections: list[str] = []  # what was wrong with the requests that broke the provider's rules
        self.window = 200_000  # tokens that the models read
        self.picture_tokens = 1_600
        self.counts_tokens = False  # in its answers, as it does in its refusals
        self.port = port
        self.batches = MessageBatches(self._answer_in_batch)
        self._keeps_requests = keeps_requests
        self._key = key
        self._cache = PromptCache() if caches else None
        self._past_answers = PastAnswers(binds_thinking=binds_thinking)
        self._numbers = itertools.count(1)
        self._arrived = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def enqueue(self, *replies: Reply | ErrorReply) -> None:
        """Answer the next requests with these, in this order."""
        self.replies.extend(replies)

    async def wait_request(self, number: int = 1, seconds: float = 5.0) -> Received:
        """Wait for the request with this number, counted from 1."""

        def wait() -> Received:
            with self._arrived:
                if not self._arrived.wait_for(lambda: len(self.requests) >= number, seconds):
                    raise TimeoutError(f"request {number} did not come within {seconds} seconds")
                return self.requests[number - 1]

        return await asyncio.to_thread(wait)

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="messages-api", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.serve(), self._loop).result(10)

    def stop(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        assert self._runner is not None
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    async def serve(self) -> None:
        """Listen on the running loop."""
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes([web.post("/v1/messages", self._messages), web.get("/healthz", self._healthz)])
        app.add_routes(self.batches.routes())
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"requests": len(self.requests)})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        if self._key is not None and request.headers.get("authorization") != f"Bearer {self._key}":
            return _refused(ErrorReply(401, "authentication_error", "invalid x-api-key"))
        try:
            data = await request.read()
            if len(data) > MAX_REQUEST:
                self.rejections.append("request_too_large")
                return _refused(ErrorReply(413, "request_too_large", "Request exceeds the maximum size"))
            body = orjson.loads(data)
            check_request(body)
            check_size(body, self.window, self.picture_tokens)
            check_headers(body, request.headers)
            if self._keeps_requests:
                self._past_answers.check(body)
        except (orjson.JSONDecodeError, InvalidRequestError) as error:
            self.rejections.append(str(error))
            return _refused(ErrorReply(400, "invalid_request_error", str(error)))
        received = self._record(request, body)
        try:
            response = await self._answer(request, received)
        except (asyncio.CancelledError, ConnectionResetError):
            received.hung_up.set()
            raise asyncio.CancelledError from None
        received.answered.set()
        return response

    def _answer_in_batch(self, body: Json) -> tuple[Reply | ErrorReply, Json]:
        """The answer to a request of a batch, by the same rules; and the message that it is. Raises for a bad one."""
        check_request(body)
        check_size(body, self.window, self.picture_tokens)
        number = next(self._numbers)
        reply = self.replies.popleft() if self.replies else self.responder(body)
        if isinstance(reply, ErrorReply):
            return reply, {}
        return reply, whole_message(reply, number, body["model"], usage_of(reply))

    def _record(self, request: web.Request, body: Json) -> Received:
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
        received = Received(body, headers, peer[:2])
        if self._keeps_requests:
            with self._arrived:
                self.requests.append(received)
                self._arrived.notify_all()
        return received

    async def _answer(self, request: web.Request, received: Received) -> web.StreamResponse:
        number = next(self._numbers)
        reply = self.replies.popleft() if self.replies else self.responder(received.body)
        if isinstance(reply, ErrorReply):
            return _refused(reply)
        if reply.first_delay:
            await asyncio.sleep(reply.first_delay)
        model = received.body["model"]
        usage = usage_of(reply) if self._cache is None else self._cache.usage(received.body)
        if self.counts_tokens:
            usage = {"input_tokens": size_of(received.body, self.picture_tokens)}
        if self._keeps_requests:
            self._past_answers.remember(received.body, content_of(reply, number))
        if not received.body.get("stream"):
            message = whole_message(reply, number, model, usage)
            return web.Response(body=orjson.dumps(message), content_type="application/json")
        return await self._stream(request, received, reply, frames(reply, number, model, usage), number)

    async def _stream(
        self, request: web.Request, received: Received, reply: Reply, events: Iterator[Frame], number: int
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"request-id": f"req_{number:06}"})
        response.content_type = "text/event-stream"
        await response.prepare(request)
        for data, is_delta in _batches(events, reply):
            if is_delta and reply.delay:
                await asyncio.sleep(reply.delay)
            await response.write(data)
            received.answering.set()
        if reply.trouble is not None:
            await _make_trouble(request, response, reply.trouble)
        await response.write_eof()
        return response


def _batches(events: Iterator[Frame], reply: Reply) -> Iterator[tuple[bytes, bool]]:
    """What is written at once: with a delay each delta, without one everything; it ends where the trouble begins."""
    batch: list[bytes] = []
    deltas = 0
    for event in events:
        if reply.trouble is not None and event.is_delta and deltas == reply.trouble.after:
            break
        deltas += event.is_delta
        if event.is_delta and reply.delay:
            if batch:
                yield b"".join(batch), False
            yield event.data, True
            batch = []
        else:
            batch.append(event.data)
    if batch:
        yield b"".join(batch), False


async def _make_trouble(request: web.Request, response: web.StreamResponse, trouble: Trouble) -> None:
    match trouble.kind:
        case "stall":
            await asyncio.Event().wait()
        case "error":
            await response.write(frame(error_event(trouble.error_type)).data)
        case "bad_json":
            await response.write(b'event: content_block_delta\ndata: {"type": "content_block_del\n\n')
        case "bad_event":
            await response.write(frame({"type": "content_block_delta", "index": 77, "delta": {}}).data)
        case "bad_chunk" if request.transport is not None:
            await asyncio.sleep(0.02)  # in a packet of its own
            request.transport.write(b"this is no chunk size\r\n\r\n")
            await asyncio.Event().wait()
        case "drop" if request.transport is not None:
            request.transport.abort()


def _refused(refusal: ErrorReply) -> web.Response:
    headers = {"request-id": "req_refused"}
    if refusal.retry_after is not None:
        seconds = refusal.retry_after
        headers["retry-after"] = seconds if isinstance(seconds, str) else f"{seconds:g}"
    body = {**error_event(refusal.error_type, refusal.message), "request_id": "req_refused"}
    return web.json_response(body, status=refusal.status, headers=headers)
