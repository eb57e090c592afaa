"""A real cluster of three Valkey primaries on the loopback interface, the first with a replica if asked for."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.process import RedisServer, free_port, send_command

SLOTS = 16384
SIZE = 3
FORMING_TIMEOUT = 30.0


class ValkeyCluster:
    """Three nodes that share the slots; any of them answers for the cluster. `replica` follows the first."""

    def __init__(self, binary: Path, directory: Path, *, with_replica: bool = False) -> None:
        self.nodes = [RedisServer(binary, directory / f"node-{number}") for number in range(SIZE)]
        self.replica = RedisServer(binary, directory / "replica") if with_replica else None
        for node in self._all:
            node.options = (
                *("--cluster-enabled", "yes"),
                *("--appendfsync", "always"),
                *("--cluster-node-timeout", "500" if with_replica else "2000"),
                *("--cluster-require-full-coverage", "no"),
                *("--cluster-port", str(free_port())),
            )

    @property
    def url(self) -> str:
        """The first node; clients find the others through it."""
        return self.nodes[0].url

    def start(self) -> None:
        """Start the nodes, share the slots, and wait until every node sees a whole cluster."""
        for node in self._all:
            node.start()
        for number, node in enumerate(self.nodes):
            first, last = SLOTS * number // SIZE, SLOTS * (number + 1) // SIZE - 1
            send_command(node.port, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            send_command(node.port, "CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in self._all[1:]:
            bus = node.options[-1]
            send_command(self.nodes[0].port, "CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        self._wait_until_whole()
        if self.replica is not None:
            name = send_command(self.nodes[0].port, "CLUSTER", "MYID").splitlines()[1]
            self._wait_until(lambda: send_command(self._replica_port, "CLUSTER", "REPLICATE", name).startswith("+OK"))
            self._wait_until(lambda: "state=online" in send_command(self.nodes[0].port, "INFO", "replication"))

    def stop(self) -> None:
        """Stop every node."""
        for node in self._all:
            node.stop()

    @property
    def _all(self) -> list[RedisServer]:
        return [*self.nodes, self.replica] if self.replica else self.nodes

    @property
    def _replica_port(self) -> int:
        assert self.replica is not None
        return self.replica.port

    def _wait_until_whole(self) -> None:
        self._wait_until(lambda: all(self._is_whole(node) for node in self._all))

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + FORMING_TIMEOUT
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"no cluster formed: {send_command(self.nodes[0].port, 'CLUSTER', 'INFO')}")
            time.sleep(0.05)

    def _is_whole(self, node: RedisServer) -> bool:
        info = send_command(node.port, "CLUSTER", "INFO")
        return "cluster_state:ok" in info and f"cluster_slots_ok:{SLOTS}" in info
