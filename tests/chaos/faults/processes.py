"""Faults of processes: SIGKILL, or SIGSTOP until SIGCONT."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import psutil

from tests.chaos.system import SystemUnderTest

Choice = Callable[[SystemUnderTest], Iterable[tuple[str, psutil.Process]]]
Breakage = Callable[[SystemUnderTest, float], AbstractAsyncContextManager[str | None]]


def killed(prefix: str) -> Breakage:
    """SIGKILL an actor whose name begins with `prefix`; only the system itself heals that."""
    return _killed(lambda system: sorted(system.actors(prefix).items()))


def stopped(prefix: str) -> Breakage:
    """SIGSTOP such an actor."""
    return _stopped(lambda system: sorted(system.actors(prefix).items()))


def program_killed(name: str) -> Breakage:
    """SIGKILL a process of the service by its program's name."""
    return _killed(lambda system: [(name, process) for process in system.processes(name)])


def program_stopped(name: str) -> Breakage:
    """SIGSTOP a process of the service by its program's name."""
    return _stopped(lambda system: [(name, process) for process in system.processes(name)])


def _killed(choice: Choice) -> Breakage:
    @asynccontextmanager
    async def broken(system: SystemUnderTest, pick: float) -> AsyncIterator[str | None]:
        found = await asyncio.to_thread(_choose, choice, system, pick)
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
    async def broken(system: SystemUnderTest, pick: float) -> AsyncIterator[str | None]:
        found = await asyncio.to_thread(_choose, choice, system, pick)
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


def _choose(choice: Choice, system: SystemUnderTest, pick: float) -> tuple[str, psutil.Process] | None:
    """One of the processes that no other fault has stopped: that fault resumes its process itself."""
    found = [(target, process) for target, process in choice(system) if _runs(process)]
    return found[int(pick * len(found))] if found else None


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_STOPPED
    return False
