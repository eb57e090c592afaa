"""Changes of files: each happens once, however often a crash repeats the call, and none undoes another's silently."""

from agents.errors import ToolError
from agents.middleware.file_system.lines import decoded, replaced
from agents.middleware.file_system.mounts import join
from agents.middleware.file_system.workspace import Place, Workspace
from store.errors import FileConflict, FileExists, FileMissing

ATTEMPTS = 20
"""How often an edit is made anew because somebody else was faster."""


async def create(workspace: Workspace, path: str, content: str) -> str:
    """Success also if the file is there with exactly this content; else what is there stays as it is."""
    place = workspace.changeable(path)
    version = await workspace.ask(place, _create(workspace, place, content.encode(), workspace.change()))
    workspace.tell(path, version)
    return f"{path} is created (version {version})."


async def edit(workspace: Workspace, path: str, old: str, new: str) -> str:
    """Made anew on what somebody else has written meanwhile, as long as the passage is still there once."""
    place = workspace.changeable(path)
    if old == new:
        raise ToolError("`old` and `new` are the same: nothing would change.")
    change = workspace.change()
    version = await workspace.ask(place, workspace.files.written(place.scope, change))
    if version is None:
        version = await workspace.ask(place, _edit(workspace, place, old, new, change))
        workspace.tell(path, version)
    return f"{path} is changed (version {version})."


async def move(workspace: Workspace, source: str, target: str) -> str:
    there, here = workspace.changeable(source), workspace.changeable(target)
    if there.scope != here.scope:
        return await _carry(workspace, there, here)
    moving = workspace.files.move(there.scope, there.inner, here.inner, now=workspace.now, change=workspace.change())
    moved = await workspace.ask(here, moving)
    workspace.tell_moved(source, {join(here.name, info.path): info.version for info in moved})
    return _moved(source, target, len(moved))


async def delete(workspace: Workspace, path: str) -> str:
    place = workspace.changeable(path)
    count = await workspace.ask(place, workspace.files.delete(place.scope, place.inner, change=workspace.change()))
    workspace.tell(path, None)
    return f"{path} is deleted ({_files(count)})."


async def _create(workspace: Workspace, place: Place, content: bytes, change: str) -> int:
    try:
        return await workspace.files.write(
            place.scope, place.inner, content, expected_version=None, now=workspace.now, change=change
        )
    except FileExists:
        present = await _present(workspace, place, content)
        if present is None:
            raise
        return present


async def _present(workspace: Workspace, place: Place, content: bytes) -> int | None:
    """The version of the file, if it has exactly this content."""
    try:
        file = await workspace.files.read(place.scope, place.inner)
    except FileMissing:  # it is a directory
        return None
    return file.info.version if file.content == content else None


async def _edit(workspace: Workspace, place: Place, old: str, new: str, change: str) -> int:
    for _ in range(ATTEMPTS):
        file = await workspace.files.read(place.scope, place.inner)
        content = replaced(decoded(file.content, place.path), old, new, place.path).encode()
        try:
            return await workspace.files.write(
                place.scope, place.inner, content, expected_version=file.info.version, now=workspace.now, change=change
            )
        except FileConflict:
            continue  # somebody else has written: the edit is made on that
    raise ToolError(f"{place.path} is being changed by others all the time; try again later.")


async def _carry(workspace: Workspace, source: Place, target: Place) -> str:
    """From one scope to another, file by file: a crash leaves some in both, and the repetition finishes the work."""
    moved = await _carried(workspace, target)
    infos = await workspace.ask(source, workspace.files.list(source.scope, source.inner))
    if not infos and not moved:
        raise ToolError(f"There is no {source.path}.")
    for info in infos:
        inner = f"{target.inner}{info.path.removeprefix(source.inner)}"
        file = await workspace.ask(source, workspace.files.read(source.scope, info.path))
        there = Place(join(target.name, inner), target.name, target.scope, inner)
        version = await workspace.ask(there, _create(workspace, there, file.content, workspace.change(inner)))
        await workspace.ask(source, workspace.files.delete(source.scope, info.path, expected_version=file.info.version))
        moved[there.path] = version
    workspace.tell_moved(source.path, moved)
    return _moved(source.path, target.path, len(moved))


async def _carried(workspace: Workspace, target: Place) -> dict[str, int]:
    """What this call has brought already, before a crash; raises ToolError if anything else is at the target."""
    carried = {}
    for info in await workspace.ask(target, workspace.files.list(target.scope, target.inner)):
        version = await workspace.ask(target, workspace.files.written(target.scope, workspace.change(info.path)))
        if version is None:
            raise ToolError(f"{target.path} exists already.")
        carried[join(target.name, info.path)] = version
    return carried


def _moved(source: str, target: str, count: int) -> str:
    return f"{source} is moved to {target} ({_files(count)})."


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
