"""File systems beside the conversations: shared by whoever holds the scope, every write compared with a version."""

import builtins
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from store.client.client import Argument, Client, Reply
from store.client.script import FILE_DELETE, FILE_MOVE, FILE_READ, FILE_WRITE, Script
from store.errors import (
    BadPath,
    ConversationNotFound,
    FileConflict,
    FileExists,
    FileMissing,
    FileTooLarge,
    ScopeFull,
)
from store.files.paths import LONGEST_PATH, check_path
from store.keys import Keys

ScopeKind = Literal["user", "project", "conversation"]
KINDS = ("user", "project", "conversation")

RECEIPT_LIFETIME = 60
"""Seconds; longer than any call goes on trying."""

LONG_RECEIPT_LIFETIME = 86_400
"""Seconds, for a change that its caller names: longer than it takes to come back after a crash."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose files: a user's (by principal), a project's or a conversation's. Raises ValueError for any other."""

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

    A change is one step: it happens as a whole, or an error tells why not. With a `change` (hexadecimal digits that
    name it) it happens once in that scope, however often it is asked for within a day, and comes to the same. What
    belongs to a conversation ends with it, and raises ConversationNotFound from then on.
    """

    def __init__(self, client: Client, keys: Keys, limits: FileLimits | None = None) -> None:
        self._client = client
        self._keys = keys
        self.limits = limits or FileLimits()

    async def list(self, scope: Scope, under: str = "") -> builtins.list[FileInfo]:
        """All files by path; with `under` that file, or those below that directory. Raises BadPath."""
        if under:
            check_path(under)
        key = self._keys.files(scope.kind, scope.id).files
        found: Reply = await self._client.ask(lambda: self._client.redis.hgetall(key))
        infos = [_info(path.decode(), known) for path, known in found.items()]
        return sorted((info for info in infos if _is_under(info.path, under)), key=lambda info: info.path)

    async def read(self, scope: Scope, path: str) -> File:
        """Raises FileMissing, BadPath."""
        check_path(path)
        keys = self._keys.files(scope.kind, scope.id)
        found = await self._client.ask(lambda: self._client.run(FILE_READ, [keys.files, keys.contents], [path]))
        if found is None:
            raise FileMissing(path)
        return File(_info(path, found[0]), found[1])

    async def written(self, scope: Scope, change: str) -> int | None:
        """The version that the write with this `change` came to; None if there was none."""
        key = self._keys.files(scope.kind, scope.id).receipt(change)
        found: Reply = await self._client.ask(lambda: self._client.redis.get(key))
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
        """Replace the version that the caller has seen, or create a file (None); return its new version.

        A path's first version is 1 or more, and none ever comes back, also when the file was deleted in between.
        `change` names what is done: repeated under that name within a day, it is done once and comes to the same.
        Raises FileConflict, FileMissing, FileExists, FileTooLarge, ScopeFull, BadPath, ConversationNotFound.
        """
        check_path(path)
        if len(content) > self.limits.file_bytes:  # not even sent
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
        """Move a file, or a directory with all that is in it, and return what is at the target now.

        With `expected_version` only a file that has it. Nothing is overwritten, nor are directories merged.
        Raises FileMissing, FileExists, FileConflict, BadPath, ConversationNotFound.
        """
        check_path(source)
        check_path(target)
        if target.startswith(f"{source}/"):
            raise BadPath(target, "it is inside of what is moved")
        expected = _or_any(expected_version)
        arguments = [source, target, expected, now, LONGEST_PATH]
        result = await self._change(FILE_MOVE, scope, source, arguments, expected_version, change)
        version, *moved = orjson.loads(result)
        return [
            FileInfo(path, int(version), int(size), now) for path, size in zip(moved[::2], moved[1::2], strict=True)
        ]

    async def delete(
        self, scope: Scope, path: str, *, expected_version: int | None = None, change: str | None = None
    ) -> int:
        """Delete a file, or a directory with all that is in it; return how many files that were.

        With `expected_version` only a file that has it. Raises FileMissing, FileConflict, BadPath,
        ConversationNotFound.
        """
        check_path(path)
        arguments: list[Argument] = [path, _or_any(expected_version)]
        return int(await self._change(FILE_DELETE, scope, path, arguments, expected_version, change))

    async def drop(self, scope: Scope) -> None:
        """Forget everything about a scope."""
        keys = self._keys.files(scope.kind, scope.id)
        await self._client.ask(lambda: self._client.redis.unlink(keys.files, keys.contents, keys.totals))

    async def _change(
        self,
        script: Script,
        scope: Scope,
        path: str,
        arguments: Sequence[Argument],
        expected: int | None,
        change: str | None,
    ) -> bytes:
        """Run a change under an id, so that a repetition, its answer lost, does not meet itself."""
        keys = self._keys.files(scope.kind, scope.id)
        names = [keys.files, keys.contents, keys.totals, keys.receipt(change or secrets.token_hex(8))]
        lifetime = LONG_RECEIPT_LIFETIME if change else RECEIPT_LIFETIME
        if keys.meta is not None:
            names.append(keys.meta)
        answer = await self._client.ask(lambda: self._client.change(script, names, [lifetime, *arguments]))
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
            raise BadPath(long.decode(), f"it is longer than {LONGEST_PATH} bytes")
        case _:
            raise ConversationNotFound(scope.id)


def _or_any(version: int | None) -> Argument:
    return "" if version is None else version


def _info(path: str, known: bytes) -> FileInfo:
    version, size, updated_at = known.split()
    return FileInfo(path, int(version), int(size), int(updated_at))


def _is_under(path: str, directory: str) -> bool:
    return not directory or path == directory or path.startswith(f"{directory}/")
