"""`raylogue` as a person runs it: the installed command, in a process and an environment of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deployments.local.processes import end_all
from deployments.local.record import RunRecord, find_running
from tests.support.ray_token import token_environment
from tests.support.service import plain_environment

RAYLOGUE = Path(sys.executable).with_name("raylogue")
START_SECONDS = 180.0
STOP_SECONDS = 60.0


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment with these variables, and without other settings of Raylogue, its model or Ray."""
    return {**plain_environment(), **token_environment(), "COLUMNS": "200", **variables}


class Terminal:
    """Runs commands for one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def run(
        self, *arguments: str, stdin: str = "", cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in a folder if one is given."""
        return subprocess.run(
            [RAYLOGUE, *arguments],
            input=stdin,
            cwd=cwd,
            env=clean_environment(RAYLOGUE_DATA_DIR=str(self.data_dir), **variables),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own, its output in a file of the data directory."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._log_file(arguments[0]).open("wb") as output:
            return subprocess.Popen(
                [RAYLOGUE, *arguments],
                env=clean_environment(RAYLOGUE_DATA_DIR=str(self.data_dir), RAYLOGUE_PLACEMENT="shared"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def output(self, command: str) -> str:
        """What this command has written since it was started last."""
        return self._log_file(command).read_text()

    def _log_file(self, command: str) -> Path:
        return self.data_dir / f"{command}.log"


class Up:
    """A `raylogue up` that runs."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when the page can be opened."""
        self.process = self.terminal.start("up", "--port", "0")
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            record = find_running(self.terminal.data_dir)
            if record is not None and record.state == "running":
                return
            time.sleep(0.1)
        self.stop()
        raise AssertionError(self.terminal.output("up"))

    def stop(self) -> None:
        """Stop it if it still runs, with all that it started."""
        assert self.process is not None
        processes = [] if self.process.poll() is not None else self.processes()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            end_all(processes, grace=0.5)

    def processes(self) -> list[psutil.Process]:
        """The service's process and everything that descends from it."""
        assert self.process is not None
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    @property
    def record(self) -> RunRecord:
        found = find_running(self.terminal.data_dir)
        assert found is not None
        return found


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "data")


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A service with an embedded Valkey, shared by all tests of the command line."""
    service = Up(Terminal(tmp_path_factory.mktemp("up") / "data"))
    service.start()
    yield service
    service.stop()
