"""Looks through all rows before the first is sent: how many there are, and which cannot become a message."""

import asyncio
from typing import Final

from deployments.batches.definition import BatchDefinition, InvalidRow, make_message
from deployments.batches.files import BatchFiles
from deployments.batches.rows import BadRow, Row
from deployments.batches.source_file import RowsUnreadable
from deployments.settings import Settings
from store.registries.batches import RowNote

MAX_BAD: Final = 10_000
"""With more rows that are not valid than that, it is the file or the template that is wrong."""
MAX_PROBLEM_CHARS: Final = 200


async def check_rows(
    files: BatchFiles, source: str, definition: BatchDefinition, settings: Settings
) -> tuple[int, list[RowNote]]:
    """How many rows there are, and a note of each that is not valid. Raises RowsUnreadable."""
    return await asyncio.to_thread(_check, files, source, definition, settings)


def _check(
    files: BatchFiles, source: str, definition: BatchDefinition, settings: Settings
) -> tuple[int, list[RowNote]]:
    count, bad = 0, list[RowNote]()
    for row in files.rows(source):
        count += 1
        if count > settings.max_batch_rows or row.number > settings.max_batch_rows:
            raise RowsUnreadable(f"it has more than {settings.max_batch_rows} rows")
        problem = _problem(row, definition, settings.max_message_bytes)
        if problem is not None:
            bad.append(RowNote(row.number, 0, "failed", f"not_valid: {problem}"[:MAX_PROBLEM_CHARS]))
        if len(bad) > MAX_BAD:
            raise RowsUnreadable(f"more than {MAX_BAD} rows are not valid; row {row.number}: {problem}")
    return count, bad


def _problem(row: Row | BadRow, definition: BatchDefinition, max_bytes: int) -> str | None:
    if isinstance(row, BadRow):
        return row.problem
    try:
        make_message(definition, row.data, max_bytes)
    except InvalidRow as problem:
        return str(problem)
    return None
