"""What Ray sends to a node when a host is to start there: the code of that node must know every name in it."""

import io
import pickle
from typing import Any

import ray
from ray import cloudpickle

from deployments.host.actor import HostActor

OURS = ("store", "agents", "deployments")

KNOWN = {
    "agents.context.AgentContext",
    "agents.conversation.driver.Glimpse",
    "agents.receipt.Receipt",
    "agents.turn.inputs.Resolve",
    "agents.turn.inputs.UserMessage",
    "deployments.host.Host",
    "deployments.host.Host.__init__",
    "deployments.host.Host.cancel",
    "deployments.host.Host.dismiss",
    "deployments.host.Host.exit",
    "deployments.host.Host.inspect",
    "deployments.host.Host.leave",
    "deployments.host.Host.make_room",
    "deployments.host.Host.missing",
    "deployments.host.Host.pid",
    "deployments.host.Host.resolve",
    "deployments.host.Host.send",
    "deployments.host.Host.stop",
    "deployments.host.Host.wake",
    "deployments.release.Release",
}
"""The names in the previous version. With one more, new hosts start only on nodes that have the new code."""


class Reader(pickle.Unpickler):
    """Notes the names that it looks up in the product's own packages."""

    def __init__(self, sent: bytes) -> None:
        super().__init__(io.BytesIO(sent))
        self.names: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if module.partition(".")[0] in OURS:
            self.names.add(f"{module}.{name}")
        return found


def test_the_previous_version_knows_every_name_in_the_class_of_a_host() -> None:
    reader = Reader(cloudpickle.dumps(ray.remote(HostActor).__ray_metadata__.modified_class))
    reader.load()
    assert reader.names == KNOWN
