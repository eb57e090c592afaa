"""Hosts of a test's own, with other settings than the service's, in a namespace and under a prefix of their own.

Nobody sweeps there: a turn that goes on after its host is gone was handed over.
"""

import os
from typing import ClassVar

from deployments.host import actor
from deployments.routing.code_version import CodeVersion

ROOM = 2
APART = "crowded"


class CrowdedHost(actor.HostActor):
    """Has room for two, and no time for those who leave unfinished."""

    own: ClassVar[dict[str, str]] = {"RAYLOGUE_HOST_CONVERSATIONS": str(ROOM), "RAYLOGUE_DRAIN_SECONDS": "0.2"}

    def __init__(self, name: str, release: CodeVersion) -> None:
        os.environ.update({"RAYLOGUE_NAMESPACE": APART, "RAYLOGUE_PREFIX": APART, **self.own})
        actor.HostActor = type(self)  # those that its own door starts are like it
        super().__init__(name, release)


class FleetingHost(CrowdedHost):
    """Lets go of the parked soon, and of the idle and of itself a little later."""

    own: ClassVar[dict[str, str]] = {"RAYLOGUE_HIBERNATE_SECONDS": "0.2", "RAYLOGUE_LEAVE_SECONDS": "2"}
