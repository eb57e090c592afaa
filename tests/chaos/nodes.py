"""Further nodes of a running service: raylets with a core each, which can be lost, stopped and replaced."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psutil

from benchmarks.nodes import start_command
from benchmarks.running import OURS
from deployments.local.processes import end_all
from tests.support.service import ROOT, end_with_parent

STARTED = "Ray runtime started."
JOIN_SECONDS = 60.0
TRIES = 3
"""Ray gives up after thirty seconds, which a busy machine may take."""
PAUSE = 0.2


class CannotJoin(Exception):
    """A node did not start."""


class Node:
    """`ray start --block` in a session of its own, and all that runs there."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self.is_stopped = False

    @property
    def lives(self) -> bool:
        """Whether the node's first process does, which ends with the raylet."""
        return self._process.poll() is None

    @property
    def has_joined(self) -> bool:
        return STARTED in self._log.read_text(errors="replace")

    def is_decided(self) -> bool:
        """Whether it has joined, or never will."""
        return self.has_joined or not self.lives

    @property
    def said(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-2000:]

    def kill(self) -> None:
        """SIGKILL, with all that runs there."""
        everything = self._everything()
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        end_all(everything, grace=1.0)
        self._process.wait()

    def suspend(self) -> None:
        """SIGSTOP, with all that runs there."""
        self.is_stopped = True
        for process in self._everything():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """SIGCONT."""
        self.is_stopped = False
        for process in self._everything():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def _everything(self) -> list[psutil.Process]:
        """Ray's processes have groups of their own, but one session."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if os.getsid(process.pid) == self._process.pid:
                    found.append(process)
        return found


class Nodes:
    """As many joined nodes as there should be; `code` is where they find the product, if it is not here."""

    def __init__(self, first: psutil.Process, directory: Path, wanted: int, code: Path | None = None) -> None:
        self._first = first
        self._directory = directory
        self._wanted = wanted
        self._code = code or ROOT
        self._nodes: list[Node] = []
        self._numbers = count(1)
        self._joining = 0

    def choose(self, pick: float) -> Node | None:
        """One that lives and is not stopped; `pick` is from 0 to 1."""
        living = [node for node in self._nodes if node.lives and not node.is_stopped]
        return living[int(pick * len(living))] if living else None

    async def restock(self, patience: float = 0.0) -> None:
        """Join a node for each that has ended, or does so within the `patience`; one that cannot join is left out."""
        await _until(lambda: not all(node.lives for node in self._nodes), patience)
        for node in [node for node in self._nodes if not node.lives]:
            self._nodes.remove(node)
            await asyncio.to_thread(node.kill)  # what its first process has left behind
        missing = max(0, self._wanted - len(self._nodes) - self._joining)
        self._joining += missing
        try:
            while missing:  # one by one: two raylets that start at the same moment may choose the same socket
                node = await self._join()
                missing, self._joining = missing - 1, self._joining - 1
                if node is not None:
                    self._nodes.append(node)
        finally:
            self._joining -= missing

    def end(self) -> None:
        """End them all."""
        while self._nodes:
            self._nodes.pop().kill()

    @property
    def are_complete(self) -> bool:
        """Whether there are as many as there should be."""
        return len(self._nodes) == self._wanted

    async def _join(self) -> Node | None:
        for _ in range(TRIES):
            node = self._start()
            await _until(node.is_decided, JOIN_SECONDS)
            if node.lives and node.has_joined:
                return node
            await asyncio.to_thread(node.kill)
        print(f"{node.name} did not join: {node.said}", file=sys.stderr)
        return None

    def _start(self) -> Node:
        command, settings = start_command(self._first)
        name = f"node-{next(self._numbers)}"
        log = self._directory / f"{name}.log"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        # The environment of a raylet is that of its workers: they find the product where it says.
        environment = {**inherited, **settings, "PYTHONPATH": str(self._code)}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self._code,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - calls the kernel and nothing else
            )
        return Node(name, process, log)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - what it waits for is in other processes
        await asyncio.sleep(PAUSE)


@contextlib.contextmanager
def joined(first: psutil.Process, directory: Path, wanted: int, code: Path | None = None) -> Iterator[Nodes]:
    """So many nodes beside the raylet `first`; none is left when the block ends. Raises `CannotJoin`."""
    nodes = Nodes(first, directory, wanted, code)
    try:
        asyncio.run(nodes.restock())
        if not nodes.are_complete:
            raise CannotJoin("the service has fewer nodes than it should")
        yield nodes
    finally:
        nodes.end()
