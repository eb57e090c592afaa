"""The whole service in a process of its own: `raylogue up` on free ports of the loopback interface, gone afterwards."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import pytest
import ray
from ray._private import ray_constants

from deployments.local.processes import is_running
from deployments.local.record import RunRecord, find_running
from deployments.settings import Settings
from store import Archive, Store, connect
from tests.messages_api import MessagesServer
from tests.servers.otlp_server import OtlpServer
from tests.servers.process import RedisServer, available_binaries, free_port
from tests.support.claude_agents import answer
from tests.support.ray_token import token_environment

ROOT = Path(__file__).parents[2]
START_SECONDS = 240.0
STOP_SECONDS = 45.0
WARM_WORKERS = 2
"""Of the run's service; a service that a test starts for itself has none: each takes seconds of a core."""
PAGE_MODULE = Path(__file__).with_name("page_module.js")
"""What an operator may add to the page: client tools."""
PR_SET_PDEATHSIG = 1
FOREIGN = ("RAYLOGUE_", "ANTHROPIC_", "RAY_", "OTEL_")
"""What the variables begin with that are settings of Raylogue, its model, Ray or OpenTelemetry."""
GCS = re.compile(r"--gcs-address=(\S+)")


class RunningService:
    """`raylogue up` in a session of its own, on a Redis that the test can reach; a context manager.

    `agents` is a `module:function` for RAYLOGUE_AGENTS, `env` further variables of the service's environment; with a
    `port` of its own, the service has the same address when it is started again.
    """

    def __init__(
        self,
        directory: Path,
        *,
        redis: RedisServer | None = None,
        agents: str | None = None,
        env: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.directory = directory
        self.redis = redis or RedisServer(available_binaries()["valkey-8.1"], directory / "redis")
        self.data_dir = directory / "data"
        self.archive_dir = directory / "archive"
        self._env = {"RAYLOGUE_AGENTS": agents} if agents else {}
        self._env.update(env or {})
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._record: RunRecord | None = None

    @property
    def runs(self) -> bool:
        """Whether it has been started and not been stopped."""
        return self._process is not None

    @property
    def url(self) -> str:
        """Where the page and the API are."""
        assert self._record is not None, "the service has not been started"
        return self._record.url

    @property
    def dashboard(self) -> str:
        """Where the Ray dashboard is, if the service has one."""
        assert self._record is not None, "the service has not been started"
        assert self._record.dashboard is not None, "the service has no dashboard"
        return self._record.dashboard

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the service has not been started"
        return self._process

    def start(self) -> None:
        """Start, and return when the service answers; what it said is in the error if it does not."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.redis.start()
        try:
            with self._log_file.open("ab") as output:
                self._process = subprocess.Popen(
                    [str(Path(sys.executable).with_name("raylogue")), "up", "--port", str(self._port)],
                    cwd=ROOT,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=end_with_parent,  # noqa: PLW1509 - calls the kernel and nothing else
                )
            self._record = self._wait_until_it_runs()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask it to end, and see to it that nothing of it is left."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            kill_session(process.pid)
            process.wait()
        self.redis.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def store(self) -> Store:
        """The service's own store, as another process sees it."""
        return connect(self.redis.url, archive=Archive(str(self.archive_dir)))

    def settings(self) -> Settings:
        """The settings of the service's processes, as far as a door needs them."""
        return Settings(redis_url=self.redis.url, agents=self._env.get("RAYLOGUE_AGENTS"))

    def processes(self) -> list[psutil.Process]:
        """All processes of this service, without the Redis."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def gcs_process(self) -> psutil.Process:
        """Ray's control plane."""
        return next(process for process in self.processes() if process.name() == "gcs_server")

    @contextlib.contextmanager
    def connected_ray(self) -> Iterator[None]:
        """Make this process a driver of the service's Ray cluster."""
        raylet = next(process for process in self.processes() if process.name() == "raylet")
        address = GCS.search(" ".join(raylet.cmdline()))
        assert address is not None, "the raylet does not say where the control plane is"
        with _on_loopback():
            ray.init(address=address[1], namespace="raylogue", log_to_driver=False, logging_level="ERROR")
        try:
            yield
        finally:
            ray.shutdown()

    @property
    def _log_file(self) -> Path:
        return self.directory / "raylogue.log"

    def _environment(self) -> dict[str, str]:
        return {
            **plain_environment(),
            "RAYLOGUE_REDIS_URL": self.redis.url,
            "RAYLOGUE_DATA_DIR": str(self.data_dir),
            "RAYLOGUE_ARCHIVE_URL": str(self.archive_dir),
            "RAYLOGUE_DASHBOARD": "false",
            **token_environment(),
            "RAYLOGUE_HEARTBEAT_SECONDS": "0.3",
            "RAYLOGUE_PLACEMENT": "shared",
            "RAYLOGUE_WARM_WORKERS": "0",
            **self._env,
        }

    def _wait_until_it_runs(self) -> RunRecord:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            record = find_running(self.data_dir)
            if record is not None and record.state == "running":
                return record
            time.sleep(0.1)
        raise RuntimeError(f"the service did not start:\n{self._log_file.read_text(errors='replace')[-4000:]}")


def plain_environment() -> dict[str, str]:
    """This process's environment without settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


def end_with_parent() -> None:
    # A test run that is killed cannot clean up; the kernel asks in its place.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def kill_session(leader: int) -> None:
    """What a failed start or a crash left behind: Ray's processes have groups of their own, but one session."""
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == leader:
                process.kill()


_SERVICE = pytest.StashKey[RunningService]()
_STAND_IN = pytest.StashKey[MessagesServer]()
_OTLP_SERVER = pytest.StashKey[OtlpServer]()


@pytest.fixture(scope="session")
def stand_in(pytestconfig: pytest.Config) -> MessagesServer:
    """The Messages API that the service's `claude` agent talks to; it does what the messages say."""
    if _STAND_IN not in pytestconfig.stash:
        server = MessagesServer(answer)
        server.start()
        pytestconfig.add_cleanup(server.stop)
        pytestconfig.stash[_STAND_IN] = server
    return pytestconfig.stash[_STAND_IN]


@pytest.fixture(scope="session")
def otlp_server(pytestconfig: pytest.Config) -> OtlpServer:
    """Where the service sends the spans of requests that ask for it: of no others, since that costs something."""
    if _OTLP_SERVER not in pytestconfig.stash:
        pytestconfig.stash[_OTLP_SERVER] = otlp_server = OtlpServer()
        pytestconfig.add_cleanup(otlp_server.stop)
    return pytestconfig.stash[_OTLP_SERVER]


@pytest.fixture(scope="session")
def service(pytestconfig: pytest.Config, stand_in: MessagesServer, otlp_server: OtlpServer) -> RunningService:
    """One service for all tiers of the run: to start it takes long."""
    if _SERVICE not in pytestconfig.stash:
        running = RunningService(
            Path(tempfile.mkdtemp(prefix="raylogue-test-")),
            agents="tests.support.service_agents:catalog",
            port=free_port(),  # the same when a test starts it again
            env={
                "ANTHROPIC_BASE_URL": stand_in.url,
                "RAYLOGUE_WARM_WORKERS": str(WARM_WORKERS),
                "RAYLOGUE_PAGE_MODULE": str(PAGE_MODULE),
                "RAYLOGUE_JOBS": "tests.support.job_types",
                "RAY_metrics_report_interval_ms": "2000",  # a test waits for them
                "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_server.url,
                "OTEL_TRACES_SAMPLER": "parentbased_always_off",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            },
        )
        running.start()
        pytestconfig.add_cleanup(running.stop)
        pytestconfig.stash[_SERVICE] = running
    return pytestconfig.stash[_SERVICE]


@pytest.fixture(scope="session")
def service_url(service: RunningService) -> str:
    """Where the run's service listens; its default agent is the offline assistant."""
    return service.url


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray takes 127.0.0.1 for this machine's public address, unless it was imported in a special environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
        yield


def is_alive(pid: int) -> bool:
    """Whether such a process still does anything; it may end while this looks."""
    try:
        return is_running(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False
