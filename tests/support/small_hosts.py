"""Hosts with other settings than the service's, in a namespace and under a prefix of their own.

There is no sweep: a turn that goes on after its host is gone was handed over.
"""

import os
from typing import ClassVar

from deployments.host import actor
from deployments.routing.code_version import CodeVersion

ROOM = 2
NAMESPACE = "small-hosts"


class SmallHost(actor.HostActor):
    """Has room for two conversations, and hardly waits for unfinished turns when it leaves."""

    settings: ClassVar[dict[str, str]] = {"RAYLOGUE_HOST_CONVERSATIONS": str(ROOM), "RAYLOGUE_DRAIN_SECONDS": "0.2"}

    def __init__(self, name: str, version: CodeVersion) -> None:
        os.environ.update({"RAYLOGUE_NAMESPACE": NAMESPACE, "RAYLOGUE_PREFIX": NAMESPACE, **self.settings})
        actor.HostActor = type(self)  # the hosts that its own door starts have the same class
        super().__init__(name, version)


class ShortLivedHost(SmallHost):
    """Lets parked conversations go soon; idle ones, and itself, a little later."""

    settings: ClassVar[dict[str, str]] = {"RAYLOGUE_HIBERNATE_SECONDS": "0.2", "RAYLOGUE_LEAVE_SECONDS": "2"}
