"""The files of a conversation as one tool call sees them: where paths lead, and errors that the model can read."""

import hashlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from agents.errors import ToolError
from agents.middleware.file_system.mounts import Mounts, join, open_mounts
from agents.tools import ToolContext
from agents.turn.live import FileChanged
from store import ConversationMeta, Scope, StoreError, StoreUnavailable
from store.errors import BadPath, FileConflict, FileExists, FileMissing, FileTooLarge, ScopeFull
from store.files.files import FileInfo, Files

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a `path` leads: `name` is that of the mount, `inner` the path in its scope."""

    path: str
    name: str
    scope: Scope
    inner: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """Made anew for each call. All its errors are ToolErrors."""

    mounts: Mounts
    files: Files
    meta: ConversationMeta
    context: ToolContext
    now: int

    @classmethod
    async def of(cls, context: ToolContext, mounts: Mounts) -> Self:
        """With the files that are there for the person who acts."""
        services, meta = context.services, context.meta
        if services is None or meta is None:
            raise ToolError("There is no conversation here that could have files.")
        opened = await _with_tool_errors(open_mounts(mounts, meta, services.store, context.principal))
        return cls(opened, services.store.files, meta, context, services.clock())

    def location(self, path: str) -> Location:
        """Where a path leads; raises ToolError for a path that leads nowhere."""
        try:
            self.mounts.require_open(path)
            name, inner = self.mounts.split(path)
        except BadPath as error:
            raise ToolError(_describe(error, "")) from error
        return Location(path, name, self.mounts.scope(name, self.meta), inner)

    def writable_location(self, path: str) -> Location:
        """Where a path leads that the model may change; raises ToolError for any other."""
        location = self.location(path)
        if not location.inner:
            raise ToolError(f"{path!r} is a place for files, not a file.")
        if not self.mounts.is_writable(path):
            raise ToolError(f"{path} can be read, but not changed.")
        return location

    async def call_store(self, location: Location, operation: Awaitable[T]) -> T:
        """The result of an operation of the store at this location; its errors become ToolErrors."""
        return await _with_tool_errors(operation, location.name)

    async def files_under(self, directory: str) -> list[FileInfo]:
        """The files in a directory and below, or the file with that path; the files of all mounts for ""."""
        if directory:
            self.location(directory)
        return [info for name, inner in self.mounts.within(directory) for info in await self.files_in(name, inner)]

    async def files_in(self, name: str, inner: str = "") -> list[FileInfo]:
        """The files of one mount, or only those below `inner`."""
        infos = await _with_tool_errors(self.files.list(self.mounts.scope(name, self.meta), inner), name)
        listed = (replace(info, path=join(name, info.path)) for info in infos)
        # A file cannot be reached if its path leads to another mount.
        return [info for info in listed if self.mounts.split(info.path)[0] == name]

    def change_id(self, part: str = "") -> str:
        """An id for the change that this call makes, so that it happens once even if a crash repeats the call."""
        # Includes the time of creation: a conversation of that id may have been deleted and created again.
        meta = self.meta
        key = "\n".join((meta.id, str(meta.created_at), self.context.tool_call_id, part))
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def notify_changed(self, path: str, version: int | None) -> None:
        """Broadcast that a file has changed; `version` is None if it is gone."""
        self.context.tell(FileChanged(turn=self.context.turn, path=path, version=version))

    def notify_moved(self, source: str, moved: Mapping[str, int]) -> None:
        self.notify_changed(source, None)
        for path, version in moved.items():
            self.notify_changed(path, version)


async def _with_tool_errors(operation: Awaitable[T], name: str = "") -> T:
    try:
        return await operation
    except StoreError as error:
        raise ToolError(_describe(error, name)) from error


def _describe(error: StoreError, name: str) -> str:
    match error:
        case FileMissing():
            return f"There is no {join(name, error.path)}."
        case FileExists():
            return f"{join(name, error.path)} exists already."
        case FileConflict():
            return f"{join(name, error.path)} has been changed by somebody else: read it again."
        case FileTooLarge():
            return f"{join(name, error.path)} would have {error.size} bytes; a file may have {error.limit}."
        case ScopeFull():
            limit = f"{error.limit} {error.unit}"
            return f"There is no room for {join(name, error.path)}: {limit} is all that fits. Delete something first."
        case BadPath():
            return f"{join(name, error.path)!r} is not a path for a file: {error.problem}."
        case StoreUnavailable():
            return "The files cannot be reached at the moment; try again."
        case _:
            return f"The files cannot be reached: {error}."
