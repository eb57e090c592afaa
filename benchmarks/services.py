"""The services that are measured, started as users start them, with new data; nothing is left at the end."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis

from benchmarks.running import running, wait_for
from deployments.local.ports import find_free_ports
from deployments.local.record import find_running
from store.embedded import EmbeddedServer

LOOPBACK = "127.0.0.1"
REQUEST_SECONDS = 120.0
UP = (str(Path(sys.executable).with_name("raylogue")), "up")


@dataclass(frozen=True, slots=True)
class MeasuredService:
    """A running service; all its processes descend from the processes `roots`."""

    url: str
    redis_url: str
    roots: Sequence[int]

    def client(self, at_once: int = 1) -> httpx.AsyncClient:
        """A client for requests that are not timed. It loads no certificates: that takes longer than the requests."""
        limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        return httpx.AsyncClient(base_url=self.url, timeout=REQUEST_SECONDS, limits=limits, verify=False)


@contextmanager
def model() -> Iterator[str]:
    """The URL of the Messages API that all services use: a process of its own, which counts for no subject."""
    port = find_free_ports(LOOPBACK, 1)[0]
    url = f"http://{LOOPBACK}:{port}"
    with running([sys.executable, "-m", "benchmarks.model", str(port)], {}) as server:
        yield wait_for(server, lambda: _url_if_ready(url))


@contextmanager
def raylogue(model_url: str) -> Iterator[MeasuredService]:
    """Raylogue as `raylogue up` runs it."""
    with tempfile.TemporaryDirectory(prefix="raylogue-") as folder:
        data_dir = Path(folder)
        environment = {
            **_model(model_url),
            "RAYLOGUE_AGENTS": "benchmarks.agents:catalog",
            "RAYLOGUE_DASHBOARD_PORT": "0",
        }
        with running([*UP, "--port", "0", "--data-dir", folder], environment) as service:
            wait_for(service, lambda: _url_if_running(data_dir))
            record = find_running(data_dir)
            assert record is not None
            assert record.redis is not None
            yield MeasuredService(record.url, record.redis, [service.pid])


@contextmanager
def plain(model_url: str) -> Iterator[MeasuredService]:
    """The plain application under uvicorn, a worker for each core; its Valkey syncs to disk once a second."""
    port = find_free_ports(LOOPBACK, 1)[0]
    url = f"http://{LOOPBACK}:{port}"
    command = [
        *(sys.executable, "-m", "uvicorn", "benchmarks.plain:app", "--host", LOOPBACK, "--port", str(port)),
        *("--workers", str(os.cpu_count() or 1), "--log-level", "warning", "--no-access-log"),
    ]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="plain-"))
        database = stack.enter_context(EmbeddedServer(Path(folder)))
        assert database.pid is not None
        with redis.Redis.from_url(database.url) as client:
            client.config_set("appendfsync", "everysec")
        application = stack.enter_context(running(command, {"REDIS_URL": database.url, **_model(model_url)}))
        wait_for(application, lambda: _url_if_ready(url))
        yield MeasuredService(url, database.url, [application.pid, database.pid])


def _model(url: str) -> Mapping[str, str]:
    return {"ANTHROPIC_API_KEY": "x", "ANTHROPIC_BASE_URL": url}


def _url_if_ready(url: str) -> str | None:
    try:
        return url if httpx.get(f"{url}/healthz", verify=False).is_success else None
    except httpx.TransportError:
        return None


def _url_if_running(data_dir: Path) -> str | None:
    """The URL of the service, once its record says that it runs."""
    record = find_running(data_dir)
    return record.url if record is not None and record.state == "running" else None
