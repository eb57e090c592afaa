"""The services that are measured, started as users start them, with new data; nothing is left at the end."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import httpx
import redis

from agents.clock import now_ms
from benchmarks.running import ROOT, running, wait_for
from deployments.access.granting import WantedKey, grant_key
from deployments.access.principal import LOCAL
from deployments.local.ports import find_free_ports
from deployments.local.record import find_running
from store import connect
from store.embedded import EmbeddedServer

LOOPBACK = "127.0.0.1"
REQUEST_SECONDS = 120.0
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
UP = (str(Path(sys.executable).with_name("raylogue")), "up")


@dataclass(frozen=True, slots=True)
class MeasuredService:
    """A running service; all its processes descend from the processes `roots`."""

    url: str
    redis_url: str
    roots: Sequence[int]
    key: str | None = None
    """An API key, where requests need one."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What each request has."""
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}

    def client(self, at_once: int = 1) -> httpx.AsyncClient:
        """A client for requests that are not timed. It loads no certificates: that takes longer than the requests."""
        limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        return httpx.AsyncClient(
            base_url=self.url, headers=self.headers, timeout=REQUEST_SECONDS, limits=limits, verify=False
        )


@contextmanager
def model() -> Iterator[str]:
    """The URL of the Messages API that all services use: a process of its own, which counts for no subject."""
    port = find_free_ports(LOOPBACK, 1)[0]
    url = f"http://{LOOPBACK}:{port}"
    with running([sys.executable, "-m", "benchmarks.model", str(port)], {}) as server:
        yield wait_for(server, lambda: _url_if_ready(url))


@contextmanager
def raylogue(model_url: str, settings: Mapping[str, str] = NO_SETTINGS, code: Path = ROOT) -> Iterator[MeasuredService]:
    """Raylogue as `raylogue up` runs it, with these settings; `code` is the folder of another commit's code."""
    with tempfile.TemporaryDirectory(prefix="raylogue-") as folder:
        data_dir = Path(folder)
        token = data_dir / "auth_token"  # of Ray; without it, the one of this person is used or made
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        environment = {
            **_model(model_url),
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAYLOGUE_AGENTS": "benchmarks.agents:catalog",
            "RAYLOGUE_DASHBOARD_PORT": "0",
            **settings,
        }
        with running([*UP, "--port", "0", "--data-dir", folder], environment, code) as service:
            wait_for(service, lambda: _url_if_running(data_dir))
            record = find_running(data_dir)
            assert record is not None
            assert record.redis is not None
            yield MeasuredService(record.url, record.redis, [service.pid])


@contextmanager
def raylogue_with_keys(model_url: str) -> Iterator[MeasuredService]:
    """The same where each request needs an API key."""
    with raylogue(model_url, {"RAYLOGUE_AUTH": "keys"}) as service:
        yield replace(service, key=asyncio.run(_new_key(service.redis_url)))


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


async def _new_key(redis_url: str) -> str:
    """The text of a new API key, which an administrator would make by `raylogue keys create`."""
    kept, text = grant_key(LOCAL, WantedKey(tenant="acme", user="ada"), now_ms())
    store = connect(redis_url)
    await store.api_keys.add(kept)
    await store.aclose()
    return text


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
