"""One text file among those of a user, as other middleware reads and changes it."""

from collections.abc import Callable
from dataclasses import dataclass

from agents.errors import ToolError
from agents.middleware.pipeline.store_retry import retry_while_store_is_away
from agents.ports import ToolServices
from store import Scope, StoreError
from store.errors import FileConflict, FileExists, FileMissing
from store.files.files import File

MAX_ATTEMPTS = 20
"""How often a change is tried; a try fails when another writer was faster."""


@dataclass(frozen=True, slots=True)
class UserFile:
    """The file `path` of a `user`; a missing file counts as empty."""

    services: ToolServices
    user: str
    path: str

    async def text(self) -> str:
        """The text of the file; waits while the store is away."""
        file = await retry_while_store_is_away(self._read)
        return "" if file is None else file.content.decode(errors="replace").strip()

    async def change(self, edit: Callable[[str], str]) -> None:
        """Replace the text by `edit(text)`, again if another writer was faster. Raises ToolError."""
        try:
            for _ in range(MAX_ATTEMPTS):
                if await self._try_to_change(edit):
                    return
        except StoreError as error:
            raise ToolError(f"{self.path} cannot be changed: {error}.") from error
        raise ToolError(f"{self.path} is being changed by others all the time; try again later.")

    async def _try_to_change(self, edit: Callable[[str], str]) -> bool:
        """Whether it succeeded; False if another writer was faster."""
        file = await self._read()
        before = "" if file is None else file.content.decode(errors="replace")
        after = edit(before)
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

    async def _read(self) -> File | None:
        try:
            return await self.services.store.files.read(self._scope, self.path)
        except FileMissing:
            return None

    @property
    def _scope(self) -> Scope:
        return Scope("user", self.user)


def excerpt(text: str, limit: int) -> str:
    """The text if it has at most `limit` characters, else as many whole lines of its beginning, and a note."""
    if len(text) <= limit:
        return text
    kept = text[:limit].rpartition("\n")[0] or text[:limit]
    return f"{kept}\n(There is more, which is not shown: {len(text)} characters are too many.)"
