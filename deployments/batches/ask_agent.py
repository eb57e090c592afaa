"""`AskAgent`: puts the rows of a data set to an agent of the service, for `map_batches` of Ray Data.

The id of a row's conversation, and the client id of its message, are made of the run's key and the row's: a run that is
repeated, by Ray or by people, asks nothing again that was asked, and reads what was answered.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
from httpx_sse import aconnect_sse

from deployments.batches.definition import InvalidRow, make_text
from deployments.settings import Settings

FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 30.0
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may be taken a moment later."""
TAKEN: Final = 409
TIMEOUT: Final = httpx.Timeout(30.0, read=None)
ANSWERS: Final = (
    "conversation_id",
    "status",
    "answer",
    "output",
    "error",
    "model",
    "input_tokens",
    "output_tokens",
    "cost_usd",
)
"""The columns that it adds. `status` is succeeded, failed or waiting (for people); `output` is JSON."""


class ServiceAway(Exception):
    """The service has taken no request for too long: Ray tries the block of rows again, or gives up."""


class RowRefused(Exception):
    """The service does not take this row; the sentence is its error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAgent:
    """`agent` answers in the run named `key`; `row_key` is the column whose value tells rows apart.

    `template` makes the message of a row as in a batch (`{{name}}` is its column); without it the column `message` is
    it. At most `concurrency` rows are asked at once, by each process of Ray Data. The service is at `url`, by default
    on the same node as that process, and gets the `api_key`, by default the one in `RAYLOGUE_API_KEY` there. It may be
    away, or full, for `patience` seconds. Takes batches of the format `numpy`, the default of `map_batches`.
    """

    agent: str
    key: str
    row_key: str = "id"
    template: str | None = None
    model: str | None = None
    url: str | None = None
    api_key: str | None = None
    concurrency: int = 16
    patience: float = 600.0

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch with the columns `ANSWERS`. Raises ServiceAway, KeyError without the column `row_key`."""
        if not isinstance(batch, Mapping):
            raise TypeError('AskAgent takes batches of the format "numpy", the default of map_batches')
        columns = {name: _plain(values) for name, values in batch.items()}
        keys = columns[self.row_key]
        rows = [{name: values[at] for name, values in columns.items()} for at in range(len(keys))]
        answers = asyncio.run(self._ask_all(keys, rows))
        return {**batch, **{name: [answer.get(name) for answer in answers] for name in ANSWERS}}

    def conversation_id(self, row_key: object) -> str:
        """Of a row: the same in each run with this key."""
        digest = hashlib.sha256(json.dumps([self.agent, self.key, row_key], default=str).encode()).hexdigest()
        return f"data-{digest[:40]}"

    async def _ask_all(self, keys: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        settings = Settings()
        api_key = self.api_key or (settings.api_key.get_secret_value() if settings.api_key is not None else None)
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        limits = httpx.Limits(max_connections=self.concurrency)
        places = asyncio.Semaphore(self.concurrency)
        url = self.url or settings.url
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT, limits=limits) as http:

            async def ask(key: object, row: Mapping[str, Any]) -> dict[str, Any]:
                async with places:
                    return await self._ask(http, self.conversation_id(key), row)

            return list(await asyncio.gather(*map(ask, keys, rows)))

    async def _ask(self, http: httpx.AsyncClient, conversation_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"conversation_id": conversation_id}
        try:
            text = make_text(self.template, row)
            async with asyncio.timeout(self.patience):
                await self._create(http, conversation_id)
            return {**found, **await self._answer(http, conversation_id, text)}
        except TimeoutError:
            raise ServiceAway(f"the service has not taken a row for {self.patience:g} s") from None
        except (InvalidRow, RowRefused) as refused:
            return {**found, "status": "failed", "error": str(refused)}

    async def _create(self, http: httpx.AsyncClient, conversation_id: str) -> None:
        body = {"id": conversation_id, "agent": self.agent, "channel": "batch", "placement": "shared"}
        response = await _patiently(lambda: http.post("/v1/conversations", json=body))
        if response.status_code == TAKEN:  # by an earlier run, unless it is another's
            response = await _patiently(lambda: http.get(f"/v1/conversations/{conversation_id}"))
        if not response.is_success:
            raise RowRefused(_sentence(response))

    async def _answer(self, http: httpx.AsyncClient, conversation_id: str, text: str) -> dict[str, Any]:
        """Send the message, which counts once, and read its turn to the end; again if the stream breaks."""
        body = {"text": text, "client_id": conversation_id, "model": self.model}
        pause, loop = FIRST_PAUSE_SECONDS, asyncio.get_running_loop()
        since = loop.time()
        while loop.time() - since < self.patience:
            turn = _Turn()
            try:
                path = f"/v1/conversations/{conversation_id}/messages"
                async with aconnect_sse(http, "POST", path, json=body) as stream:
                    response = stream.response
                    if response.is_success:
                        async for event in stream.aiter_sse():
                            since = loop.time()
                            if event.data and turn.add(json.loads(event.data)):
                                return turn.result()
                    elif response.status_code not in PASSING:
                        await response.aread()
                        raise RowRefused(_sentence(response))
                    elif (wanted := response.headers.get("Retry-After", "")).isdecimal():
                        pause = float(wanted)
            except httpx.TransportError:
                pass
            await asyncio.sleep(min(pause, MAX_PAUSE_SECONDS))
            pause = min(2 * max(pause, FIRST_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
        raise TimeoutError


class _Turn:
    """What is read of a turn's events."""

    def __init__(self) -> None:
        self._answers: dict[str, Mapping[str, Any]] = {}
        self._status = ""
        self._error: str | None = None

    def add(self, event: Mapping[str, Any]) -> bool:
        """Whether the turn is over, or waits for people."""
        match event["type"]:
            case "assistant_msg":
                self._answers[event["message_id"]] = event
            case "turn_ended":
                self._status = "succeeded" if event["outcome"] == "completed" else "failed"
                self._error = None if self._status == "succeeded" else event["reason"] or event["outcome"]
                return True
            case "suspended":
                self._status = "waiting"
                return True
            case "conversation_deleted":
                raise RowRefused("its conversation has been deleted")
        return False

    def result(self) -> dict[str, Any]:
        """The columns that the turn has come to."""
        answers = list(self._answers.values())
        last: Mapping[str, Any] = answers[-1] if answers else {}
        usages = [answer.get("usage") or {} for answer in answers]
        costs = [answer["cost"] for answer in answers if answer.get("cost") is not None]
        output = last.get("output")
        return {
            "status": self._status or "waiting",
            "answer": "\n\n".join(
                block["text"] for block in last.get("content", ()) if block["type"] == "text"
            ).strip(),
            "output": None if output is None else json.dumps(output, ensure_ascii=False),
            "error": self._error,
            "model": last.get("model"),
            "input_tokens": sum(count for usage in usages for kind, count in usage.items() if kind != "output_tokens"),
            "output_tokens": sum(usage.get("output_tokens", 0) for usage in usages),
            "cost_usd": sum(costs) / 1_000_000 if costs else None,
        }


async def _patiently(request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The answer, once it is one that no later moment would change; the caller bounds the time."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            response = await request()
            if response.status_code not in PASSING:
                return response
            wanted = response.headers.get("Retry-After", "")
            await asyncio.sleep(min(float(wanted) if wanted.isdecimal() else pause, MAX_PAUSE_SECONDS))
        except httpx.TransportError:
            await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)


def _plain(values: Any) -> list[Any]:  # noqa: ANN401 - an array of numpy, or a list
    """The values of a column as Python has them."""
    found: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return found


def _sentence(response: httpx.Response) -> str:
    """What the service says of a refusal: its code, and a sentence."""
    try:
        problem = response.json()
        return f"{str(problem['type']).rpartition(':')[2]}: {problem.get('detail', '')}"
    except (ValueError, KeyError, TypeError):
        return f"the service answered {response.status_code}"
