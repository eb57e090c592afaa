"""What lives where in the cluster, from the hosts themselves: each is asked, and answers for what is in it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.routing.door import Door
from deployments.routing.errors import Unreachable
from deployments.routing.host_reports import HostReport
from store import Store

MAX_QUESTIONS = 32
"""How many hosts are asked at once."""


@dataclass(frozen=True, slots=True)
class LiveHost:
    """An actor in which conversations live; `answers` is False if it did not, within some seconds.

    `report` is None then, and of a host with older code. `address` is that of its node, if that is known.
    """

    name: str
    node: str
    address: str | None
    answers: bool
    report: HostReport | None


async def find_hosts(door: Door, after: str, limit: int, per_host: int) -> tuple[list[LiveHost], str | None]:
    """The first `limit` actors with names behind `after`, dedicated and shared ones; and the last name if more follow.

    Of each at most `per_host` conversations. Raises `ControlPlaneUnavailable`.
    """
    control_plane = door.launcher.control_plane
    places = await control_plane.places()
    addresses = {node.id: node.raylet.rpartition(":")[0] or None for node in await control_plane.nodes()}
    names = sorted(name for name in places if name > after)
    found = await ask_hosts(door, {name: places[name] for name in names[:limit]}, addresses, per_host)
    return found, names[limit - 1] if len(names) > limit else None


async def ask_hosts(
    door: Door, places: Mapping[str, str], addresses: Mapping[str, str | None], per_host: int
) -> list[LiveHost]:
    """The reports of these actors, in this order, with `per_host` conversations each.

    `places` are the ids of their nodes, `addresses` those of nodes by their ids. Raises `ControlPlaneUnavailable`.
    """
    bound = asyncio.Semaphore(MAX_QUESTIONS)

    async def ask(name: str, node: str) -> LiveHost:
        async with bound:
            try:
                report, answers = await door.liveness.report(name, per_host), True
            except Unreachable:
                report, answers = None, False
        return LiveHost(name, node, addresses.get(node), answers, report)

    return await asyncio.gather(*(ask(name, node) for name, node in places.items()))


async def describe_hosts(store: Store, hosts: Sequence[LiveHost]) -> list[dict[str, Any]]:
    """The hosts as the API shows them, with the number of processes that watch each conversation."""
    listed = [one["id"] for host in hosts if host.report for one in host.report["listed"]]
    watchers = await store.live.watchers_of(listed)
    return [_describe(host, watchers) for host in hosts]


def _describe(host: LiveHost, watchers: Mapping[str, int]) -> dict[str, Any]:
    report: Mapping[str, Any] = host.report or {}
    listed = [{**one, "watchers": watchers.get(one["id"], 0)} for one in report.get("listed", ())]
    known = {name: report.get(name) for name in ("pid", "memory", "code_version", "conversations", "working")}
    return {
        "name": host.name,
        "node": host.node,
        "address": host.address,
        "answers": host.answers,
        **known,
        "listed": listed,
    }
