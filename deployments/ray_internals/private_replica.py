"""Keeps a Serve replica's internal gRPC server off public addresses, which no option of Ray's can do."""

import ipaddress
from typing import Any

import ray
from ray.serve._private import replica

ALL_INTERFACES = "[::]"
LOOPBACK = "127.0.0.1"
SERVE: Any = replica


def keep_replica_private() -> None:
    """Call in a deployment's constructor: Serve opens the replica's port after it.

    Whoever reaches that port can run code in the replica, and Ray opens it on every interface even where the
    node's own address is the loopback one. On other nodes nothing is changed: their peers need the port.
    """
    node: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    if not ipaddress.ip_address(node).is_loopback:
        return
    open_port = SERVE.add_port_to_grpc_server

    def open_private_port(server: object, address: str) -> int:
        return int(open_port(server, address.replace(ALL_INTERFACES, LOOPBACK)))

    SERVE.add_port_to_grpc_server = open_private_port
