"""The tools of the file system, as the model calls them."""

from typing import Annotated

from pydantic import Field

from agents.errors import ToolError
from agents.middleware.file_system import editing, listing
from agents.middleware.file_system.lines import decode_text, number_lines
from agents.middleware.file_system.mounts import Mounts
from agents.middleware.file_system.workspace import Workspace
from agents.tools import Tool, ToolContext, tool

Path = Annotated[str, Field(description="A relative path, such as notes/plan.md.", min_length=1)]
Directory = Annotated[str, Field(description='A directory, such as notes; "" for all there is.')]
Line = Annotated[int, Field(ge=1)]
Passage = Annotated[str, Field(min_length=1)]


class FileTools:
    """The tools of one agent, for its mounts."""

    def __init__(self, mounts: Mounts) -> None:
        self._mounts = mounts
        functions = (
            self.ls,
            self.read_file,
            self.create_file,
            self.edit_file,
            self.find,
            self.move,
            self.delete_file,
        )
        self.tools: tuple[Tool, ...] = tuple(tool(timeout=30.0)(function) for function in functions)

    async def ls(self, context: ToolContext, path: Directory = "") -> str:
        """List a directory: its files with their sizes, its directories with the number of files in them."""
        return await listing.list_directory(await self._workspace(context), _directory(path))

    async def read_file(
        self, context: ToolContext, path: Path, start_line: Line = 1, end_line: Line | None = None
    ) -> str:
        """Read a text file, or some of its lines, with line numbers (which are no part of the file)."""
        workspace = await self._workspace(context)
        location = workspace.location(path)
        file = await workspace.call_store(location, workspace.files.read(location.scope, location.inner))
        return number_lines(decode_text(file.content, path), start_line, end_line)

    async def create_file(self, context: ToolContext, path: Path, content: str) -> str:
        """Create a text file, and the directories it needs. It never overwrites: change a file with edit_file."""
        return await editing.create(await self._workspace(context), path, content)

    async def edit_file(self, context: ToolContext, path: Path, old: Passage, new: str) -> str:
        """Replace one passage of a text file. `old` must occur exactly once: copy it without the line numbers."""
        return await editing.edit(await self._workspace(context), path, old, new)

    async def find(
        self,
        context: ToolContext,
        pattern: Annotated[
            str | None, Field(description="Such as *.md (by name) or notes/**/*.md (by path).", max_length=512)
        ] = None,
        text: Annotated[str | None, Field(description="Words that a line contains, in any case.", min_length=1)] = None,
        path: Directory = "",
    ) -> str:
        """Find files by a pattern, or the lines in them that contain a text, or both."""
        if pattern is None and text is None:
            raise ToolError("Give a pattern, a text, or both.")
        return await listing.find(await self._workspace(context), pattern, text, _directory(path))

    async def move(self, context: ToolContext, source: Path, target: Path) -> str:
        """Move or rename a file, or a directory with all that is in it. It never overwrites."""
        return await editing.move(await self._workspace(context), _directory(source), _directory(target))

    async def delete_file(self, context: ToolContext, path: Path) -> str:
        """Delete a file, or a directory with all that is in it, for good."""
        return await editing.delete(await self._workspace(context), _directory(path))

    async def _workspace(self, context: ToolContext) -> Workspace:
        return await Workspace.of(context, self._mounts)


def _directory(path: str) -> str:
    """The path of a directory, which may be written with a slash at the end, or as a dot for the root."""
    return "" if path in (".", "./", "/") else path.removesuffix("/")
