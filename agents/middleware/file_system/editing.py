"""Changes of files: each happens once, however often a crash repeats the call, and none undoes another's silently."""

from agents.errors import ToolError
from agents.middleware.file_system.desk import Desk, Place
from agents.middleware.file_system.lines import decoded, replaced
from agents.middleware.file_system.mounts import join
from store.errors import FileConflict, FileExists, FileMissing

ATTEMPTS = 20
"""How often an edit is made anew because somebody else was faster."""


async def create(desk: Desk, path: str, content: str) -> str:
    """Success also if the file is there with exactly this content; else what is there stays as it is."""
    place = desk.changeable(path)
    version = await desk.ask(place, _create(desk, place, content.encode(), desk.change()))
    desk.tell(path, version)
    return f"{path} is created (version {version})."


async def edit(desk: Desk, path: str, old: str, new: str) -> str:
    """Made anew on what somebody else has written meanwhile, as long as the passage is still there once."""
    place = desk.changeable(path)
    if old == new:
        raise ToolError("`old` and `new` are the same: nothing would change.")
    change = desk.change()
    version = await desk.ask(place, desk.files.written(place.scope, change))
    if version is None:
        version = await desk.ask(place, _edit(desk, place, old, new, change))
        desk.tell(path, version)
    return f"{path} is changed (version {version})."


async def move(desk: Desk, source: str, target: str) -> str:
    there, here = desk.changeable(source), desk.changeable(target)
    if there.scope != here.scope:
        return await _carry(desk, there, here)
    moving = desk.files.move(there.scope, there.inner, here.inner, now=desk.now, change=desk.change())
    moved = await desk.ask(here, moving)
    desk.tell_moved(source, {join(here.name, info.path): info.version for info in moved})
    return _moved(source, target, len(moved))


async def delete(desk: Desk, path: str) -> str:
    place = desk.changeable(path)
    count = await desk.ask(place, desk.files.delete(place.scope, place.inner, change=desk.change()))
    desk.tell(path, None)
    return f"{path} is deleted ({_files(count)})."


async def _create(desk: Desk, place: Place, content: bytes, change: str) -> int:
    try:
        return await desk.files.write(
            place.scope, place.inner, content, expected_version=None, now=desk.now, change=change
        )
    except FileExists:
        present = await _present(desk, place, content)
        if present is None:
            raise
        return present


async def _present(desk: Desk, place: Place, content: bytes) -> int | None:
    """The version of the file, if it has exactly this content."""
    try:
        file = await desk.files.read(place.scope, place.inner)
    except FileMissing:  # it is a directory
        return None
    return file.info.version if file.content == content else None


async def _edit(desk: Desk, place: Place, old: str, new: str, change: str) -> int:
    for _ in range(ATTEMPTS):
        file = await desk.files.read(place.scope, place.inner)
        content = replaced(decoded(file.content, place.path), old, new, place.path).encode()
        try:
            return await desk.files.write(
                place.scope, place.inner, content, expected_version=file.info.version, now=desk.now, change=change
            )
        except FileConflict:
            continue  # somebody else has written: the edit is made on that
    raise ToolError(f"{place.path} is being changed by others all the time; try again later.")


async def _carry(desk: Desk, source: Place, target: Place) -> str:
    """From one scope to another, file by file: a crash leaves some in both, and the repetition finishes the work."""
    moved = await _carried(desk, target)
    infos = await desk.ask(source, desk.files.list(source.scope, source.inner))
    if not infos and not moved:
        raise ToolError(f"There is no {source.path}.")
    for info in infos:
        inner = f"{target.inner}{info.path.removeprefix(source.inner)}"
        file = await desk.ask(source, desk.files.read(source.scope, info.path))
        there = Place(join(target.name, inner), target.name, target.scope, inner)
        version = await desk.ask(there, _create(desk, there, file.content, desk.change(inner)))
        await desk.ask(source, desk.files.delete(source.scope, info.path, expected_version=file.info.version))
        moved[there.path] = version
    desk.tell_moved(source.path, moved)
    return _moved(source.path, target.path, len(moved))


async def _carried(desk: Desk, target: Place) -> dict[str, int]:
    """What this call has brought already, before a crash; raises ToolError if anything else is at the target."""
    carried = {}
    for info in await desk.ask(target, desk.files.list(target.scope, target.inner)):
        version = await desk.ask(target, desk.files.written(target.scope, desk.change(info.path)))
        if version is None:
            raise ToolError(f"{target.path} exists already.")
        carried[join(target.name, info.path)] = version
    return carried


def _moved(source: str, target: str, count: int) -> str:
    return f"{source} is moved to {target} ({_files(count)})."


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
