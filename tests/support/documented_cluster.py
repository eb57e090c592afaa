"""A cluster of containers, started and handled by the commands that the documents and the files for clusters have.

The commands are read where people read them; this part knows only who types them on which machine.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from store import Store, connect
from tests.deployments.conftest import check_conversation
from tests.servers.process import available_binaries
from tests.support.access_service import bearer, make_key
from tests.support.api import PATIENCE, Api, eventually
from tests.support.containers import HOME, ROOT, Container, Switch

NETWORK = "192.0.2"
LAPTOP, REDIS = f"{NETWORK}.1", f"{NETWORK}.20"
REDIS_SOCKET = "/run/redis"
AGENTS = "tests.support.cluster_agents:catalog"
START_SECONDS = 120.0
"""For all machines together: they share a few cores."""
PATIENT = {"RAY_health_check_failure_threshold": "10"}
"""What ray.env advises where raylets get no CPU for seconds."""
LOCAL = Path("deployments/cluster.local.yaml")
OPERATIONS = Path("docs/operations.md")
RAY = re.compile(r"gcs_server|raylet|ray::|haproxy|dashboard/")
RAYLET, NODE_ID = re.compile(r"\S*/raylet "), re.compile(r"--node[-_]id=(\w+)")


def first_lines(file: Path) -> list[str]:
    """The commands in the comment at the top of a file, without the remarks behind them."""
    text = (ROOT / file).read_text()
    top = text[: text.index("\n\n")]
    return [line.partition("    # ")[0] for line in re.findall(r"^#   ( *\S.*)$", top, re.MULTILINE)]


def command_with(words: str, commands: Sequence[str]) -> str:
    """The one command that has these words."""
    [found] = [command for command in commands if words in command]
    return found.strip()


def block_with(words: str, page: Path = OPERATIONS) -> str:
    """The indented or fenced commands on a page of the documents that have these words."""
    text = (ROOT / page).read_text()
    blocks = [*re.findall(r"```\w*\n(.*?)```", text, re.DOTALL), *re.findall(r"(?:^ {4,}\S.*\n)+", text, re.MULTILINE)]
    [found] = [block for block in blocks if words in block]
    return "\n".join(line.strip() for line in found.splitlines())


class Machines:
    """Containers in one network, with a Redis on a machine of its own; all of it ends with the block."""

    def __init__(self, directory: Path, password: str = "") -> None:
        self.directory = directory
        self._password = password
        self._switch = Switch(NETWORK)
        self._ends = ExitStack()
        self._started: list[Container] = []

    def __enter__(self) -> Self:
        self._ends.enter_context(self._switch.laid())
        redis = self.add("redis", REDIS)
        binaries = available_binaries()
        program = binaries.get("redis-7.0") or binaries["valkey-8.1"]
        options = f"--bind 0.0.0.0 --protected-mode no --unixsocket {REDIS_SOCKET} --dir /run --appendonly yes"
        secret = f"--requirepass {self._password}" if self._password else ""
        redis.start_process(f"exec {program} {options} {secret}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for container in self._started:
            container.switch_off()
        self._ends.close()

    def add(self, name: str, address: str, repository: str = f"{HOME}/raylogue") -> Container:
        """Another machine, switched on."""
        directory = self.directory / name
        directory.mkdir()
        container = Container(directory, address, repository)
        self._started.append(container)
        container.start(self._switch)
        return container

    def store(self) -> Store:
        """The store of the conversations, as this process reaches it."""
        secret = f":{self._password}@" if self._password else ""
        return connect(f"unix://{secret}{self._started[0].path(REDIS_SOCKET)}")


class Front:
    """An address of a container, as programs in its network reach it; they may know it by another `name`."""

    def __init__(self, container: Container, host: str, port: int, name: str | None = None) -> None:
        socket = f"/run/{host}-{port}"
        self._path = container.path(socket)
        self._url = f"http://{name or host}:{port}"
        container.start_process(f"relay {socket} {host} {port}")

    async def ready(self) -> None:
        """Wait until the service there is ready."""
        async with self.client() as client:

            async def answers() -> bool:
                try:
                    return (await client.get("/readyz")).is_success
                except httpx.TransportError:
                    return False

            await eventually(answers, START_SECONDS)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """One request, on a connection of its own."""
        async with self.client() as client:
            return await client.get(path, headers=headers)

    @asynccontextmanager
    async def person(self, store: Store) -> AsyncIterator[Api]:
        """A client with a key; all conversations that it creates are checked in the end."""
        api = Api(self._url, "shared", httpx.AsyncHTTPTransport(uds=str(self._path)))
        api.http.headers.update(bearer(await make_key(store)))
        try:
            yield api
            for conversation_id in api.created:
                await check_conversation(store, conversation_id)
        finally:
            await api.http.aclose()

    def client(self) -> httpx.AsyncClient:
        """For requests of any kind."""
        transport = httpx.AsyncHTTPTransport(uds=str(self._path))
        return httpx.AsyncClient(base_url=self._url, transport=transport, timeout=PATIENCE)


def node_id(container: Container) -> str:
    """The id of the Ray node on a machine, from its raylet."""
    [found] = [found for line in container.command_lines() if (found := NODE_ID.search(line)) and RAYLET.match(line)]
    return found[1]


def ray_processes(container: Container) -> list[str]:
    """The programs of Ray that run on a machine."""
    return [line for line in container.command_lines() if RAY.search(line)]


def edited(text: str, **changes: Any) -> str:
    """A file for Serve with these entries in its application."""
    described = yaml.safe_load(text)
    [application] = described["applications"]
    application.update(changes)
    return yaml.safe_dump(described)


async def until_it_streams(api: Api, conversation_id: str, words: int) -> asyncio.Task[list[dict[str, Any]]]:
    """Ask the talker for so many words; what its stream says, once the first have come.

    A stream that ends with the machine whose replica wrote it is taken up behind its last id, as a browser does.
    """
    begun = asyncio.Event()

    async def listen() -> list[dict[str, Any]]:
        async with api.speaking(conversation_id, str(words)) as stream:
            with suppress(httpx.RemoteProtocolError, httpx.ReadError):
                async for event in stream.events():
                    if event["type"] == "text_delta":
                        begun.set()
                return stream.seen
        async with api.watching(conversation_id, last_event_id=max(stream.ids, default=None)) as rest:
            return stream.seen + await rest.until("turn_ended")

    task = asyncio.create_task(listen())
    await begun.wait()
    return task
