"""Message Batches as the provider has them: created, listed, retrieved, cancelled, and their results in any order."""

import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
from aiohttp import web

from tests.messages_api.invalid import InvalidRequestError, require
from tests.messages_api.reply import ErrorReply, Json, Reply
from tests.messages_api.wire import error_event

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MAX_REQUESTS = 100_000
Answer = Callable[[Json], tuple[Reply | ErrorReply, Json]]


@dataclass(slots=True)
class HandedIn:
    """One batch; it ends after it was asked for so often."""

    id: str
    requests: Sequence[Json]
    created_at: datetime
    asks_left: int
    is_cancelled: bool = False
    results: list[Json] = field(default_factory=list)

    @property
    def is_ended(self) -> bool:
        return self.asks_left <= 0 or self.is_cancelled


class MessageBatches:
    """`asks` is how often a batch is retrieved before it has ended; `loses` answers of a creation never arrive."""

    def __init__(self, answer: Answer) -> None:
        self.created: list[HandedIn] = []
        self.asks = 2
        self.loses = 0
        self._answer = answer
        self._numbers = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/messages/batches", self._create),
            web.get("/v1/messages/batches", self._list),
            web.get("/v1/messages/batches/{id}", self._retrieve),
            web.post("/v1/messages/batches/{id}/cancel", self._cancel),
            web.get("/v1/messages/batches/{id}/results", self._results),
        ]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        try:
            requests = body["requests"]
            require(0 < len(requests) <= MAX_REQUESTS, "requests: between 1 and 100000")
            names = [one["custom_id"] for one in requests]
            require(all(CUSTOM_ID.fullmatch(name) for name in names), "custom_id: String should match pattern")
            require(len({*names}) == len(names), "custom_id: must be unique within a batch")
            require(not any("stream" in one["params"] for one in requests), "params.stream: not in a batch")
        except InvalidRequestError as error:
            return web.json_response(error_event("invalid_request_error", str(error)), status=400)
        made = HandedIn(f"msgbatch_{next(self._numbers):06}", requests, datetime.now(UTC), self.asks)
        self.created.append(made)
        if self.loses:
            self.loses -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self._shown(request, made))

    async def _list(self, request: web.Request) -> web.Response:
        newest = [self._shown(request, one) for one in reversed(self.created)]
        after, limit = request.query.get("after_id"), int(request.query.get("limit", "20"))
        start = 0 if after is None else [one["id"] for one in newest].index(after) + 1
        page = newest[start : start + limit]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return web.json_response({"data": page, "has_more": start + limit < len(newest), **ends})

    async def _retrieve(self, request: web.Request) -> web.Response:
        found = self._find(request)
        found.asks_left -= 1
        return web.json_response(self._shown(request, found))

    async def _cancel(self, request: web.Request) -> web.Response:
        found = self._find(request)
        found.is_cancelled = True
        return web.json_response(self._shown(request, found))

    async def _results(self, request: web.Request) -> web.Response:
        found = self._find(request)
        if not found.is_ended:
            return web.json_response(error_event("not_found_error", "no results yet"), status=404)
        if not found.results:
            found.results = [self._result(found, one) for one in found.requests]
            random.Random(1).shuffle(found.results)
        lines = b"".join(orjson.dumps(one) + b"\n" for one in found.results)
        return web.Response(body=lines, content_type="application/x-jsonl")

    def _result(self, found: HandedIn, one: Json) -> Json:
        if found.is_cancelled and found.asks_left > 0:
            return {"custom_id": one["custom_id"], "result": {"type": "canceled"}}
        try:
            reply, message = self._answer(one["params"])
        except InvalidRequestError as error:
            reply, message = ErrorReply(400, "invalid_request_error", str(error)), {}
        if isinstance(reply, ErrorReply):
            error_body = error_event(reply.error_type, reply.message)
            return {"custom_id": one["custom_id"], "result": {"type": "errored", "error": error_body}}
        return {"custom_id": one["custom_id"], "result": {"type": "succeeded", "message": message}}

    def _find(self, request: web.Request) -> HandedIn:
        found = next((one for one in self.created if one.id == request.match_info["id"]), None)
        if found is None:
            raise web.HTTPNotFound(text=orjson.dumps(error_event("not_found_error", "no such batch")).decode())
        return found

    def _shown(self, request: web.Request, found: HandedIn) -> Json:
        size = len(found.requests)
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts["succeeded" if found.is_ended else "processing"] = size
        url = f"http://{request.host}/v1/messages/batches/{found.id}/results"
        return {
            "id": found.id,
            "type": "message_batch",
            "processing_status": "ended" if found.is_ended else "in_progress",
            "request_counts": counts,
            "created_at": found.created_at.isoformat(),
            "expires_at": (found.created_at + timedelta(days=1)).isoformat(),
            "ended_at": found.created_at.isoformat() if found.is_ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": url if found.is_ended else None,
        }
