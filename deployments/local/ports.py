"""Looks for TCP ports on the loopback interface."""

import random
import socket
from itertools import islice

from deployments.local.errors import CannotStart

MAX_PORT = 65535
OWN_PORTS = range(20_000, 30_000)
"""Neither the system nor Ray gives these to a program that asks for any port, so a free one stays free."""


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do, so that closed connections in TIME_WAIT do not count as a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def find_free_ports(host: str, count: int) -> list[int]:
    """Distinct ports that no program uses, nor gets before they are used here. Raises CannotStart."""
    free = (port for port in random.sample(OWN_PORTS, len(OWN_PORTS)) if is_free(host, port))
    found = list(islice(free, count))
    if len(found) < count:
        raise CannotStart(f"no port of {host} from {OWN_PORTS.start} to {OWN_PORTS.stop - 1} is free")
    return found


def require_free_port(host: str, port: int) -> int:
    """The port itself, or any free one for 0. Raises CannotStart when it is taken."""
    if port == 0:
        return find_free_ports(host, 1)[0]
    if not is_free(host, port):
        raise CannotStart(
            f"port {port} is taken by another program: stop it, or choose another port with "
            f"`raylogue up --port {min(port + 1, MAX_PORT)}` or RAYLOGUE_PORT"
        )
    return port


def next_free_port(host: str, port: int) -> int:
    """The first free port from `port` on, or any free one for 0."""
    if port == 0:
        return find_free_ports(host, 1)[0]
    return next((number for number in range(port, MAX_PORT + 1) if is_free(host, number)), 0)
