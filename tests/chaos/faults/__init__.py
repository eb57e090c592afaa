"""All faults by name: each is a context that breaks something when entered and heals it when left."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from tests.chaos.faults import incarnations, nodes, processes, redis
from tests.chaos.system import SystemUnderTest

TargetName = str | None
"""What was broken; None if there was nothing to break."""
Breakage = Callable[[SystemUnderTest, float], AbstractAsyncContextManager[TargetName]]
"""Takes the system and a number from 0 to 1 that chooses among the possible targets."""

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
    "cut the line to Redis": redis.connections_cut,
    "cut some lines to Redis": redis.some_connections_cut,
    "lose an answer of Redis": redis.answer_lost,
    "cut off a process": redis.process_cut_off,
    "claim a conversation": incarnations.claimed,
    "double a conversation": incarnations.doubled,
    "stop a dedicated actor for long": processes.stopped("conversation:"),
    "stop a shared host for long": processes.stopped("host:"),
    "cut off a process for long": redis.process_cut_off,
    "kill a node": nodes.killed,
    "stop a node": nodes.stopped,
    "stop a node for long": nodes.stopped,
}

LONG_SECONDS = 14.0
"""Longer than callers wait for a host (10 s), and longer than a silent node counts as alive in a run."""
MIN_SECONDS: Mapping[str, float] = {kind: LONG_SECONDS for kind in FAULTS if kind.endswith(" for long")}
"""How long some faults last at least."""
NODE_FAULTS = frozenset(kind for kind in FAULTS if " a node" in kind)
"""Faults of a system with several nodes."""
SHORT_FAULTS = tuple(kind for kind in FAULTS if kind not in MIN_SECONDS and kind not in NODE_FAULTS)
"""Faults of any system that are healed after a short time."""
