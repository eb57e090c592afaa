"""The system under test: the whole service as it is deployed, on a Valkey behind a line that can be cut."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psutil

from store import Store, connect
from tests.chaos.ledger import Ledger
from tests.chaos.line import Line
from tests.chaos.nodes import Nodes, joined
from tests.servers.process import RedisServer, available_binaries
from tests.support.service import RunningService

AGENTS = "tests.chaos.agents:catalog"
SETTINGS = {
    # Evictions are so early that they happen while people talk.
    "RAYLOGUE_HIBERNATE_SECONDS": "3",
    "RAYLOGUE_LEAVE_SECONDS": "6",
    "RAYLOGUE_HEARTBEAT_SECONDS": "0.3",
    "RAYLOGUE_MIN_REPLICAS": "2",
}
OF_SEVERAL_NODES = {
    # A silent one is dead after ten seconds: their raylets share a few cores.
    "RAY_health_check_failure_threshold": "8",
}
DURABLE = ("--appendfsync", "always")
"""As `raylogue up` runs its own: what was acknowledged survives the server."""


class Service(Protocol):
    """What runs: on one node, or on several."""

    data_dir: Path

    @property
    def url(self) -> str: ...

    def processes(self) -> list[psutil.Process]: ...


class World:
    """A running service, the nodes that have joined it, its Valkey and the ledger."""

    def __init__(self, service: Service, redis: RedisServer, line: Line, nodes: Nodes) -> None:
        self.service = service
        self.redis = redis
        self.line = line
        self.nodes = nodes
        self.ledger = Ledger(service.data_dir)

    @property
    def url(self) -> str:
        """Where people and watchers find the service."""
        return self.service.url

    def store(self) -> Store:
        """The store as the checker sees it: around the line, patiently."""
        return connect(self.redis.url, patience=30.0)

    def actors(self, prefix: str) -> dict[str, psutil.Process]:
        """The living processes of the actors whose names begin so."""
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
        """The service's processes of this program."""
        found = []
        for process in self.service.processes():
            with contextlib.suppress(psutil.Error):
                if process.name() == name:
                    found.append(process)
        return found


@contextlib.contextmanager
def redis_on_a_line(place: Path) -> Iterator[tuple[RedisServer, Line]]:
    """A Valkey that is not started yet, and the line to it."""
    redis = RedisServer(available_binaries()["valkey-8.1"], place / "redis", options=DURABLE)
    with Line(redis.port) as line:
        yield redis, line


@contextlib.contextmanager
def running_world(agents: str = AGENTS, *, nodes: int = 0, code: Path | None = None) -> Iterator[World]:
    """`raylogue up`, so many nodes beside it, and nothing left behind; `code` is where those find the product."""
    with tempfile.TemporaryDirectory(prefix="raylogue-chaos-") as directory:
        place = Path(directory)
        with redis_on_a_line(place) as (redis, line):
            env = {**SETTINGS, **(OF_SEVERAL_NODES if nodes else {}), "RAYLOGUE_REDIS_URL": line.url}
            with RunningService(place, redis=redis, agents=agents, env=env) as service:
                raylet = next(process for process in service.processes() if process.name() == "raylet")
                with joined(raylet, place, nodes, code) as others:
                    yield World(service, redis, line, others)
