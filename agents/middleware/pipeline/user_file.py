"""One text file among those of a person, as the middleware reads and changes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from agents.errors import ToolError
from agents.middleware.pipeline.store_retry import wait_out
from agents.middleware.pipeline.turn_context import TurnContext
from agents.ports import ToolServices
from agents.tools import ToolContext
from store import Scope, StoreError
from store.errors import FileConflict, FileExists, FileMissing
from store.files.files import File

ATTEMPTS = 20
"""How often a change is made anew because somebody else was faster."""


@dataclass(frozen=True, slots=True)
class UserFile:
    """The file `path` of `person`; one that does not exist is empty."""

    services: ToolServices
    person: str
    path: str

    @classmethod
    def seen_by(cls, context: TurnContext, path: str) -> Self:
        """The file of whom the conversation belongs to."""
        return cls(context.services, context.meta.principal, path)

    @classmethod
    def called_by(cls, context: ToolContext, path: str) -> Self:
        """The file of whom the conversation belongs to; raises ToolError."""
        if context.services is None or context.meta is None:
            raise ToolError("There is no conversation here whose owner could have files.")
        return cls(context.services, context.meta.principal, path)

    async def text(self) -> str:
        """Waits while the store is away."""
        file = await wait_out(self._file)
        return "" if file is None else file.content.decode(errors="replace").strip()

    async def change(self, changed: Callable[[str], str]) -> None:
        """Replace the text by `changed(text)`, made anew on what others have written meanwhile; raises ToolError."""
        try:
            for _ in range(ATTEMPTS):
                if await self._attempt(changed):
                    return
        except StoreError as error:
            raise ToolError(f"{self.path} cannot be changed: {error}.") from error
        raise ToolError(f"{self.path} is being changed by others all the time; try again later.")

    async def _attempt(self, changed: Callable[[str], str]) -> bool:
        """Whether nobody came in between."""
        file = await self._file()
        before = "" if file is None else file.content.decode(errors="replace")
        after = changed(before)
        if after == before:
            return True
        version = None if file is None else file.info.version
        try:
            await self.services.store.files.write(
                self._scope, self.path, after.encode(), expected_version=version, now=self.services.clock()
            )
        except (FileConflict, FileExists, FileMissing):
            return False
        return True

    async def _file(self) -> File | None:
        try:
            return await self.services.store.files.read(self._scope, self.path)
        except FileMissing:
            return None

    @property
    def _scope(self) -> Scope:
        return Scope("user", self.person)


def excerpt(text: str, most: int) -> str:
    """The text if it has at most that many characters, else as many whole lines of its beginning, and a note."""
    if len(text) <= most:
        return text
    kept = text[:most].rpartition("\n")[0] or text[:most]
    return f"{kept}\n(There is more, which is not shown: {len(text)} characters are too many.)"
