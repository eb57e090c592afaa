"""The files of a conversation as one tool call sees them: paths with their places, errors that the model can read."""

import hashlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from agents.errors import ToolError
from agents.middleware.file_system.mounts import Mounts, join
from agents.tools import ToolContext
from agents.turn.live import FileChanged
from store import ConversationMeta, Scope, StoreError, StoreUnavailable
from store.errors import BadPath, FileConflict, FileExists, FileMissing, FileTooLarge, ScopeFull
from store.files.files import FileInfo, Files

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """A path, and where it leads: the name of the mount, the scope, the path in it."""

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
    def of(cls, context: ToolContext, mounts: Mounts) -> Self:
        services, meta = context.services, context.meta
        if services is None or meta is None:
            raise ToolError("There is no conversation here that could have files.")
        return cls(mounts, services.store.files, meta, context, services.clock())

    def place(self, path: str) -> Place:
        try:
            name, inner = self.mounts.split(path)
        except BadPath as error:
            raise ToolError(_words(error, "")) from error
        return Place(path, name, self.mounts.scope(name, self.meta), inner)

    def changeable(self, path: str) -> Place:
        """A place of a file or directory that the model may change."""
        place = self.place(path)
        if not place.inner:
            raise ToolError(f"{path!r} is a place for files, not a file.")
        if not self.mounts.writable(path):
            raise ToolError(f"{path} can be read, but not changed.")
        return place

    async def ask(self, place: Place, answer: Awaitable[T]) -> T:
        """What the store answers about this place."""
        return await _readable(answer, place.name)

    async def under(self, directory: str) -> list[FileInfo]:
        """The files in a directory and below, or the file with that path; of all places for ""."""
        if directory:
            self.place(directory)
        return [info for name, inner in self.mounts.within(directory) for info in await self.inside(name, inner)]

    async def inside(self, name: str, inner: str = "") -> list[FileInfo]:
        """The files of one place, or those in it below `inner`."""
        infos = await _readable(self.files.list(self.mounts.scope(name, self.meta), inner), name)
        found = (replace(info, path=join(name, info.path)) for info in infos)
        return [info for info in found if self.mounts.split(info.path)[0] == name]  # the others cannot be reached

    def change(self, part: str = "") -> str:
        """Names the change that this call makes, so that it happens once even if a crash repeats the call."""
        # With the time of its creation: a conversation of that name may have been deleted and begun anew.
        meta = self.meta
        named = "\n".join((meta.id, str(meta.created_at), self.context.tool_call_id, part))
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    def tell(self, path: str, version: int | None) -> None:
        self.context.tell(FileChanged(turn=self.context.turn, path=path, version=version))

    def tell_moved(self, source: str, moved: Mapping[str, int]) -> None:
        self.tell(source, None)
        for path, version in moved.items():
            self.tell(path, version)


async def _readable(answer: Awaitable[T], name: str = "") -> T:
    try:
        return await answer
    except StoreError as error:
        raise ToolError(_words(error, name)) from error


def _words(error: StoreError, name: str) -> str:
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
            most = f"{error.limit} {error.unit}"
            return f"There is no room for {join(name, error.path)}: {most} is all that fits. Delete something first."
        case BadPath():
            return f"{join(name, error.path)!r} is not a path for a file: {error.problem}."
        case StoreUnavailable():
            return "The files cannot be reached at the moment; try again."
        case _:
            return f"The files cannot be reached: {error}."
