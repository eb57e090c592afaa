"""Where a conversation lives: one small policy, and the names under which the cluster finds it."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count, islice

CONVERSATION = "conversation:{}"
HOST = "host:{}:{}:{}"
"""Node, code version, number: newer code begins with hosts of its own, and older hosts get no new conversations."""


@dataclass(frozen=True, slots=True)
class Node:
    """A live node of the cluster; `id` is Ray's, `raylet` the address of Ray's process on it.

    `budget` is how many dedicated actors it has memory for.
    """

    id: str
    cores: int
    budget: int = 0
    raylet: str = ""


@dataclass(frozen=True, slots=True)
class HostSlot:
    """A shared host that runs, or may be started."""

    name: str
    node: str


def actor_name(conversation_id: str) -> str:
    """The name of the conversation's own actor."""
    return CONVERSATION.format(conversation_id)


def is_dedicated(name: str) -> bool:
    """Whether an actor of that name is a conversation's own."""
    return name.startswith(CONVERSATION.format(""))


def choose_node(conversation_id: str, nodes: Iterable[Node], dedicated: Mapping[str, int]) -> Node | None:
    """The node for a conversation's own actor; `dedicated` counts the dedicated actors of each node, by its id.

    The conversation's id draws two nodes, with room if there are any, and the one with more room is taken. Not the one
    with the most room of all: a door hears of other doors' starts some seconds late, and all would choose that one.
    """
    room = {node: node.budget - dedicated.get(node.id, 0) for node in nodes}
    with_room = [node for node in room if room[node] > 0] or list(room)
    drawn = sorted(with_room, key=lambda node: _rank(node.id, conversation_id))[:2]
    return max(drawn, key=room.__getitem__, default=None)


def load_of_node(node: Node, loads: Mapping[str, int]) -> int:
    """The conversations in the shared hosts of a node, whatever their code version."""
    return sum(load for name, load in loads.items() if _is_same_node(name, HOST.format(node.id[:12], "", "")))


def is_first_host(name: str, loads: Mapping[str, int]) -> bool:
    """Whether no host of the same node and code version has a lower number than the host `name`."""
    return all(_number(name) <= _number(other) for other in loads if other.split(":")[:3] == name.split(":")[:3])


def has_newer_host(name: str, version: int, loads: Mapping[str, int]) -> bool:
    """Whether a host of newer code answers where the actor `name` is; anywhere, if that is a conversation's own."""
    hosts = [other for other in loads if is_dedicated(name) or _is_same_node(other, name)]
    return any(int(other.split(":")[2]) > version for other in hosts)


def load_of_neighbours(name: str, loads: Mapping[str, int]) -> int:
    """The conversations in the other shared hosts of the node on which the host `name` is."""
    return sum(load for other, load in loads.items() if _is_same_node(other, name) and other != name)


def host_slots(
    nodes: Iterable[Node],
    loads: Mapping[str, int],
    target: int,
    code_version: int,
    silent: Collection[str] = (),
    closed: Collection[str] = (),
) -> list[HostSlot]:
    """The shared hosts of a code version that there should be.

    A node has one more than its conversations fill, at `target` conversations each, but no more than cores; a node
    whose id is in `closed` gets no further host. `loads` are the conversations in each host, by its name. Hosts that
    are `silent` are left out, and others take their place.
    """
    return [
        HostSlot(name, node.id)
        for node in nodes
        for name in _names(node, code_version, _wanted(node, loads, target, code_version, node.id in closed), silent)
    ]


def loads_with_full(loads: Mapping[str, int], full: Collection[str], target: int) -> dict[str, int]:
    """The `loads`, in which the hosts in `full` have `target` conversations at least, whatever they have reported."""
    return {name: max(loads.get(name, 0), target if name in full else 0) for name in sorted({*loads, *full})}


def answering_slots(nodes: Iterable[Node], loads: Mapping[str, int], code_version: int) -> list[HostSlot]:
    """The hosts of a code version that report: they run, and answer."""
    prefixes = {HOST.format(node.id[:12], code_version, ""): node.id for node in nodes}
    found = ((name, prefixes.get(name[: name.rfind(":") + 1])) for name in loads)
    return [HostSlot(name, node) for name, node in found if node is not None]


def rank_slots(conversation_id: str, slots: Iterable[HostSlot]) -> list[HostSlot]:
    """The slots as this conversation tries them: alike at every door, and evenly spread (rendezvous hashing)."""
    return sorted(slots, key=lambda slot: _rank(slot.name, conversation_id))


def _number(name: str) -> int:
    return int(name.rpartition(":")[2])


def _is_same_node(name: str, other: str) -> bool:
    return name.split(":")[:2] == other.split(":")[:2]


def _names(node: Node, code_version: int, wanted: int, silent: Collection[str]) -> Iterable[str]:
    names = (HOST.format(node.id[:12], code_version, number) for number in count())
    return islice((name for name in names if name not in silent), wanted)


def _wanted(node: Node, loads: Mapping[str, int], target: int, code_version: int, is_closed: bool) -> int:
    prefix = HOST.format(node.id[:12], code_version, "")
    here = [load for name, load in loads.items() if name.startswith(prefix)]
    return max(1, min(node.cores, len(here) if is_closed else 1 + sum(here) // target))


def _rank(name: str, conversation_id: str) -> bytes:
    return hashlib.blake2b(f"{name} {conversation_id}".encode()).digest()
