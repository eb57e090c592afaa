"""File systems beside the conversations, shared by everything that knows their scope; every write compares versions."""

import builtins
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from store.client.client import Client, Reply
from store.client.script import FILE_DELETE, FILE_MOVE, FILE_READ, FILE_WRITE, Argument, LuaScript
from store.errors import (
    BadPath,
    ConversationNotFound,
    FileConflict,
    FileExists,
    FileMissing,
    FileTooLarge,
    ScopeFull,
)
from store.files.paths import MAX_PATH_BYTES, check_path
from store.keys import Keys

ScopeKind = Literal["user", "project", "conversation"]
KINDS = ("user", "project", "conversation")

RECEIPT_SECONDS = 60
"""Longer than any call is repeated."""

NAMED_RECEIPT_SECONDS = 86_400
"""For a change that its caller names: longer than the caller needs to come back after a crash."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose files: a user's (by principal), a project's or a conversation's. Raises ValueError for any other kind."""

    kind: ScopeKind
    id: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not self.id:
            raise ValueError(f"there are no files of {self.kind!r} {self.id!r}")


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known about a file without reading it: `size` in bytes, `updated_at` in ms since 1970."""

    path: str
    version: int
    size: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was at one moment."""

    info: FileInfo
    content: bytes


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How large one file may be, how many a scope may hold, and how large they may be together."""

    file_bytes: int = 1024 * 1024
    files: int = 1000
    scope_bytes: int = 32 * 1024 * 1024


class Files:
    """Reads and changes the files of all scopes; directories exist as long as something is in them.

    A change is one step: it happens as a whole, or an error tells why not. A change that is named (`change`, in
    hexadecimal digits) happens once in its scope: repeated within a day it gets the first result again. The files of
    a conversation end with it; every change of them then raises ConversationNotFound.
    """

    def __init__(self, client: Client, keys: Keys, limits: FileLimits | None = None) -> None:
        self._client = client
        self._keys = keys
        self.limits = limits or FileLimits()

    async def list(self, scope: Scope, under: str = "") -> builtins.list[FileInfo]:
        """All files by path; with `under` that file, or the files below that directory. Raises BadPath."""
        if under:
            check_path(under)
        key = self._keys.files(scope.kind, scope.id).files
        found: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        infos = [_info(path.decode(), known) for path, known in found.items()]
        return sorted((info for info in infos if _is_under(info.path, under)), key=lambda info: info.path)

    async def read(self, scope: Scope, path: str) -> File:
        """Raises FileMissing, BadPath."""
        check_path(path)
        keys = self._keys.files(scope.kind, scope.id)
        found = await self._client.retry(lambda: self._client.run(FILE_READ, [keys.files, keys.contents], [path]))
        if found is None:
            raise FileMissing(path)
        return File(_info(path, found[0]), found[1])

    async def read_all(self, scope: Scope) -> AsyncIterator[File]:
        """All files by path, one at a time; what is deleted meanwhile is left out."""
        for info in await self.list(scope):
            try:
                file = await self.read(scope, info.path)
            except FileMissing:
                continue
            yield file

    async def written(self, scope: Scope, change: str) -> int | None:
        """The version that the write with this `change` made; None if there was no such write."""
        key = self._keys.files(scope.kind, scope.id).receipt(change)
        found: Reply = await self._client.retry(lambda: self._client.redis.get(key))
        return None if found is None else int(found)

    async def write(
        self,
        scope: Scope,
        path: str,
        content: bytes,
        *,
        expected_version: int | None,
        now: int,
        change: str | None = None,
    ) -> int:
        """Replace the version that the caller has read, or create a file (None); return its new version.

        The first version of a path is 1 or more, and no version is used twice, even when the file was deleted in
        between. `change` names the write: repeated under that name within a day, it happens once.
        Raises FileConflict, FileMissing, FileExists, FileTooLarge, ScopeFull, BadPath, ConversationNotFound.
        """
        check_path(path)
        if len(content) > self.limits.file_bytes:  # it is not even sent
            raise FileTooLarge(path, len(content), self.limits.file_bytes)
        expected = _or_any(expected_version)
        arguments = [path, content, expected, now, self.limits.files, self.limits.scope_bytes]
        return int(await self._change(FILE_WRITE, scope, path, arguments, expected_version, change))

    async def move(
        self,
        scope: Scope,
        source: str,
        target: str,
        *,
        now: int,
        expected_version: int | None = None,
        change: str | None = None,
    ) -> builtins.list[FileInfo]:
        """Move a file, or a directory with everything in it, and return the files at the target now.

        With `expected_version` only a file that has that version. Nothing is overwritten, and no directories merge.
        Raises FileMissing, FileExists, FileConflict, BadPath, ConversationNotFound.
        """
        check_path(source)
        check_path(target)
        if target.startswith(f"{source}/"):
            raise BadPath(target, "it is inside of what is moved")
        expected = _or_any(expected_version)
        arguments = [source, target, expected, now, MAX_PATH_BYTES]
        result = await self._change(FILE_MOVE, scope, source, arguments, expected_version, change)
        version, *moved = orjson.loads(result)
        return [
            FileInfo(path, int(version), int(size), now) for path, size in zip(moved[::2], moved[1::2], strict=True)
        ]

    async def delete(
        self, scope: Scope, path: str, *, expected_version: int | None = None, change: str | None = None
    ) -> int:
        """Delete a file, or a directory with everything in it; return how many files that were.

        With `expected_version` only a file that has that version. Raises FileMissing, FileConflict, BadPath,
        ConversationNotFound.
        """
        check_path(path)
        arguments: list[Argument] = [path, _or_any(expected_version)]
        return int(await self._change(FILE_DELETE, scope, path, arguments, expected_version, change))

    async def drop(self, scope: Scope) -> None:
        """Delete everything of a scope."""
        keys = self._keys.files(scope.kind, scope.id)
        receipts: Reply = await self._client.retry(lambda: self._client.redis.zrange(keys.receipts, 0, -1))
        names = [keys.files, keys.contents, keys.totals, keys.receipts, *receipts]
        await self._client.retry(lambda: self._client.redis.unlink(*names))

    async def _change(
        self,
        script: LuaScript,
        scope: Scope,
        path: str,
        arguments: Sequence[Argument],
        expected: int | None,
        change: str | None,
    ) -> bytes:
        """Run a change under an id, so that it may be repeated when its answer is lost."""
        keys = self._keys.files(scope.kind, scope.id)
        names = [keys.files, keys.contents, keys.totals, keys.receipt(change or secrets.token_hex(8))]
        names.append(keys.receipts)
        lifetime = NAMED_RECEIPT_SECONDS if change else RECEIPT_SECONDS
        if keys.meta is not None:
            names.append(keys.meta)
        answer = await self._client.retry(lambda: self._client.run_confirmed(script, names, [lifetime, *arguments]))
        return _result(answer, scope, path, expected)


def _result(answer: Reply, scope: Scope, path: str, expected: int | None) -> bytes:
    match answer:
        case [b"done", bytes(result)]:
            return result
        case [b"missing", missing]:
            raise FileMissing(missing.decode())
        case [b"exists", existing]:
            raise FileExists(existing.decode())
        case [b"conflict", current]:
            raise FileConflict(path, expected or 0, int(current))
        case [b"full", limit, unit]:
            raise ScopeFull(path, int(limit), unit.decode())
        case [b"long", long]:
            raise BadPath(long.decode(), f"it is longer than {MAX_PATH_BYTES} bytes")
        case _:
            raise ConversationNotFound(scope.id)


def _or_any(version: int | None) -> Argument:
    return "" if version is None else version


def _info(path: str, known: bytes) -> FileInfo:
    version, size, updated_at = known.split()
    return FileInfo(path, int(version), int(size), int(updated_at))


def _is_under(path: str, directory: str) -> bool:
    return not directory or path == directory or path.startswith(f"{directory}/")
