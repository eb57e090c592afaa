"""Where a conversation lives: one small policy, and the names under which the cluster finds it."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Literal

from store import Placement

CONVERSATION = "conversation:{}"
HOST = "host:{}:{}:{}"
"""Node, release, number: newer code begins with hosts of its own, and nobody new goes to the older ones."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster that lives; `id` is Ray's, `raylet` where the process that runs it listens.

    `budget` is how many conversations of their own it has memory for.
    """

    id: str
    cores: int
    budget: int = 0
    raylet: str = ""


@dataclass(frozen=True, slots=True)
class HostSlot:
    """A shared host that there is, or may be."""

    name: str
    node: str


def actor_name(conversation_id: str) -> str:
    """The actor that a conversation has for itself."""
    return CONVERSATION.format(conversation_id)


def is_dedicated(name: str) -> bool:
    return name.startswith(CONVERSATION.format(""))


def decide(wish: Placement, dedicated: int, budget: int) -> Literal["dedicated", "shared"]:
    """An actor of its own, or a place in a shared host; `dedicated` actors live now, `budget` may.

    A conversation without a wish gets an actor while there is room for one, so that no node dies of them.
    """
    if wish != "auto":
        return wish
    return "dedicated" if dedicated < budget else "shared"


def roomiest(conversation_id: str, nodes: Iterable[Node], dedicated: Mapping[str, int]) -> Node | None:
    """The node for a conversation's own actor; `dedicated` are those that each node has, by its id.

    It is the emptier of two that the conversation's id draws, of those with room if there are any: what a door knows
    of the others' starts is some seconds old, and all doors would crowd on the emptiest of all.
    """
    room = {node: node.budget - dedicated.get(node.id, 0) for node in nodes}
    roomy = [node for node in room if room[node] > 0] or list(room)
    drawn = sorted(roomy, key=lambda node: _lot(node.id, conversation_id))[:2]
    return max(drawn, key=room.__getitem__, default=None)


def on_node(node: Node, loads: Mapping[str, int]) -> int:
    """The conversations in the shared hosts of a node, whatever their release."""
    return sum(load for name, load in loads.items() if _same_node(name, HOST.format(node.id[:12], "", "")))


def beside(name: str, loads: Mapping[str, int]) -> int:
    """The conversations in the other shared hosts of the node on which the host `name` is."""
    return sum(load for other, load in loads.items() if _same_node(other, name) and other != name)


def host_slots(
    nodes: Iterable[Node],
    loads: Mapping[str, int],
    comfortable: int,
    release: int,
    silent: Collection[str] = (),
    closed: Collection[str] = (),
) -> list[HostSlot]:
    """The shared hosts of a release that there should be: on each node one more than are comfortably full.

    A node has no more of them than cores, and one that is `closed` gets no further one. `loads` are the conversations
    in each host, by its name. Hosts that are `silent` are not counted on.
    """
    return [
        HostSlot(name, node.id)
        for node in nodes
        for name in _names(node, release, _wanted(node, loads, comfortable, release, node.id in closed), silent)
    ]


def with_full(loads: Mapping[str, int], full: Collection[str], comfortable: int) -> dict[str, int]:
    """The `loads`, in which those that are known to be `full` count as such, whatever they have reported."""
    return {name: max(loads.get(name, 0), comfortable if name in full else 0) for name in sorted({*loads, *full})}


def in_order(conversation_id: str, among: Iterable[HostSlot]) -> list[HostSlot]:
    """The seats as this conversation tries them: alike at every door, and evenly spread (rendezvous hashing)."""
    return sorted(among, key=lambda slot: _lot(slot.name, conversation_id))


def _same_node(name: str, other: str) -> bool:
    return name.split(":")[:2] == other.split(":")[:2]


def _names(node: Node, release: int, wanted: int, silent: Collection[str]) -> Iterable[str]:
    names = (HOST.format(node.id[:12], release, number) for number in count())
    return islice((name for name in names if name not in silent), wanted)


def _wanted(node: Node, loads: Mapping[str, int], comfortable: int, release: int, closed: bool) -> int:
    prefix = HOST.format(node.id[:12], release, "")
    here = [load for name, load in loads.items() if name.startswith(prefix)]
    return max(1, min(node.cores, len(here) if closed else 1 + sum(here) // comfortable))


def _lot(name: str, conversation_id: str) -> bytes:
    return hashlib.blake2b(f"{name} {conversation_id}".encode()).digest()
