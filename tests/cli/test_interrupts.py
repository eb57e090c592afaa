"""Ctrl-C and `raylogue down` end `raylogue up` at any moment of its start, and nothing of it stays."""

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deployments.local.processes import is_running
from deployments.local.record import RECORD_NAME, find_running
from tests.cli.conftest import RAYLOGUE, Terminal, clean_environment

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

END_SECONDS = 40.0
MOMENT_SECONDS = 120.0
HANGING = "import pathlib, time\npathlib.Path('loading').touch()\ntime.sleep(600)\n"


class Start:
    """A `raylogue up` in a terminal of its own; `mark` is in the environment of all that it starts."""

    def __init__(self, terminal: Terminal, folder: Path, **variables: str) -> None:
        self.mark = f"MARK={uuid.uuid4().hex}"
        self.log = folder / "up.log"
        name, _, value = self.mark.partition("=")
        data_dir = str(terminal.data_dir)
        environment = clean_environment(
            RAYLOGUE_DATA_DIR=data_dir, RAYLOGUE_DASHBOARD="false", RAYLOGUE_WARM_WORKERS="0", **{name: value}
        )
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [RAYLOGUE, "up", "--port", "0"],
                cwd=folder,
                env={**environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_for(self, moment: Callable[[], bool]) -> None:
        deadline = time.monotonic() + MOMENT_SECONDS
        while not moment():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def says(self, words: str) -> Callable[[], bool]:
        return lambda: words in self.log.read_text()

    def processes(self) -> list[psutil.Process]:
        """All that has the mark and does anything, in whatever session."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if self.mark.encode() in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                    found.append(process)
        return [process for process in found if is_running(process)]

    def runtime_dirs(self) -> list[Path]:
        """Its directory of sockets, as the arguments of its processes name it."""
        arguments = [argument for process in self.processes() for argument in process.cmdline()]
        return [Path(argument) for argument in arguments if argument.startswith("/tmp/raylogue-")]

    def kill(self) -> None:
        """What a failed test has left."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()


def ctrl_c(start: Start, terminal: Terminal) -> None:
    """What a terminal does: each process of the group in front gets the signal."""
    os.killpg(start.process.pid, signal.SIGINT)


def signal_alone(start: Start, terminal: Terminal) -> None:
    start.process.send_signal(signal.SIGINT)


def down(start: Start, terminal: Terminal) -> None:
    told = terminal.run("down")
    assert told.returncode == 0, told.stderr
    assert "Stopped" in told.stderr


LOADING, STARTING, VALKEY, RAY, READY = "loading", "Starting Raylogue", "✓ Valkey", "✓ Ray", "Ctrl-C stops everything"
INTERRUPTIONS = [
    (LOADING, ctrl_c),
    (LOADING, signal_alone),
    (LOADING, down),
    (STARTING, ctrl_c),
    (STARTING, down),
    (VALKEY, signal_alone),
    (VALKEY, ctrl_c),
    (VALKEY, down),
    (RAY, ctrl_c),
    (RAY, down),
    (READY, signal_alone),
]
"""One after another with the same data: so each start follows one that was interrupted, and the last gets ready."""


def test_an_interrupted_start_leaves_nothing_and_the_next_one_works(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(HANGING)
    for moment, interrupt in INTERRUPTIONS:
        loading = tmp_path / "loading"
        loading.unlink(missing_ok=True)
        variables = {"RAYLOGUE_AGENTS": "shop:catalog"} if moment == LOADING else {}
        start = Start(terminal, tmp_path, **variables)
        try:
            start.wait_for(loading.exists if moment == LOADING else start.says(moment))
            directories = start.runtime_dirs()
            interrupt(start, terminal)
            assert start.process.wait(END_SECONDS) == 0, start.log.read_text()
            case = f"{moment}, {interrupt.__name__}: {start.log.read_text()}"
            assert start.processes() == [], case
            assert "Traceback" not in start.log.read_text(), case
            assert start.log.read_text().splitlines()[-1].startswith("✓ Stopped"), case
            assert find_running(terminal.data_dir) is None, case
            assert not (terminal.data_dir / RECORD_NAME).exists(), case
            assert [directory for directory in directories if directory.exists()] == [], case
            assert directories or moment in (LOADING, STARTING), case
        finally:
            start.kill()


def test_a_check_ends_with_the_command_that_was_killed(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(HANGING)
    start = Start(terminal, tmp_path, RAYLOGUE_AGENTS="shop:catalog")
    try:
        start.wait_for((tmp_path / "loading").exists)
        start.process.kill()
        start.process.wait()
        deadline = time.monotonic() + END_SECONDS
        while start.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert start.processes() == []
    finally:
        start.kill()
