"""What is there: the entries of a directory, and a search by name and by text, both within bounds."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain

from agents.errors import ToolError
from agents.middleware.file_system.glob import matches
from agents.middleware.file_system.lines import text_of
from agents.middleware.file_system.workspace import Place, Workspace
from store.errors import FileMissing
from store.files.files import FileInfo

MOST_ENTRIES = 200
MOST_FOUND = 100
MOST_SEARCHED = 16 * 1024 * 1024
"""In bytes."""
LONGEST_EXCERPT = 200


async def listed(workspace: Workspace, directory: str) -> str:
    """The entries of one directory, directories first; raises ToolError if there is no such directory."""
    lines = (
        list(await _first(workspace))
        if not directory
        else list(_entries(await workspace.under(directory), f"{directory}/"))
    )
    if not lines and directory and directory not in workspace.mounts.places:
        raise ToolError(f"There is no directory {directory}.")
    return _bounded(lines, MOST_ENTRIES) or "There are no files yet."


async def _first(workspace: Workspace) -> Iterator[str]:
    """The other places stand in the first directory by their names alone."""
    places = (f"{name}/" for name in workspace.mounts.places if name)
    own = await workspace.inside("") if "" in workspace.mounts.places else []
    return chain(places, _entries(own, ""))


def _entries(infos: Sequence[FileInfo], front: str) -> Iterator[str]:
    below = [(info, info.path.removeprefix(front).partition("/")) for info in infos if info.path.startswith(front)]
    directories = Counter(name for _, (name, slash, _) in below if slash)
    for name, count in directories.items():
        yield f"{front}{name}/ ({count} {'file' if count == 1 else 'files'})"
    for info, (_, slash, _) in below:
        if not slash:
            yield _entry(info)


async def found(workspace: Workspace, pattern: str | None, text: str | None, directory: str) -> str:
    """The files whose path matches and, of these, the lines that contain `text`, whatever their case."""
    infos = [info for info in await workspace.under(directory) if pattern is None or matches(info.path, pattern)]
    if text is None:
        return _bounded([_entry(info) for info in infos], MOST_FOUND) or "Nothing was found."
    lines = [line async for line in _search(workspace, infos, text)]
    return _bounded(lines, MOST_FOUND) or "Nothing was found."


async def _search(workspace: Workspace, infos: Sequence[FileInfo], text: str) -> AsyncIterator[str]:
    searched = hits = 0
    for info in infos:
        if hits > MOST_FOUND:
            return
        if searched + info.size > MOST_SEARCHED:
            yield f"(Only {searched} bytes were searched; give a path or a pattern to search less.)"
            return
        searched += info.size
        for number, line in await _hits(workspace, info.path, text):
            hits += 1
            yield f"{info.path}:{number}: {line}"


async def _hits(workspace: Workspace, path: str, text: str) -> list[tuple[int, str]]:
    place, wanted = workspace.place(path), text.casefold()
    lines = enumerate((await workspace.ask(place, _text(workspace, place))).split("\n"), 1)
    return [(number, line.strip()[:LONGEST_EXCERPT]) for number, line in lines if wanted in line.casefold()]


async def _text(workspace: Workspace, place: Place) -> str:
    """Empty for a file that is binary, or gone since it was listed."""
    try:
        file = await workspace.files.read(place.scope, place.inner)
    except FileMissing:
        return ""
    return text_of(file.content) or ""


def _entry(info: FileInfo) -> str:
    return f"{info.path} ({info.size} bytes)"


def _bounded(lines: Sequence[str], most: int) -> str:
    if len(lines) <= most:
        return "\n".join(lines)
    return "\n".join([*lines[:most], f"(There are more than {most}; give a path or a pattern to see less.)"])
