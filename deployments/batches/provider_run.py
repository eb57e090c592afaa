"""Gives the rows of a batch to the provider's own batches, chunk by chunk, and takes the answers back.

The provider knows no idempotency key, so what is handed in is noted before. After a crash in between, the batch is
looked for among the account's newest ones: its answers carry our ids.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import orjson
import structlog
from pydantic import ValidationError

from agents.agent import Agent
from agents.clock import now_ms
from agents.models.anthropic.message_batches import BatchAnswer, MessageBatches
from agents.models.protocol import ModelRequest
from agents.turn.events import UNFINISHED
from deployments.batches.definition import BatchDefinition, Chunk, InvalidRow, chunk_of, make_message
from deployments.batches.files import BatchFiles
from deployments.batches.outcomes import count_input
from deployments.batches.rows import Row
from store import Store
from store.registries.batches import RowNote, has_bit

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 20
"""Batches of the provider that are under way at once."""
FIRST_PAUSE_SECONDS: Final = 2.0
MAX_PAUSE_SECONDS: Final = 60.0
INTENT: Final = "intent "
CLOCK_SKEW_MS: Final = 300_000


class ProviderRun:
    """Brings the rows of one batch to the provider; `is_stopped` says what is wanted instead, such as `pause`."""

    def __init__(
        self,
        store: Store,
        files: BatchFiles,
        batch_id: str,
        definition: BatchDefinition,
        agent: Agent,
        max_bytes: int,
        is_stopped: Callable[[], Awaitable[str]],
    ) -> None:
        self._store = store
        self._files = files
        self._batch = batch_id
        self._definition = definition
        self._agent = agent
        self._max_bytes = max_bytes
        self._is_stopped = is_stopped
        batches: Any = getattr(agent.model_named(definition.model), "batches", None)
        self._batches: MessageBatches = batches
        self._waiting: dict[str, tuple[str, Chunk]] = {}

    async def run(self, source: str) -> None:
        """Until every row is answered, or it is to stop. Raises ModelError when the provider is away for long."""
        if await self._has_to_stop():
            return
        finished = await self._store.batches.finished(self._batch)
        rounds = await self._store.batches.rounds(self._batch)
        known = await self._store.batches.provider_batches(self._batch)
        chunk: list[Row] = []
        rows = self._files.rows(source)
        while row := await asyncio.to_thread(next, rows, None):
            if chunk and chunk_of(row.number, 0) != chunk_of(chunk[0].number, 0):
                await self._hand_in(chunk, rounds, known)
                chunk = []
                if await self._has_to_stop():
                    return
            if isinstance(row, Row) and not has_bit(finished, row.number):
                chunk.append(row)
        if chunk:
            await self._hand_in(chunk, rounds, known)
        while self._waiting and not await self._has_to_stop():
            await self._wait(0)

    async def _has_to_stop(self) -> bool:
        wanted = await self._is_stopped()
        if wanted == "cancel":
            await self._cancel_all()
        return bool(wanted)

    async def _cancel_all(self) -> None:
        """End what is under way at the provider, also what an earlier process has handed in, and take its answers.

        What was handed in by a process that died before it knew the id is left to end by itself.
        """
        finished = await self._store.batches.finished(self._batch)
        for key, provider_id in (await self._store.batches.provider_batches(self._batch)).items():
            chunk = Chunk.of(key)
            if not provider_id.startswith(INTENT) and not all(has_bit(finished, row) for row in chunk.rows):
                self._waiting[provider_id] = (provider_id, chunk)
        for provider_id in list(self._waiting):
            if not (await self._batches.get(provider_id)).is_ended:
                await self._batches.cancel(provider_id)
        await self._wait(0, to_the_end=True)

    async def _hand_in(self, rows: Sequence[Row], rounds: dict[int, int], known: dict[str, str]) -> None:
        await self._wait(MAX_WAITING - 1)
        for number in sorted({rounds.get(row.number, 0) for row in rows}):
            chunk = chunk_of(rows[0].number, number)
            some = [row for row in rows if rounds.get(row.number, 0) == number]
            requests = [found for row in some if (found := self._request(row, number)) is not None]
            if requests:
                provider_id = await self._find_or_create(chunk, requests, known.get(chunk.key))
                self._waiting[provider_id] = (provider_id, chunk)

    def _request(self, row: Row, number: int) -> tuple[str, ModelRequest] | None:
        try:
            content = make_message(self._definition, row.data, self._max_bytes)
        except InvalidRow:  # it was noted when the rows were checked
            return None
        output = self._agent.output
        return f"{self._batch}-{row.number}-{number}", ModelRequest(
            system=self._agent.system_prompt,
            messages=[{"role": "user", "content": content}],
            max_tokens=self._agent.max_tokens,
            output_schema=None if output is None else output.model_json_schema(),
            stable=1,
        )

    async def _find_or_create(
        self, chunk: Chunk, requests: Sequence[tuple[str, ModelRequest]], known: str | None
    ) -> str:
        if known is not None and not known.startswith(INTENT):
            return known
        found = None if known is None else await self._find(int(known.removeprefix(INTENT)), requests)
        if found is None:
            await self._store.batches.note_provider_batch(self._batch, chunk.key, f"{INTENT}{now_ms()}")
            found = await self._batches.create(requests)
        await self._store.batches.note_provider_batch(self._batch, chunk.key, found)
        return found

    async def _find(self, since: int, requests: Sequence[tuple[str, ModelRequest]]) -> str | None:
        """The batch that an earlier process has handed in, and died before it could note its id."""
        ours = {name for name, _ in requests}
        pause = FIRST_PAUSE_SECONDS
        for one in await self._batches.newest(since - CLOCK_SKEW_MS):
            if one.size != len(requests) and not one.is_ended:
                continue
            while not one.is_ended:  # whose it is, its answers say
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
                one = await self._batches.get(one.id)
            async for answer in self._batches.answers(one.id):
                if answer.custom_id in ours:
                    return one.id
                break
        return None

    async def _wait(self, most: int, *, to_the_end: bool = False) -> None:
        """Until at most so many batches of the provider are under way, or it is to stop."""
        pause = FIRST_PAUSE_SECONDS
        while len(self._waiting) > most:
            for provider_id, chunk in list(self._waiting.values()):
                if (await self._batches.get(provider_id)).is_ended:
                    await self._take(provider_id, chunk)
                    del self._waiting[provider_id]
                    pause = FIRST_PAUSE_SECONDS
            if len(self._waiting) <= most or (await self._is_stopped() and not to_the_end):
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _take(self, provider_id: str, chunk: Chunk) -> None:
        """Keep the answers of a chunk, then note its rows: a row that is finished has its answer."""
        answers = [answer async for answer in self._batches.answers(provider_id)]
        results = {str(_row_of(answer)): self._result(answer) for answer in answers}
        await self._files.keep_answers(self._batch, chunk.key, orjson.dumps(results))
        notes = [self._note(_row_of(answer), chunk.round, answer, results[str(_row_of(answer))]) for answer in answers]
        await self._store.batches.note_rows(self._batch, notes)

    def _result(self, answer: BatchAnswer) -> dict[str, Any]:
        text = "\n\n".join(str(block["text"]) for block in answer.content if block["type"] == "text").strip()
        result: dict[str, Any] = {
            "status": "succeeded",
            "answer": text,
            "model": answer.model or None,
            "input_tokens": count_input(answer.usage),
            "output_tokens": answer.usage.get("output_tokens", 0),
            "cost_usd": None if answer.cost is None else answer.cost / 1_000_000,
        }
        error = answer.error or (answer.stop_reason if answer.stop_reason in UNFINISHED else None)
        if error is None and self._agent.output is not None:
            try:
                result["output"] = self._agent.output.model_validate_json(text).model_dump(mode="json")
            except ValidationError:
                error = "invalid_output"
        return result if error is None else {**result, "status": "failed", "error": error}

    def _note(self, row: int, number: int, answer: BatchAnswer, result: dict[str, Any]) -> RowNote:
        spent = (count_input(answer.usage), answer.usage.get("output_tokens", 0), answer.cost or 0)
        if result["status"] == "succeeded":
            return RowNote(row, number, "succeeded", "", *spent)
        return RowNote(row, number, "failed", result["error"], *spent)


def _row_of(answer: BatchAnswer) -> int:
    return int(answer.custom_id.rsplit("-", 2)[1])
