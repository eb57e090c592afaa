"""The machine with several raylets, as tests handle it: started, asked, killed as a whole, started again."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from deployments.local.environment import read_ray_env, service_environment
from deployments.local.processes import end_all
from deployments.settings import Settings
from store import Store, connect
from tests.servers.process import RedisServer, available_binaries, free_port
from tests.support.ray_token import token_environment
from tests.support.service import plain_environment

STOP_SECONDS = 20.0


class Refusal(Exception):
    """What the machine could not do."""


class RunningCluster:
    """A head with the control plane and, if asked for, the service; and nodes with a processor each.

    The control plane keeps its memory in the Redis of the conversations, so that it can be killed and started again.
    `prefix` is put in front of the command that starts the machine, `env` are further variables of its environment.
    """

    def __init__(
        self,
        directory: Path,
        *,
        redis: RedisServer | None = None,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.redis = redis or RedisServer(available_binaries()["valkey-8.1"], directory / "redis")
        self.data_dir = directory / "data"
        self.url = ""
        self.nodes: list[str] = []
        self._prefix = prefix
        self._env = dict(env or {})
        self._process: subprocess.Popen[str] | None = None
        self._asking = threading.Lock()
        self._port = free_port()
        self._starts = 0

    def start(self, nodes: int, *, serve: bool) -> None:
        """Start the machine with so many nodes beside the head; it knows nothing of what ran here before."""
        self._starts += 1
        self.data_dir.mkdir(parents=True, exist_ok=True)
        runtime_dir = Path(tempfile.mkdtemp(prefix="raylogue-"))  # short: HAProxy's sockets are in there
        with (self.directory / "machine.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", "tests.support.machine"],
                cwd=Path(__file__).parents[2],
                env=self._environment(runtime_dir),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        self.ask("connect")
        self.nodes = [self.ask("add_node") for _ in range(nodes)]
        if serve:
            self.url = self.ask("serve")

    def ask(self, command: str, **arguments: Any) -> Any:
        """Have the machine do something (see `Machine`); its answer. Raises `Refusal`."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            try:
                self._process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except BrokenPipeError:
                line = ""
        if not line:
            raise Refusal(f"the machine has ended:\n{(self.directory / 'machine.log').read_text()[-4000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refusal(answer["error"])
        return answer["answer"]

    async def do(self, command: str, **arguments: Any) -> Any:
        """The same, without blocking the event loop."""
        return await asyncio.to_thread(self.ask, command, **arguments)

    async def lose_node(self, node: str) -> None:
        """SIGKILL a node with all that runs on it."""
        await self.do("kill_node", node=node)
        self.nodes.remove(node)

    async def add_node(self, code: Path | None = None) -> str:
        """Another node, which runs the product that is in that folder; its id."""
        options = {} if code is None else {"env_vars": {"PYTHONPATH": str(code)}}
        node: str = await self.do("add_node", **options)
        self.nodes.append(node)
        return node

    def kill(self) -> None:
        """SIGKILL everything but Redis."""
        assert self._process is not None
        everything = psutil.Process(self._process.pid).children(recursive=True)
        for process in [psutil.Process(self._process.pid), *everything]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        end_all(_session(self._process.pid), grace=0.0)
        self._process = None

    def stop(self) -> None:
        """End all of it, Redis as well."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            left = _session(process.pid)
            for other in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    other.send_signal(signal.SIGKILL)
            process.kill()
            process.wait()
            end_all(left, grace=0.0)
        self.redis.stop()

    def __enter__(self) -> Self:
        self.redis.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def store(self) -> Store:
        """The cluster's own store, as another process sees it."""
        return connect(self.redis.url)

    def _environment(self, runtime_dir: Path) -> dict[str, str]:
        settings = Settings(
            redis_url=self.redis.url,
            data_dir=self.data_dir,
            port=self._port,
            agents="tests.support.cluster_agents:catalog",
            stuck_seconds=2.0,
            drain_seconds=1.0,
            warm_workers=0,
            anthropic_api_key=None,
        )
        clean = plain_environment()
        prepared = service_environment(settings, runtime_dir).items()
        ours = {name: value for name, value in prepared if os.environ.get(name) != value}
        memory = {
            "RAY_REDIS_ADDRESS": self.redis.url.removeprefix("redis://").partition("/")[0],
            "RAY_external_storage_namespace": f"start-{self._starts}",
        }
        # A silent node is dead, as on a real cluster; but here all raylets share a few cores.
        health = {name: value for name, value in read_ray_env().items() if name.startswith("RAY_health_check")}
        health["RAY_health_check_failure_threshold"] = "8"
        return {**clean, **read_ray_env(), **ours, **health, **memory, **token_environment(), **self._env}


def _session(leader: int) -> list[psutil.Process]:
    """What is left of the session that the machine began: Ray's processes have groups of their own, but one session."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == leader and process.pid != leader:
                found.append(process)
    return found
