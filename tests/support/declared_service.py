"""The service as it is deployed to a cluster: one head, started by `ray start`, on free ports of the loopback."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import psutil
import yaml

from deployments.local.environment import service_environment
from deployments.settings import Settings
from tests.servers.process import RedisServer, available_binaries, free_port
from tests.support.ray_token import dashboard_headers
from tests.support.service import FOREIGN, ROOT, end_with_parent, kill_session, plain_environment

BIN = Path(sys.executable).parent
START_SECONDS = 120.0


class DeclaredService:
    """A head and nothing else, with a Redis; a context manager. `env` is what its node's environment has besides."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        self.directory = directory
        self.redis = RedisServer(available_binaries()["valkey-8.1"], directory / "redis")
        self.port, self._gcs_port, self._dashboard_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.dashboard = f"http://127.0.0.1:{self._dashboard_port}"
        self.address = f"127.0.0.1:{self._gcs_port}"
        self._env = env
        self._runtime_dir = Path(tempfile.mkdtemp(prefix="raylogue-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.redis.start()
        try:
            self._start_head()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            kill_session(self._process.pid)
            self._process.wait()
        self.redis.stop()
        shutil.rmtree(self._runtime_dir, ignore_errors=True)

    def environment(self, **variables: str) -> dict[str, str]:
        """Of the node, and of a shell on it."""
        settings = Settings(redis_url=self.redis.url, port=self.port, data_dir=self.directory / "data", warm_workers=0)
        known = service_environment(settings, self._runtime_dir)
        prepared = {name: value for name, value in known.items() if name.startswith(FOREIGN)}
        return {
            **plain_environment(),
            **prepared,
            "RAYLOGUE_PLACEMENT": "shared",
            "RAY_AUTH_MODE": "token",
            "RAY_ADDRESS": self.address,
            "RAY_DASHBOARD_ADDRESS": self.dashboard,
            **self._env,
            **variables,
        }

    def write_config(self, runtime_env: Mapping[str, Any], host: str = "127.0.0.1") -> Path:
        """The repository's serve.yaml with this address, and with what an operator has added."""
        described = yaml.safe_load((ROOT / "deployments" / "serve.yaml").read_text())
        described["http_options"] = {"host": host, "port": self.port}
        described["applications"][0]["runtime_env"] = dict(runtime_env)
        file = self.directory / "serve.yaml"
        file.write_text(yaml.safe_dump(described))
        return file

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A command of the environment's `bin`, in a shell on the node, to its end."""
        return subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=ROOT,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def application(self) -> dict[str, Any]:
        """What Serve says of the application, as `serve status` shows it: that command imports Ray for each look."""
        asked = urllib.request.Request(f"{self.dashboard}/api/serve/applications/", headers=dashboard_headers())
        with urllib.request.urlopen(asked, timeout=START_SECONDS) as answer:
            told = json.load(answer)["applications"]["raylogue"]
        deployments = {
            name: {
                "status": deployment["status"],
                "message": deployment["message"],
                "replicas": sorted(replica["state"] for replica in deployment["replicas"]),
            }
            for name, deployment in told["deployments"].items()
        }
        return {name: told[name] for name in ("status", "message", "last_deployed_time_s")} | {
            "deployments": deployments
        }

    def is_ready(self) -> bool:
        """Whether the service takes messages."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def processes(self) -> list[psutil.Process]:
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def logs(self) -> Path:
        """Where Ray's processes on the node write."""
        arguments = [argument for process in self.processes() for argument in process.cmdline()]
        named = next(argument for argument in arguments if argument.startswith("--session_dir="))
        return Path(named.partition("=")[2]) / "logs"

    def _start_head(self) -> None:
        log = self.directory / "head.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *(str(BIN / "ray"), "start", "--head", "--block", "--disable-usage-stats"),
                    *("--node-ip-address=127.0.0.1", f"--port={self._gcs_port}", "--num-cpus=2"),
                    *("--dashboard-host=127.0.0.1", f"--dashboard-port={self._dashboard_port}"),
                    *("--object-store-memory", str(80 * 1024**2), f"--ray-client-server-port={free_port()}"),
                ],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - calls the kernel and nothing else
            )
        deadline = time.monotonic() + START_SECONDS
        while "Ray runtime started." not in log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the head did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)
