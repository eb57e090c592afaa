"""Puts the results of a batch together, in the order of its rows, from the logs of their conversations."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from agents.agent import Agent
from deployments.batches.columns import ColumnType, output_columns, output_values
from deployments.batches.definition import BatchDefinition, chunk_of, conversation_id
from deployments.batches.files import BatchFiles
from deployments.batches.outcomes import read_turn, result_of_turn
from deployments.batches.result_writer import ResultWriter
from deployments.batches.rows import BadRow, Row
from store import Store

READ_TOGETHER: Final = 64
"""Rows whose results are in memory at once."""
COLUMNS: Final[Mapping[str, ColumnType]] = {
    "row": "int64",
    "status": "string",
    "answer": "string",
    "error": "string",
    "error_detail": "string",
    "conversation_id": "string",
    "model": "string",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "cost_usd": "double",
}
"""What each result has. `status` is succeeded, failed, not_valid, not_finished or not_run."""
INPUT: Final = "input"
MAX_CHUNKS: Final = 8
"""Chunks of the provider's answers that are in memory."""
DONE_ELSEWHERE: Final = ("succeeded", "failed")


class Results:
    """Writes the results of one batch, whatever has become of its rows; written again, they are the same."""

    def __init__(
        self, store: Store, files: BatchFiles, batch_id: str, definition: BatchDefinition, agent: Agent | None
    ) -> None:
        self._store = store
        self._files = files
        self._batch = batch_id
        self._definition = definition
        output = agent.output.model_json_schema() if agent is not None and agent.output is not None else None
        self._output = output_columns(output)
        self._answers: dict[str, dict[str, Any]] = {}
        self._inputs: dict[str, ColumnType] = {f"{INPUT}_{name}": "string" for name in definition.columns}
        self.columns: dict[str, ColumnType] = {**COLUMNS, **self._inputs, **self._output}
        """Of the files, by name."""

    async def write(self, source: str) -> int:
        """How many results there are. Raises what the places raise that are written to."""
        failures = await self._store.batches.failures(self._batch)
        rounds = await self._store.batches.rounds(self._batch)
        previous = _Previous(self._files.previous_results(self._batch))
        places = [self._files.results(self._batch), *([self._definition.out] if self._definition.out else [])]
        writers = [ResultWriter(place, self.columns) for place in places]
        rows = self._files.rows(source)
        try:
            for writer in writers:
                await asyncio.to_thread(writer.__enter__)
            while some := await asyncio.to_thread(_take, rows, READ_TOGETHER):
                found = await asyncio.gather(*(self._result(row, rounds, failures) for row in some))
                await asyncio.to_thread(_write, writers, found, previous)
        except BaseException as error:
            for writer in writers:
                await asyncio.shield(asyncio.to_thread(writer.__exit__, type(error), error, error.__traceback__))
            raise
        for writer in writers:
            await asyncio.to_thread(writer.__exit__, None, None, None)
        return writers[0].count

    async def of_row(self, row: int) -> dict[str, Any]:
        """The result of one row as it is now, without the fields of its own; of a batch that goes on as well.

        Beside what `status` can be in the files there is `waiting`: for people. Raises StoreUnavailable, and
        FilesUnavailable.
        """
        standing = await self._store.batches.row(self._batch, row)
        found = await self._find(row, standing.round, standing.failure)
        if not found and standing.is_finished:  # its conversation has been deleted since
            found = await asyncio.to_thread(_written, self._files.previous_results(self._batch), row)
        base = dict.fromkeys([*COLUMNS, *self._output]) | {"row": row, "status": "not_run"}
        result = {**base, **found, **output_values(found.get("output"), self._output)}
        if standing.is_waiting and result["status"] == "not_finished":
            result["status"] = "waiting"
        return {name: result[name] for name in base}

    async def _result(
        self, row: Row | BadRow, rounds: Mapping[int, int], failures: Mapping[int, str]
    ) -> dict[str, Any]:
        base: dict[str, Any] = {"row": row.number, "status": "not_run"}
        if isinstance(row, BadRow):
            return {**base, "status": "not_valid", "error": "not_valid", "error_detail": row.problem}
        base |= {f"{INPUT}_{name}": row.data.get(name) for name in self._definition.columns}
        found = await self._find(row.number, rounds.get(row.number, 0), failures.get(row.number))
        return {**base, **found, **output_values(found.get("output"), self._output)}

    async def _find(self, row: int, number: int, failure: str | None) -> dict[str, Any]:
        """What has become of a row in that round; nothing if it has not begun, or what it left is deleted."""
        if self._definition.provider_batch:
            found = await self._answer(row, number)
        else:
            conversation = conversation_id(self._batch, row, number)
            events = await read_turn(self._store, conversation)
            found = {**result_of_turn(events), "conversation_id": conversation} if events else {}
        if not found and failure is not None:
            code, _, detail = failure.partition(": ")
            status = "not_valid" if code == "not_valid" else "failed"
            found = {"status": status, "error": code, "error_detail": detail or None}
        return found

    async def _answer(self, row: int, number: int) -> dict[str, Any]:
        """What the provider's own batch has answered; the answers of a chunk are read once."""
        key = chunk_of(row, number).key
        if key not in self._answers:
            content = await self._files.read_answers(self._batch, key)
            self._answers = {**dict(list(self._answers.items())[-MAX_CHUNKS:]), key: orjson.loads(content or b"{}")}
        return dict(self._answers[key].get(str(row), {}))


class _Previous:
    """The results of an earlier writing, of rows whose conversations have been deleted since."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self._next: dict[str, Any] | None = next(rows, None)

    def of(self, row: int) -> dict[str, Any] | None:
        """Asked in the order of the rows."""
        while self._next is not None and self._next["row"] < row:
            self._next = next(self._rows, None)
        return self._next if self._next is not None and self._next["row"] == row else None


def _write(writers: Sequence[ResultWriter], found: Sequence[dict[str, Any]], previous: _Previous) -> None:
    for result in found:
        before = previous.of(result["row"])
        is_gone = result["status"] == "not_run" and before is not None and before["status"] in DONE_ELSEWHERE
        for writer in writers:
            writer.write(before if is_gone and before is not None else result)


def _written(results: Iterator[dict[str, Any]], row: int) -> dict[str, Any]:
    return next((result for result in results if result["row"] == row), {})


def _take(rows: Iterator[Row | BadRow], count: int) -> list[Row | BadRow]:
    return [row for _, row in zip(range(count), rows, strict=False)]


async def in_chunks(rows: Iterator[Row | BadRow], count: int) -> AsyncIterator[list[Row | BadRow]]:
    """The rows, so many together; reading them blocks a thread."""
    while some := await asyncio.to_thread(_take, rows, count):
        yield some
