"""The provider's own batches (Message Batches): many requests at once, at half the price, answered within a day."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from anthropic import AsyncAnthropic

from agents.models.anthropic.failures import translate_errors
from agents.models.prices import cost_of
from agents.models.protocol import Json, ModelRequest

DISCOUNT: Final = 2
"""What an answer costs of its own price is the half."""
MAX_LISTED: Final = 1000


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """Whether all requests have been answered; `created_at` is in ms since 1970, `size` how many requests there are."""

    id: str
    is_ended: bool
    created_at: int
    size: int


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The answer of the request `custom_id`; `error` is set where there is none. `cost` as of `cost_of`, halved."""

    custom_id: str
    outcome: Literal["succeeded", "errored", "canceled", "expired"]
    content: Sequence[Json] = ()
    usage: dict[str, int] = field(default_factory=dict)
    model: str = ""
    stop_reason: str = ""
    cost: int | None = None
    error: str | None = None


class MessageBatches:
    """Of one model; each call raises ModelError."""

    def __init__(self, client: AsyncAnthropic, body_of: Callable[[ModelRequest], Json]) -> None:
        self._client = client
        self._body_of = body_of

    async def create(self, requests: Sequence[tuple[str, ModelRequest]]) -> str:
        """Hand in requests, each with an id of ours; the id of the batch. Repeated, it is another batch."""
        entries: Any = [
            {"custom_id": name, "params": {k: v for k, v in self._body_of(request).items() if k != "stream"}}
            for name, request in requests
        ]
        with translate_errors():
            return (await self._client.messages.batches.create(requests=entries)).id

    async def get(self, batch_id: str) -> BatchStatus:
        """How far it is."""
        with translate_errors():
            return _status(await self._client.messages.batches.retrieve(batch_id))

    async def cancel(self, batch_id: str) -> None:
        """Answer no more requests; it ends a little later."""
        with translate_errors():
            await self._client.messages.batches.cancel(batch_id)

    async def newest(self, since: int) -> list[BatchStatus]:
        """Those of the account that were created since then (ms)."""
        found: list[BatchStatus] = []
        with translate_errors():
            async for one in self._client.messages.batches.list(limit=100):
                status = _status(one)
                if status.created_at < since or len(found) >= MAX_LISTED:
                    break
                found.append(status)
        return found

    async def answers(self, batch_id: str) -> AsyncIterator[BatchAnswer]:
        """All answers of a batch that has ended, in any order."""
        with translate_errors():
            async for one in await self._client.messages.batches.results(batch_id):
                yield _answer(one.model_dump(mode="json", exclude_none=True))


def _status(found: Any) -> BatchStatus:  # noqa: ANN401 - the SDK's
    counts = found.request_counts
    size = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
    return BatchStatus(found.id, found.processing_status == "ended", round(found.created_at.timestamp() * 1000), size)


def _answer(found: Json) -> BatchAnswer:
    result = found["result"]
    if result["type"] != "succeeded":
        error = result.get("error", {}).get("error", {})
        return BatchAnswer(found["custom_id"], result["type"], error=error.get("type", result["type"]))
    message = result["message"]
    counts = {kind: count for kind, count in message["usage"].items() if isinstance(count, int)}
    usage = {kind: count for kind, count in counts.items() if kind.endswith("tokens")}
    cost = cost_of(message["model"], usage)
    return BatchAnswer(
        found["custom_id"],
        "succeeded",
        message["content"],
        usage,
        message["model"],
        message.get("stop_reason") or "",
        None if cost is None else cost // DISCOUNT,
    )
