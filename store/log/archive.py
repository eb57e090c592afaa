"""The archive: a directory or object storage, reached by fsspec, with the segments of logs that Redis need not keep."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from store.errors import ArchiveDamaged, ArchiveUnavailable
from store.log.segment import Segment, SegmentName, pack, unpack

T = TypeVar("T")

MAX_THREADS = 4
MAX_CACHED_SEGMENTS = 8
"""A client that scrolls back asks for the same segment page after page."""


class Archive:
    """Keeps segments below `url`: a path, or any URL that fsspec (with the operator's driver) understands.

    At least the newest `keep_events` of a log stay in Redis; each segment has `segment_events`. A call takes at most
    `seconds`. Nothing is opened yet: importing fsspec is expensive, and most conversations never need it.
    """

    def __init__(self, url: str, *, keep_events: int = 1000, segment_events: int = 500, seconds: float = 30.0) -> None:
        self._url = url
        self.keep_events = keep_events
        self.segment_events = segment_events
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="archive")
        self._cache: OrderedDict[tuple[str, str], Segment] = OrderedDict()

    def check(self) -> None:
        """Raises ValueError for a URL that cannot be used: fsspec does not know it, or its driver is not installed."""
        try:
            _ = self._files
        except (ImportError, ValueError) as error:
            raise ValueError(f"the archive {self._url} cannot be used: {error}") from error

    async def open(self) -> None:
        """Create the directory if it is missing. Raises ArchiveUnavailable."""
        await self._call(lambda: self._files.makedirs(self._root, exist_ok=True))

    async def write(self, conversation_id: str, segment: Segment) -> SegmentName:
        """Write a segment, and return when it has been read back as it was. Raises ArchiveUnavailable, ArchiveDamaged.

        Written again, it is the same file.
        """
        name, content = await self._call(partial(pack, conversation_id, segment))
        await self._call(partial(self._write, conversation_id, name.file, content))
        await self._call(partial(self._unpacked, conversation_id, name))
        return name

    async def read(self, conversation_id: str, name: SegmentName) -> Segment:
        """Raises ArchiveUnavailable, and ArchiveDamaged if the segment is missing, or is not what was written."""
        key = (conversation_id, name.file)
        known = self._cache.get(key)
        if known is None:
            known = self._cache[key] = await self._read(conversation_id, name)
            if len(self._cache) > MAX_CACHED_SEGMENTS:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(key)
        return known

    async def drop(self, conversation_id: str) -> None:
        """Remove all segments of a conversation, also files that no index names. Raises ArchiveUnavailable."""
        await self._call(partial(self._drop, conversation_id))
        for key in [key for key in self._cache if key[0] == conversation_id]:
            del self._cache[key]

    def close(self) -> None:
        """Start no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, conversation_id: str, name: SegmentName) -> Segment:
        try:
            return await self._call(partial(self._unpacked, conversation_id, name))
        except ArchiveUnavailable as error:
            if isinstance(error.__cause__, FileNotFoundError) and await self._call(self._is_there):
                raise ArchiveDamaged(conversation_id, name.file, "it is missing") from error
            raise

    async def _call(self, work: Callable[[], T]) -> T:
        """Run blocking or long work in a thread of the archive: a file system that hangs blocks no other threads."""
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except ArchiveDamaged:
            raise
        except Exception as error:  # drivers raise whatever their services do
            raise ArchiveUnavailable(f"{type(error).__name__}: {error}") from error

    # The methods below block.

    @cached_property
    def _files(self) -> Any:  # noqa: ANN401 - fsspec has no types
        return import_module("fsspec.core").url_to_fs(self._url)[0]

    @cached_property
    def _root(self) -> str:
        return str(import_module("fsspec.core").url_to_fs(self._url)[1]).rstrip("/")

    def _is_local(self) -> bool:
        return "file" in self._files.protocol

    def _is_there(self) -> bool:
        return bool(self._files.exists(self._root))

    def _unpacked(self, conversation_id: str, name: SegmentName) -> Segment:
        return unpack(conversation_id, name, self._files.cat_file(f"{self._directory(conversation_id)}/{name.file}"))

    def _write(self, conversation_id: str, file: str, content: bytes) -> None:
        directory = self._directory(conversation_id)
        self._files.makedirs(directory, exist_ok=True)
        with self._files.open(f"{directory}/{file}", "wb") as target:
            target.write(content)
            _sync(target)
        if self._is_local():
            _sync_directory(Path(directory))

    def _drop(self, conversation_id: str) -> None:
        directory = self._directory(conversation_id)
        if self._files.exists(directory):
            self._files.rm(directory, recursive=True)
        elif self._is_local() and not self._is_there():
            raise FileNotFoundError(self._root)  # it may be unmounted, and still have the segments

    def _directory(self, conversation_id: str) -> str:
        return f"{self._root}/{quote(conversation_id, safe='~')}"


def _sync(file: Any) -> None:  # noqa: ANN401 - a file of fsspec's
    """Have a local file written to the disk: Redis deletes these records next."""
    file.flush()
    try:
        number = file.fileno()
    except (AttributeError, OSError):  # object storage has stored the file once it is closed
        return
    os.fsync(number)


def _sync_directory(directory: Path) -> None:
    """Have the new name of the file written to the disk as well."""
    number = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
