"""A real cluster of three Valkey primaries on the loopback interface."""

import time
from pathlib import Path

from tests.servers.process import RedisServer, ask, free_port

SLOTS = 16384
SIZE = 3
FORMING_TIMEOUT = 30.0


class ValkeyCluster:
    """Three nodes that share the slots; any of them answers for the cluster."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self.nodes = [RedisServer(binary, directory / f"node-{number}") for number in range(SIZE)]
        for node in self.nodes:
            node.options = (
                *("--cluster-enabled", "yes"),
                *("--appendfsync", "always"),
                *("--cluster-node-timeout", "2000"),
                *("--cluster-require-full-coverage", "no"),
                *("--cluster-port", str(free_port())),
            )

    @property
    def url(self) -> str:
        """The first node; clients find the others through it."""
        return self.nodes[0].url

    def start(self) -> None:
        """Start the nodes, share the slots, and wait until every node sees a whole cluster."""
        for node in self.nodes:
            node.start()
        for number, node in enumerate(self.nodes):
            first, last = SLOTS * number // SIZE, SLOTS * (number + 1) // SIZE - 1
            ask(node.port, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            ask(node.port, "CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in self.nodes[1:]:
            bus = node.options[-1]
            ask(self.nodes[0].port, "CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        self._wait_until_whole()

    def stop(self) -> None:
        """Stop every node."""
        for node in self.nodes:
            node.stop()

    def _wait_until_whole(self) -> None:
        deadline = time.monotonic() + FORMING_TIMEOUT
        while not all(self._is_whole(node) for node in self.nodes):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no cluster formed: {ask(self.nodes[0].port, 'CLUSTER', 'INFO')}")
            time.sleep(0.05)

    def _is_whole(self, node: RedisServer) -> bool:
        info = ask(node.port, "CLUSTER", "INFO")
        return "cluster_state:ok" in info and f"cluster_slots_ok:{SLOTS}" in info
