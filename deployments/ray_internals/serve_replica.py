"""What Serve does in the process of a replica, and has no option for: its private port, and the start of its end."""

import ipaddress
from collections.abc import Callable
from typing import Any

import ray
from ray.serve._private import replica

ALL_INTERFACES = "[::]"
LOOPBACK = "127.0.0.1"
SERVE: Any = replica


def keep_replica_private() -> None:
    """Keep the replica's internal gRPC server off public addresses.

    Call it in a deployment's constructor: Serve opens the replica's port after it. A client that reaches that port can
    run code in the replica, and Ray opens it on every interface even where the node's own address is the loopback one.
    On other nodes nothing is changed: their peers need the port.
    """
    node: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    if not ipaddress.ip_address(node).is_loopback:
        return
    open_port = SERVE.add_port_to_grpc_server

    def open_private_port(server: object, address: str) -> int:
        return int(open_port(server, address.replace(ALL_INTERFACES, LOOPBACK)))

    SERVE.add_port_to_grpc_server = open_private_port


def call_when_replica_stops(callback: Callable[[], object]) -> None:
    """Call `callback`, in Serve's own thread, when this replica is told to stop.

    Serve itself tells the application only when all of its requests are done.
    """
    stop = SERVE.Replica.perform_graceful_shutdown

    async def call_and_stop(stopping: object) -> None:
        callback()
        await stop(stopping)

    SERVE.Replica.perform_graceful_shutdown = call_and_stop
