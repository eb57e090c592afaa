"""What can be broken, by name: each fault is a context that breaks something when entered and heals it when left."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from tests.chaos.faults import incarnations, nodes, processes, redis
from tests.chaos.world import World

Target = str | None
"""What was hit; None if there was nothing to hit."""
Breakage = Callable[[World, float], AbstractAsyncContextManager[Target]]
"""Takes the world and a number from 0 to 1 that chooses among what there is."""

FAULTS: Mapping[str, Breakage] = {
    "kill a dedicated actor": processes.killed("conversation:"),
    "stop a dedicated actor": processes.stopped("conversation:"),
    "kill a shared host": processes.killed("host:"),
    "stop a shared host": processes.stopped("host:"),
    "kill an ingress replica": processes.killed("SERVE_REPLICA"),
    "stop an ingress replica": processes.stopped("SERVE_REPLICA"),
    "kill HAProxy": processes.program_killed("haproxy"),
    "stop the control plane": processes.program_stopped("gcs_server"),
    "kill Redis": redis.killed,
    "stop Redis": redis.stopped,
    "cut the line to Redis": redis.cut,
    "cut some lines to Redis": redis.frayed,
    "lose an answer of Redis": redis.deafened,
    "cut off a process": redis.one_cut_off,
    "claim a conversation": incarnations.claimed,
    "double a conversation": incarnations.doubled,
    "stop a dedicated actor for long": processes.stopped("conversation:"),
    "stop a shared host for long": processes.stopped("host:"),
    "cut off a process for long": redis.one_cut_off,
    "kill a node": nodes.killed,
    "stop a node": nodes.stopped,
    "stop a node for long": nodes.stopped,
}

LONG_SECONDS = 14.0
"""Longer than anybody waits for a host (10 s), and than a silent node of a run is taken for alive."""
LASTING: Mapping[str, float] = {kind: LONG_SECONDS for kind in FAULTS if kind.endswith(" for long")}
"""Faults that last at least so many seconds."""
OF_NODES = frozenset(kind for kind in FAULTS if " a node" in kind)
"""Faults of a world with several nodes."""
BRIEF = tuple(kind for kind in FAULTS if kind not in LASTING and kind not in OF_NODES)
"""Faults of any world that are soon healed."""
