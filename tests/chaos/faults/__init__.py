"""What can be broken, by name: each fault is a context that breaks something when entered and heals it when left."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from tests.chaos.faults import incarnations, processes, redis
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
    "lose an answer of Redis": redis.deafened,
    "claim a conversation": incarnations.claimed,
    "double a conversation": incarnations.doubled,
}
