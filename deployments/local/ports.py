"""Looks for TCP ports on the loopback interface."""

import random
import socket
from itertools import islice

from deployments.local.errors import CannotStart

HIGHEST = 65535
OURS = range(20_000, 30_000)
"""No system gives one of these to whoever asks for any port, nor does Ray: what is free now still is in a minute."""


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


def any_free(host: str, count: int) -> list[int]:
    """Distinct ports that nobody uses, and that are given to nobody else before they are. Raises CannotStart."""
    free = (port for port in random.sample(OURS, len(OURS)) if is_free(host, port))
    found = list(islice(free, count))
    if len(found) < count:
        raise CannotStart(f"no port of {host} from {OURS.start} to {OURS.stop - 1} is free")
    return found


def wanted_or_any(host: str, port: int) -> int:
    """The port itself, or any free one for 0. Raises CannotStart when it is taken."""
    if port == 0:
        return any_free(host, 1)[0]
    if not is_free(host, port):
        raise CannotStart(
            f"port {port} is taken by another program: stop it, or choose another port with "
            f"`raylogue up --port {min(port + 1, HIGHEST)}` or RAYLOGUE_PORT"
        )
    return port


def wanted_or_next(host: str, port: int) -> int:
    """The first free port from `port` on, or any free one for 0."""
    if port == 0:
        return any_free(host, 1)[0]
    return next((number for number in range(port, HIGHEST + 1) if is_free(host, number)), 0)
