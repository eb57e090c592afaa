"""Two network namespaces, joined by two cables that can be cut: one for the control plane, one for Redis.

Nothing outside can reach them, and they reach nothing outside: the addresses exist on these cables only.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from tests.servers.process import START_TIMEOUT, RedisServer

Cable = Literal["control", "data"]
CABLES: tuple[Cable, ...] = ("control", "data")
THIRD_NUMBER = {"control": 1, "data": 2}


def unavailable() -> str | None:
    """Why there can be no namespaces here, if there cannot."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if shutil.which("ip") is None:
        return "there is no ip command (Debian: iproute2)"
    name = f"probe-{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"network namespaces are forbidden here: {made.stderr.strip()}"
    _run("ip", "netns", "delete", name)
    return None


class Namespaces:
    """`hub` has the control plane and Redis, `far` has a node that can be cut off."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(3)
        self.hub, self.far = f"hub-{self._mark}", f"far-{self._mark}"

    def address(self, side: Literal["hub", "far"], cable: Cable) -> str:
        """Where that side listens on that cable."""
        return f"10.199.{THIRD_NUMBER[cable]}.{1 if side == 'hub' else 2}"

    @staticmethod
    def inside(namespace: str) -> Sequence[str]:
        """The beginning of a command that runs in the namespace."""
        return ("ip", "netns", "exec", namespace)

    def cut(self, cable: Cable) -> None:
        """Let nothing pass any more."""
        self._link(cable, "down")

    def mend(self, cable: Cable) -> None:
        self._link(cable, "up")

    @contextlib.contextmanager
    def laid(self) -> Iterator[None]:
        """With both cables in place."""
        try:
            for namespace in (self.hub, self.far):
                _run("ip", "netns", "add", namespace)
                _run(*self.inside(namespace), "ip", "link", "set", "lo", "up")
            for cable in CABLES:
                self._lay(cable)
            yield
        finally:
            for namespace in (self.hub, self.far):
                subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)

    def _lay(self, cable: Cable) -> None:
        ends = {"hub": f"{cable[:3]}h{self._mark}", "far": f"{cable[:3]}f{self._mark}"}
        _run("ip", "link", "add", ends["hub"], "type", "veth", "peer", "name", ends["far"])
        for side, namespace in (("hub", self.hub), ("far", self.far)):
            _run("ip", "link", "set", ends[side], "netns", namespace)
            inside = self.inside(namespace)
            _run(*inside, "ip", "link", "set", ends[side], "name", cable)
            address = self.address("hub" if side == "hub" else "far", cable)
            _run(*inside, "ip", "address", "add", f"{address}/24", "dev", cable)
            _run(*inside, "ip", "link", "set", cable, "up")

    def _link(self, cable: Cable, state: str) -> None:
        _run(*self.inside(self.hub), "ip", "link", "set", cable, state)


class NamespacedServer(RedisServer):
    """A Redis in the hub; the test, which is outside, talks to its Unix socket."""

    def __init__(self, binary: Path, directory: Path, namespaces: Namespaces) -> None:
        self._namespaces = namespaces
        self._socket = directory / "redis.sock"
        self._host = namespaces.address("hub", "data")
        super().__init__(binary, directory, options=("--bind", self._host, "--unixsocket", str(self._socket)))

    @property
    def url(self) -> str:
        return f"redis://{self._host}:{self.port}/0"

    @property
    def outside(self) -> str:
        """The same server, for processes outside the namespaces."""
        return f"unix://{self._socket}"

    def _command(self) -> list[str]:
        return [*self._namespaces.inside(self._namespaces.hub), *super()._command(), "--protected-mode", "no"]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self._socket))
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.binary} does not answer: {self._output()}")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
