"""Further nodes of a running service: raylets with a core each, which can be killed, stopped and replaced."""

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
MAX_TRIES = 3
"""Ray gives up after thirty seconds, and a busy machine may take longer to start a node."""
PAUSE_SECONDS = 0.2


class CannotJoin(Exception):
    """A node did not start."""


class JoinedNode:
    """`ray start --block` in a session of its own, with all processes of that session."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self.is_stopped = False

    @property
    def is_alive(self) -> bool:
        """Whether the node's first process lives; it ends with the raylet."""
        return self._process.poll() is None

    @property
    def has_joined(self) -> bool:
        return STARTED in self._log.read_text(errors="replace")

    def has_joined_or_ended(self) -> bool:
        """Whether it has joined, or will never join."""
        return self.has_joined or not self.is_alive

    @property
    def output_tail(self) -> str:
        """The end of its output."""
        return self._log.read_text(errors="replace")[-2000:]

    def has_process(self, pid: int) -> bool:
        """Whether a process with this id is on the node."""
        return any(process.pid == pid for process in self._processes())

    def kill(self) -> None:
        """SIGKILL to all its processes."""
        processes = self._processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        end_all(processes, grace=1.0)
        self._process.wait()

    def suspend(self) -> None:
        """SIGSTOP to all its processes."""
        self.is_stopped = True
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """SIGCONT to all its processes."""
        self.is_stopped = False
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def _processes(self) -> list[psutil.Process]:
        """All processes of the session; Ray's processes have process groups of their own."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if os.getsid(process.pid) == self._process.pid:
                    found.append(process)
        return found


class JoinedNodes:
    """`size` joined nodes; `code` is the folder of the product that they run, by default this one."""

    def __init__(self, first: psutil.Process, directory: Path, size: int, code: Path | None = None) -> None:
        self._first = first
        self._directory = directory
        self._size = size
        self._code = code or ROOT
        self._nodes: list[JoinedNode] = []
        self._numbers = count(1)
        self._joining = 0

    def choose(self, pick: float) -> JoinedNode | None:
        """A node that lives and is not stopped; `pick` is from 0 to 1."""
        living = [node for node in self._nodes if node.is_alive and not node.is_stopped]
        return living[int(pick * len(living))] if living else None

    async def replace_missing(self, patience: float = 0.0) -> None:
        """Join a node for each that has ended, or ends within `patience` seconds; leave out a node that cannot join."""
        await _until(lambda: not all(node.is_alive for node in self._nodes), patience)
        for node in [node for node in self._nodes if not node.is_alive]:
            self._nodes.remove(node)
            await asyncio.to_thread(node.kill)  # the processes that its first process has left behind
        missing = max(0, self._size - len(self._nodes) - self._joining)
        self._joining += missing
        try:
            while missing:  # one by one: two raylets that start at the same time may choose the same socket
                node = await self._join()
                missing, self._joining = missing - 1, self._joining - 1
                if node is not None:
                    self._nodes.append(node)
        finally:
            self._joining -= missing

    def end(self) -> None:
        """End all nodes."""
        while self._nodes:
            self._nodes.pop().kill()

    @property
    def is_complete(self) -> bool:
        """Whether there are `size` nodes."""
        return len(self._nodes) == self._size

    async def _join(self) -> JoinedNode | None:
        for _ in range(MAX_TRIES):
            node = self._start()
            await _until(node.has_joined_or_ended, JOIN_SECONDS)
            if node.is_alive and node.has_joined:
                return node
            await asyncio.to_thread(node.kill)
        print(f"{node.name} did not join: {node.output_tail}", file=sys.stderr)
        return None

    def _start(self) -> JoinedNode:
        command, settings = start_command(self._first)
        name = f"node-{next(self._numbers)}"
        log = self._directory / f"{name}.log"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        # The workers inherit the environment of the raylet, and with it the folder of the product.
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
        return JoinedNode(name, process, log)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - what it waits for is in other processes
        await asyncio.sleep(PAUSE_SECONDS)


@contextlib.contextmanager
def joined_nodes(first: psutil.Process, directory: Path, size: int, code: Path | None = None) -> Iterator[JoinedNodes]:
    """`size` nodes beside the raylet `first`; they end with the block. Raises `CannotJoin`."""
    nodes = JoinedNodes(first, directory, size, code)
    try:
        asyncio.run(nodes.replace_missing())
        if not nodes.is_complete:
            raise CannotJoin("the service has fewer nodes than it should")
        yield nodes
    finally:
        nodes.end()
