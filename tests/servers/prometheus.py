"""Debian's Prometheus as a child process: with the repository's example of a configuration, and targets of the test."""

import ctypes
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
import yaml

from tests.servers.process import free_port

PROGRAM = shutil.which("prometheus")
STATIC = Path(__file__).parents[2] / "deployments" / "metrics" / "static"
PR_SET_PDEATHSIG = 1
START_SECONDS = 30.0

needs_prometheus = pytest.mark.skipif(PROGRAM is None, reason="there is no prometheus on this machine")


class Prometheus:
    """Scrapes these targets every second; a context manager. The rules are the repository's."""

    def __init__(self, directory: Path, targets: list[str]) -> None:
        self._directory = directory
        self._targets = targets
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{free_port()}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that the expression has now."""
        return self._ask("query", query=expression)["result"]  # type: ignore[no-any-return]

    def rules(self) -> list[dict[str, Any]]:
        """The alert rules that are loaded, with the health of their last evaluation."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def __enter__(self) -> Self:
        assert PROGRAM is not None
        config = yaml.safe_load((STATIC / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        [scrape] = config["scrape_configs"]
        del scrape["file_sd_configs"]
        scrape["static_configs"] = [{"targets": self._targets}]
        (self._directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        shutil.copy(STATIC / "alerts.yml", self._directory)
        with (self._directory / "prometheus.log").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    PROGRAM,
                    f"--config.file={self._directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdout=output,
                stderr=output,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - calls the kernel and nothing else
            )
        self._wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/-/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise RuntimeError((self._directory / "prometheus.log").read_text())

    def _ask(self, subject: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{subject}", params=parameters, timeout=30).json()
        assert answer["status"] == "success", answer
        return answer["data"]


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
