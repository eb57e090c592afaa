"""Where the files of batches are: rows that were uploaded or fetched, and results; a directory or any fsspec URL."""

import asyncio
import hashlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from deployments.access.settings import comma_separated
from deployments.batches.rows import BadRow, Row, read_rows
from deployments.batches.source_file import RowsUnreadable, describe
from deployments.batches.sources import options_for
from deployments.settings import Settings

T = TypeVar("T")

PIECE_BYTES: Final = 1 << 20
OWN: Final = re.compile(
    r"/(uploads/[0-9a-f]{32}/[0-9a-f]{32}|[0-9a-zA-Z]{1,64}/(rows|answers/[0-9-]+\.json|results/results\.[a-z]+))"
    r"(\.[0-9a-f]{8})?(\.partial)?$"
)
"""The files that are ours: the place may have others."""
RESULTS: Final = ("results.jsonl", "results.parquet")


class FilesUnavailable(Exception):
    """The place for the files of batches does not answer, or refuses: the operator looks into it."""


class BatchFiles:
    """Each coroutine runs what blocks in a thread. Errors of the place become FilesUnavailable."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.batch_url or str((settings.data_dir / "batches").absolute())
        self._settings = settings

    async def receive(self, owner: str, pieces: AsyncIterator[bytes]) -> tuple[str, int]:
        """Keep a file that is being uploaded; its id, for this owner, and its size. All of it is there, or nothing."""
        file_id = uuid.uuid4().hex
        target = self._upload(owner, file_id)
        files, partial_path = await self._call(self._prepare, target)
        held, size = bytearray(), 0
        file = await self._call(files.open, partial_path, "wb")
        try:
            async for piece in pieces:
                held += piece
                size += len(piece)
                if len(held) >= PIECE_BYTES:
                    await self._call(file.write, bytes(held))
                    held.clear()
            await self._call(file.write, bytes(held))
            await self._call(file.close)
            await self._call(partial(_publish, files, partial_path, target))
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_discard, files, file, partial_path))
            raise
        return file_id, size

    async def has_upload(self, owner: str, file_id: str) -> bool:
        """Whether that principal has uploaded it."""
        return bool(await self._call(lambda: self._files().exists(self._upload(owner, file_id))))

    async def fetch(self, batch_id: str, url: str) -> None:
        """Copy the file at a URL that people named, so that it stays the same. Raises RowsUnreadable."""
        target = f"{self._folder(batch_id)}/rows"
        if await self._call(lambda: self._files().exists(target)):
            return
        files, partial_path = await self._call(self._prepare, target)
        await asyncio.to_thread(self._copy, url, files, partial_path)
        await self._call(partial(_publish, files, partial_path, target))

    def source(self, owner: str, batch_id: str, file_id: str | None) -> str:
        """The URL of a batch's rows."""
        found = self._upload(owner, file_id) if file_id is not None else f"{self._folder(batch_id)}/rows"
        return str(self._files().unstrip_protocol(found))

    def results(self, batch_id: str) -> str:
        """The URL of the directory with a batch's results."""
        return str(self._files().unstrip_protocol(f"{self._folder(batch_id)}/results"))

    async def open_result(self, batch_id: str, name: str) -> AsyncIterator[bytes] | None:
        """The bytes of a file of results; None if it is not there."""
        path = f"{self._folder(batch_id)}/results/{name}"
        if not await self._call(lambda: self._files().exists(path)):
            return None
        return self._pieces(await self._call(lambda: self._files().open(path, "rb")))

    def previous_results(self, batch_id: str) -> Iterator[dict[str, Any]]:
        """The results that were written before, if there are any; for a thread."""
        path = f"{self._folder(batch_id)}/results/{RESULTS[0]}"
        if self._files().exists(path):
            for row in read_rows(str(self._files().unstrip_protocol(path)), max_row_bytes=1 << 30):
                if isinstance(row, Row):
                    yield row.data

    async def keep_answers(self, batch_id: str, chunk: str, content: bytes) -> None:
        """Keep what the provider has answered to a chunk of rows; again, it replaces what was there."""
        target = f"{self._folder(batch_id)}/answers/{chunk}.json"
        files, partial_path = await self._call(self._prepare, target)
        await self._call(files.pipe_file, partial_path, content)
        await self._call(partial(_publish, files, partial_path, target))

    async def read_answers(self, batch_id: str, chunk: str) -> bytes | None:
        """The same; None if there are none."""
        path = f"{self._folder(batch_id)}/answers/{chunk}.json"
        if not await self._call(lambda: self._files().exists(path)):
            return None
        found: bytes = await self._call(lambda: self._files().cat_file(path))
        return found

    async def remove(self, batch_id: str) -> None:
        """Remove the files of a batch, but for what was uploaded: other batches may use that."""
        await self._call(partial(self._remove, self._folder(batch_id)))

    async def remove_older(self, days: float) -> None:
        """Remove what is older than so many days, such as uploads that no batch uses any more."""
        with suppress(FilesUnavailable):  # the next batch that ends tries again
            await self._call(partial(self._remove_older, time.time() - 86_400 * days))

    def rows(self, source: str, after: int = 0) -> Iterator[Row | BadRow]:
        """The rows of a source of this place; for a thread."""
        return read_rows(source, after=after)

    async def _pieces(self, file: Any) -> AsyncIterator[bytes]:  # noqa: ANN401 - drivers' files have no common type
        try:
            while piece := await self._call(file.read, PIECE_BYTES):
                yield piece
        finally:
            await asyncio.to_thread(file.close)

    async def _call(self, work: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 - those of `work`
        try:
            return await asyncio.to_thread(work, *arguments)
        except Exception as error:  # drivers raise whatever their services do
            raise FilesUnavailable(describe(error)) from error

    # What follows blocks.

    def _files(self) -> Any:  # noqa: ANN401 - fsspec has no types
        return import_module("fsspec.core").url_to_fs(self._url)[0]

    def _root(self) -> str:
        return str(import_module("fsspec.core").url_to_fs(self._url)[1]).rstrip("/")

    def _upload(self, owner: str, file_id: str | None) -> str:
        # The owner is part of the name: another's file is none, whatever its id.
        return f"{self._root()}/uploads/{hashlib.sha256(owner.encode()).hexdigest()[:32]}/{file_id}"

    def _folder(self, batch_id: str) -> str:
        return f"{self._root()}/{batch_id}"

    def _prepare(self, target: str) -> tuple[Any, str]:
        files = self._files()
        files.makedirs(target.rpartition("/")[0], exist_ok=True)
        return files, f"{target}.{uuid.uuid4().hex[:8]}.partial"

    def _copy(self, url: str, files: Any, target: str) -> None:  # noqa: ANN401 - fsspec has no types
        most = self._settings.max_batch_bytes
        options = options_for(url, comma_separated(self._settings.batch_places))
        try:
            with import_module("fsspec").open(url, "rb", **options) as source, files.open(target, "wb") as file:
                size = 0
                while piece := source.read(PIECE_BYTES):
                    size += len(piece)
                    if size > most:
                        break
                    file.write(piece)
        except Exception as error:  # drivers raise whatever their services do
            _discard(files, None, target)
            raise RowsUnreadable(f"{url[:200]} cannot be read: {describe(error)}") from error
        if size > most:
            _discard(files, None, target)
            raise RowsUnreadable(f"it has more than {most} bytes")

    def _remove(self, folder: str) -> None:
        if self._files().exists(folder):
            self._files().rm(folder, recursive=True)

    def _remove_older(self, oldest: float) -> None:
        files = self._files()
        for path, details in files.find(self._root(), detail=True).items():
            changed = details.get("mtime") or details.get("LastModified") or details.get("updated")
            stamp = changed.timestamp() if hasattr(changed, "timestamp") else changed
            if isinstance(stamp, int | float) and stamp < oldest and OWN.search(path):
                with suppress(FileNotFoundError):
                    files.rm_file(path)


def _publish(files: Any, partial_path: str, target: str) -> None:  # noqa: ANN401 - fsspec has no types
    if "file" in files.protocol:
        Path(partial_path).replace(target)
    else:
        files.mv(partial_path, target)


def _discard(files: Any, file: Any, path: str) -> None:  # noqa: ANN401 - fsspec has no types
    with suppress(Exception):
        if file is not None:
            file.close()
    with suppress(Exception):
        files.rm_file(path)
