"""Changes of files: each happens once, however often a crash repeats the call, and none silently undoes another."""

from agents.errors import ToolError
from agents.middleware.file_system.lines import decode_text, replace_once
from agents.middleware.file_system.mounts import join
from agents.middleware.file_system.workspace import Location, Workspace
from store.errors import FileConflict, FileExists, FileMissing

MAX_ATTEMPTS = 20
"""How often an edit is tried; a try fails when another writer was faster."""


async def create(workspace: Workspace, path: str, content: str) -> str:
    """Also succeeds if the file exists with exactly this content; any other file at the path stays as it is."""
    location = workspace.writable_location(path)
    creating = _create(workspace, location, content.encode(), workspace.change_id())
    version = await workspace.call_store(location, creating)
    workspace.notify_changed(path, version)
    return f"{path} is created (version {version})."


async def edit(workspace: Workspace, path: str, old: str, new: str) -> str:
    """Repeated on the new content after another write, as long as the passage still occurs exactly once."""
    location = workspace.writable_location(path)
    if old == new:
        raise ToolError("`old` and `new` are the same: nothing would change.")
    change = workspace.change_id()
    version = await workspace.call_store(location, workspace.files.written(location.scope, change))
    if version is None:
        version = await workspace.call_store(location, _edit(workspace, location, old, new, change))
        workspace.notify_changed(path, version)
    return f"{path} is changed (version {version})."


async def move(workspace: Workspace, source: str, target: str) -> str:
    """Move a file, or a directory with all files below it, within one mount or to another one."""
    origin, destination = workspace.writable_location(source), workspace.writable_location(target)
    if origin.scope != destination.scope:
        return await _move_between_scopes(workspace, origin, destination)
    moving = workspace.files.move(
        origin.scope, origin.inner, destination.inner, now=workspace.now, change=workspace.change_id()
    )
    moved = await workspace.call_store(destination, moving)
    workspace.notify_moved(source, {join(destination.name, info.path): info.version for info in moved})
    return _report_move(source, target, len(moved))


async def delete(workspace: Workspace, path: str) -> str:
    """Delete a file, or a directory with all files below it."""
    location = workspace.writable_location(path)
    deleting = workspace.files.delete(location.scope, location.inner, change=workspace.change_id())
    count = await workspace.call_store(location, deleting)
    workspace.notify_changed(path, None)
    return f"{path} is deleted ({_count(count)})."


async def _create(workspace: Workspace, location: Location, content: bytes, change: str) -> int:
    try:
        return await workspace.files.write(
            location.scope, location.inner, content, expected_version=None, now=workspace.now, change=change
        )
    except FileExists:
        version = await _version_if_same(workspace, location, content)
        if version is None:
            raise
        return version


async def _version_if_same(workspace: Workspace, location: Location, content: bytes) -> int | None:
    """The version of the file, if it has exactly this content."""
    try:
        file = await workspace.files.read(location.scope, location.inner)
    except FileMissing:  # it is a directory
        return None
    return file.info.version if file.content == content else None


async def _edit(workspace: Workspace, location: Location, old: str, new: str, change: str) -> int:
    for _ in range(MAX_ATTEMPTS):
        file = await workspace.files.read(location.scope, location.inner)
        content = replace_once(decode_text(file.content, location.path), old, new, location.path).encode()
        try:
            return await workspace.files.write(
                location.scope,
                location.inner,
                content,
                expected_version=file.info.version,
                now=workspace.now,
                change=change,
            )
        except FileConflict:
            continue  # another writer was faster: the edit is repeated on what it wrote
    raise ToolError(f"{location.path} is being changed by others all the time; try again later.")


async def _move_between_scopes(workspace: Workspace, source: Location, target: Location) -> str:
    """File by file: a crash may leave some files in either scope, and the repeated call moves the rest."""
    moved = await _already_moved(workspace, target)
    infos = await workspace.call_store(source, workspace.files.list(source.scope, source.inner))
    if not infos and not moved:
        raise ToolError(f"There is no {source.path}.")
    for info in infos:
        inner = f"{target.inner}{info.path.removeprefix(source.inner)}"
        file = await workspace.call_store(source, workspace.files.read(source.scope, info.path))
        copy = Location(join(target.name, inner), target.name, target.scope, inner)
        creating = _create(workspace, copy, file.content, workspace.change_id(inner))
        version = await workspace.call_store(copy, creating)
        deleting = workspace.files.delete(source.scope, info.path, expected_version=file.info.version)
        await workspace.call_store(source, deleting)
        moved[copy.path] = version
    workspace.notify_moved(source.path, moved)
    return _report_move(source.path, target.path, len(moved))


async def _already_moved(workspace: Workspace, target: Location) -> dict[str, int]:
    """What this call has moved before a crash. Raises ToolError if there is any other file at the target."""
    moved = {}
    for info in await workspace.call_store(target, workspace.files.list(target.scope, target.inner)):
        written = workspace.files.written(target.scope, workspace.change_id(info.path))
        version = await workspace.call_store(target, written)
        if version is None:
            raise ToolError(f"{target.path} exists already.")
        moved[join(target.name, info.path)] = version
    return moved


def _report_move(source: str, target: str, count: int) -> str:
    return f"{source} is moved to {target} ({_count(count)})."


def _count(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"
