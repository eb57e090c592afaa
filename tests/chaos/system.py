"""The system under test: the whole service as it is deployed, on a Valkey behind a proxy that can break connections."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psutil

from store import Store, connect
from tests.chaos.ledger import Ledger
from tests.chaos.nodes import JoinedNodes, joined_nodes
from tests.chaos.redis_proxy import RedisProxy
from tests.servers.process import RedisServer, available_binaries
from tests.support.service import RunningService

AGENTS = "tests.chaos.agents:catalog"
SETTINGS = {
    # Evictions are so early that they happen during conversations.
    "RAYLOGUE_HIBERNATE_SECONDS": "3",
    "RAYLOGUE_LEAVE_SECONDS": "6",
    "RAYLOGUE_HEARTBEAT_SECONDS": "0.3",
    "RAYLOGUE_MIN_REPLICAS": "2",
    # Conversations without a request move.
    "RAYLOGUE_PLACEMENT": "auto",
    "RAYLOGUE_WARM_WORKERS": "1",
}
SETTINGS_OF_SEVERAL_NODES = {
    # A silent node is declared dead after ten seconds, because the raylets share a few cores.
    "RAY_health_check_failure_threshold": "8",
}
DURABLE_OPTIONS = ("--appendfsync", "always")
"""As `raylogue up` configures its own: acknowledged writes survive the end of the server."""


class RunnableService(Protocol):
    """A service that runs on one node or on several."""

    data_dir: Path

    @property
    def url(self) -> str: ...

    def processes(self) -> list[psutil.Process]: ...


class SystemUnderTest:
    """A running service, the nodes that have joined it, its Valkey and the ledger."""

    def __init__(
        self, service: RunnableService, redis: RedisServer, redis_proxy: RedisProxy, nodes: JoinedNodes
    ) -> None:
        self.service = service
        self.redis = redis
        self.redis_proxy = redis_proxy
        self.nodes = nodes
        self.ledger = Ledger(service.data_dir)

    @property
    def url(self) -> str:
        """The address of the service for people and watchers."""
        return self.service.url

    def store(self) -> Store:
        """The store for the checker: without the proxy, and with patience."""
        return connect(self.redis.url, patience=30.0)

    def actors(self, prefix: str) -> dict[str, psutil.Process]:
        """The living processes of the actors whose names begin with `prefix`."""
        found = {}
        for entry in self.ledger.entries():
            name = entry.facts.get("actor") if entry.kind == "process" else None
            if name and name.startswith(prefix):
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(entry.pid)
                    if process.create_time() <= entry.at and process.status() != psutil.STATUS_ZOMBIE:
                        found[name] = process
        return found

    def processes(self, name: str) -> list[psutil.Process]:
        """The processes of the service that run this program."""
        found = []
        for process in self.service.processes():
            with contextlib.suppress(psutil.Error):
                if process.name() == name:
                    found.append(process)
        return found


@contextlib.contextmanager
def redis_behind_proxy(directory_path: Path) -> Iterator[tuple[RedisServer, RedisProxy]]:
    """A Valkey that is not started yet, and the proxy before it."""
    redis = RedisServer(available_binaries()["valkey-8.1"], directory_path / "redis", options=DURABLE_OPTIONS)
    with RedisProxy(redis.port) as redis_proxy:
        yield redis, redis_proxy


@contextlib.contextmanager
def running_system(agents: str = AGENTS, *, nodes: int = 0, code: Path | None = None) -> Iterator[SystemUnderTest]:
    """`raylogue up` and further nodes, ended with the block; `code` is the folder of the product for those nodes."""
    with tempfile.TemporaryDirectory(prefix="raylogue-chaos-") as directory:
        directory_path = Path(directory)
        with redis_behind_proxy(directory_path) as (redis, redis_proxy):
            env = {**SETTINGS, **(SETTINGS_OF_SEVERAL_NODES if nodes else {}), "RAYLOGUE_REDIS_URL": redis_proxy.url}
            with RunningService(directory_path, redis=redis, agents=agents, env=env) as service:
                raylet = next(process for process in service.processes() if process.name() == "raylet")
                with joined_nodes(raylet, directory_path, nodes, code) as others:
                    yield SystemUnderTest(service, redis, redis_proxy, others)
