"""Lists directories and searches files by path and by text; both within bounds."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from itertools import chain

from agents.errors import ToolError
from agents.middleware.file_system.lines import text_or_none
from agents.middleware.file_system.workspace import Location, Workspace
from store.errors import FileMissing
from store.files.files import FileInfo

MAX_ENTRIES = 200
MAX_RESULTS = 100
MAX_SEARCHED_BYTES = 16 * 1024 * 1024
MAX_EXCERPT_CHARACTERS = 200


async def list_directory(workspace: Workspace, directory: str) -> str:
    """The entries of one directory, directories first. Raises ToolError if there is no such directory."""
    lines = (
        list(await _root_entries(workspace))
        if not directory
        else list(_entries(await workspace.files_under(directory), f"{directory}/"))
    )
    if not lines and directory and directory not in workspace.mounts.by_name:
        raise ToolError(f"There is no directory {directory}.")
    return _join_up_to(lines, MAX_ENTRIES) or "There are no files yet."


async def _root_entries(workspace: Workspace) -> Iterator[str]:
    """The entries of the root: the other mounts by name, then the files and directories of the mount ""."""
    mounts = (f"{name}/" for name in workspace.mounts.by_name if name)
    own = await workspace.files_in("") if "" in workspace.mounts.by_name else []
    return chain(mounts, _entries(own, ""))


def _entries(infos: Sequence[FileInfo], prefix: str) -> Iterator[str]:
    below = [(info, info.path.removeprefix(prefix).partition("/")) for info in infos if info.path.startswith(prefix)]
    directories = Counter(name for _, (name, slash, _) in below if slash)
    for name, count in directories.items():
        yield f"{prefix}{name}/ ({count} {'file' if count == 1 else 'files'})"
    for info, (_, slash, _) in below:
        if not slash:
            yield _file_line(info)


async def find(workspace: Workspace, pattern: str | None, text: str | None, directory: str) -> str:
    """The files whose path matches `pattern`, or the lines in them that contain `text`, in upper or lower case."""
    infos = [info for info in await workspace.files_under(directory) if pattern is None or is_match(info.path, pattern)]
    if text is None:
        return _join_up_to([_file_line(info) for info in infos], MAX_RESULTS) or "Nothing was found."
    lines = [line async for line in _search(workspace, infos, text)]
    return _join_up_to(lines, MAX_RESULTS) or "Nothing was found."


async def _search(workspace: Workspace, infos: Sequence[FileInfo], text: str) -> AsyncIterator[str]:
    searched = matches = 0
    for info in infos:
        if matches > MAX_RESULTS:
            return
        if searched + info.size > MAX_SEARCHED_BYTES:
            yield f"(Only {searched} bytes were searched; give a path or a pattern to search less.)"
            return
        searched += info.size
        for number, line in await _matching_lines(workspace, info.path, text):
            matches += 1
            yield f"{info.path}:{number}: {line}"


async def _matching_lines(workspace: Workspace, path: str, text: str) -> list[tuple[int, str]]:
    location, wanted = workspace.location(path), text.casefold()
    lines = enumerate((await workspace.call_store(location, _text_of_file(workspace, location))).split("\n"), 1)
    return [(number, line.strip()[:MAX_EXCERPT_CHARACTERS]) for number, line in lines if wanted in line.casefold()]


async def _text_of_file(workspace: Workspace, location: Location) -> str:
    """Empty if the file is binary, or was deleted after it was listed."""
    try:
        file = await workspace.files.read(location.scope, location.inner)
    except FileMissing:
        return ""
    return text_or_none(file.content) or ""


def _file_line(info: FileInfo) -> str:
    return f"{info.path} ({info.size} bytes)"


def _join_up_to(lines: Sequence[str], limit: int) -> str:
    if len(lines) <= limit:
        return "\n".join(lines)
    return "\n".join([*lines[:limit], f"(There are more than {limit}; give a path or a pattern to see less.)"])


def is_match(path: str, pattern: str) -> bool:
    """Whether a pattern matches: `*.md` a name anywhere, `notes/*.md` a path, `**` any number of directories."""
    parts = tuple(path.split("/"))
    if "/" not in pattern:
        return fnmatchcase(parts[-1], pattern)
    return _is_match_by_parts(parts, tuple(pattern.removeprefix("/").split("/")))


def _is_match_by_parts(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    # With a cache: without it, the recursion would take exponential time for some patterns.
    @cache
    def rest(part: int, pattern: int) -> bool:
        if pattern == len(patterns):
            return part == len(parts)
        if patterns[pattern] == "**":
            return rest(part, pattern + 1) or (part < len(parts) and rest(part + 1, pattern))
        return part < len(parts) and fnmatchcase(parts[part], patterns[pattern]) and rest(part + 1, pattern + 1)

    return rest(0, 0)
