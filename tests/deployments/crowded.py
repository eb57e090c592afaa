"""Hosts of a test's own: with room for two, in a namespace and under a prefix of their own."""

import os

from deployments.host import Host

ROOM = 2
APART = "crowded"


class CrowdedHost(Host):
    """Reads other settings than the service's hosts do."""

    def __init__(self, name: str) -> None:
        own = {"RAYLOGUE_HOST_CONVERSATIONS": str(ROOM), "RAYLOGUE_NAMESPACE": APART, "RAYLOGUE_PREFIX": APART}
        os.environ.update(own)
        super().__init__(name)
