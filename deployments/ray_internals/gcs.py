"""What the control plane (Ray's GCS) knows and Ray has no public function for. Both functions block."""

from typing import NamedTuple

from ray._private.state import actors
from ray._private.worker import global_worker


class LiveActor(NamedTuple):
    """An actor that lives; `name` is empty if it has none, `node` is the id of its node."""

    name: str
    node: str


def live_actors() -> list[LiveActor]:
    """All actors of the cluster that live, in every namespace."""
    alive = actors(actor_state_name="ALIVE").values()
    return [LiveActor(found["Name"], found["Address"]["NodeID"]) for found in alive]


def draining_nodes(timeout: float) -> frozenset[str]:
    """The ids of the nodes that are about to go; `timeout` in seconds."""
    client = global_worker.gcs_client  # type: ignore[attr-defined]  # Ray adds it when it connects
    return frozenset(client.get_draining_nodes(timeout=timeout))
