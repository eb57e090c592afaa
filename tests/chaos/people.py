"""The people of a run: they send, cancel and decide over HTTP, and repeat requests without an answer, as clients do."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import orjson

from tests.chaos.history import Attempt, Operation
from tests.chaos.plan import Action, AnswerCall, CancelTurn, SendTask

ANSWER_SECONDS = 12.0
MAX_SEND_SECONDS = 45.0
PAUSE_SECONDS = 0.5
EVENTS = {"Accept": "text/event-stream"}

Answer = Mapping[str, Any]


class SimulatedPerson:
    """Performs one action after another; `operations` has their outcomes."""

    def __init__(self, name: str, url: str, conversations: Sequence[str]) -> None:
        self.name = name
        self.operations: list[Operation] = []
        self._conversations = conversations
        self._http = httpx.AsyncClient(base_url=url, timeout=ANSWER_SECONDS)

    async def perform(self, actions: Sequence[Action], until: float) -> None:
        """Perform these actions; no new one begins once the event loop's clock has reached `until`."""
        loop = asyncio.get_running_loop()
        for action in actions:
            await asyncio.sleep(min(action.pause, max(0.0, until - loop.time())))
            if loop.time() >= until:
                return
            await self._perform_one(action, self._conversations[action.conversation])

    async def decide(self, conversation: str, pick: float, refuse: bool) -> None:
        """Answer one of the calls that ask people, if there is any."""
        pending = await self._pending(conversation)
        if not pending:
            return
        call = sorted(pending)[int(pick * len(pending))]
        decision = "reject" if refuse else "respond" if pending[call]["kind"] == "elicitation" else "approve"
        request = {"tool_call_id": call, "decision": decision}
        body = {**request, "answer": "yes"} if decision == "respond" else request
        # Only once: a repeated decision could not tell its own success from that of another person.
        await self._request(self._begin("decide", conversation, request), "resolutions", body)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _perform_one(self, action: Action, conversation: str) -> None:
        match action:
            case SendTask():
                await self._send(action, conversation)
            case CancelTurn():
                await self._request(self._begin("cancel", conversation, {}), "cancel", None)
            case AnswerCall(pick=pick, refuse=refuse):
                await self.decide(conversation, pick, refuse)

    async def _send(self, action: SendTask, conversation: str) -> None:
        """Send a message, again under the same id until the outcome is known."""
        request = {"client_id": f"task-{action.task.number}", "text": str(action.task), "on_busy": action.on_busy}
        operation = self._begin("send", conversation, request)
        deadline = time.monotonic() + MAX_SEND_SECONDS
        limit = action.hang_up_after
        while time.monotonic() < deadline:
            attempt = (
                await self._send_streamed(operation, request, limit)
                if action.streamed
                else await self._request(operation, "messages", request, limit)
            )
            if attempt.outcome != "unknown":
                break
            limit = None
            await asyncio.sleep(PAUSE_SECONDS)
        if action.hang_up_after is not None and operation.outcome == "ok":
            await self._request(operation, "messages", request)  # as a page does after a reload

    def _begin(self, kind: Any, conversation: str, request: Answer) -> Operation:
        operation = Operation(self.name, kind, conversation, request)
        self.operations.append(operation)
        return operation

    async def _request(
        self, operation: Operation, path: str, body: Answer | None, limit: float | None = None
    ) -> Attempt:
        """One request."""
        begun = time.time()
        address = f"/v1/conversations/{operation.conversation}/{path}"
        try:
            response = await asyncio.wait_for(self._http.post(address, json=body), limit or ANSWER_SECONDS)
        except (httpx.HTTPError, TimeoutError) as error:
            return operation.note(begun, "unknown", {"error": type(error).__name__})
        return _record_response(operation, begun, response.status_code, response.content)

    async def _send_streamed(self, operation: Operation, body: Answer, limit: float | None) -> Attempt:
        """One request for the turn as events: the message is acknowledged when it comes back as logged."""
        begun = time.time()
        address = f"/v1/conversations/{operation.conversation}/messages"
        try:
            async with (
                asyncio.timeout(limit or ANSWER_SECONDS),
                self._http.stream("POST", address, json=body, headers=EVENTS) as response,
            ):
                if response.status_code != 200:
                    return _record_response(operation, begun, response.status_code, await response.aread())
                async for line in response.aiter_lines():
                    if line.startswith("data: ") and _is_own(event := orjson.loads(line[6:]), body):
                        return operation.note(begun, "ok", {"seq": event["seq"], "turn": event["turn"]})
        except (httpx.HTTPError, TimeoutError) as error:
            return operation.note(begun, "unknown", {"error": type(error).__name__})
        return operation.note(begun, "unknown", {"error": "the stream ended"})

    async def _pending(self, conversation: str) -> Mapping[str, Any]:
        try:
            response = await self._http.get(f"/v1/conversations/{conversation}")
        except httpx.HTTPError:
            return {}
        pending: Mapping[str, Any] = response.json()["pending"] if response.status_code == 200 else {}
        return pending


def _record_response(operation: Operation, begun: float, status: int, content: bytes) -> Attempt:
    outcome = "ok" if status == 202 else "refused" if 400 <= status < 500 else "unknown"
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = {"content": content[:200].decode(errors="replace")}
    return operation.note(begun, outcome, {"status": status, **answer})


def _is_own(event: Mapping[str, Any], body: Answer) -> bool:
    return event["type"] == "user_msg" and event["client_id"] == body["client_id"]
