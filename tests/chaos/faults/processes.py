"""Faults of processes: SIGKILL, and SIGSTOP until SIGCONT."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import psutil

from tests.chaos.world import World

Choice = Callable[[World], Iterable[tuple[str, psutil.Process]]]
Breakage = Callable[[World, float], AbstractAsyncContextManager[str | None]]


def killed(prefix: str) -> Breakage:
    """SIGKILL one of the actors whose names begin so; nothing heals it but the system itself."""
    return _killed(lambda world: sorted(world.actors(prefix).items()))


def stopped(prefix: str) -> Breakage:
    """SIGSTOP one of these actors."""
    return _stopped(lambda world: sorted(world.actors(prefix).items()))


def program_killed(name: str) -> Breakage:
    """SIGKILL a process of the service by its program's name."""
    return _killed(lambda world: [(name, process) for process in world.processes(name)])


def program_stopped(name: str) -> Breakage:
    """SIGSTOP a process of the service by its program's name."""
    return _stopped(lambda world: [(name, process) for process in world.processes(name)])


def _killed(choice: Choice) -> Breakage:
    @asynccontextmanager
    async def broken(world: World, pick: float) -> AsyncIterator[str | None]:
        found = await asyncio.to_thread(_chosen, choice, world, pick)
        if found is None:
            yield None
            return
        target, process = found
        with suppress(psutil.NoSuchProcess):
            process.kill()
        yield target

    return broken


def _stopped(choice: Choice) -> Breakage:
    @asynccontextmanager
    async def broken(world: World, pick: float) -> AsyncIterator[str | None]:
        found = await asyncio.to_thread(_chosen, choice, world, pick)
        if found is None:
            yield None
            return
        target, process = found
        with suppress(psutil.NoSuchProcess):
            process.suspend()
        try:
            yield target
        finally:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    return broken


def _chosen(choice: Choice, world: World, pick: float) -> tuple[str, psutil.Process] | None:
    """One of those that are not stopped already: whoever stopped it lets it go on in his own time."""
    found = [(target, process) for target, process in choice(world) if _runs(process)]
    return found[int(pick * len(found))] if found else None


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_STOPPED
    return False
