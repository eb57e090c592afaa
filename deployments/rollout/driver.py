"""A command as a driver of the cluster, and functions that it runs on every node."""

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from deployments.settings import Settings

CONNECT_SECONDS = 5.0


class NoCluster(Exception):
    """There is none to connect to; the text is one line."""


@contextmanager
def driver(address: str) -> Iterator[str]:
    """This process as a driver of the cluster; the URL of the cluster's dashboard. Raises NoCluster."""
    host, _, port = address.rpartition(":")
    try:
        if port.isdigit() and "/" not in host:
            # Ray itself would try for minutes.
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        context = ray.init(
            address=address, namespace=Settings().namespace, log_to_driver=False, logging_level=logging.ERROR
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise NoCluster(
            f"there is no cluster at {address} ({' '.join(str(error).split())}): run this on a node of it"
        ) from error
    try:
        yield f"http://{context.dashboard_url}"
    finally:
        ray.shutdown()


def live_nodes() -> dict[str, str]:
    """The address of each node, by its id."""
    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeID"]: node["NodeManagerAddress"] for node in known if node["Alive"]}


def start_on(node: str, function: Callable[..., Any], *arguments: object, runtime_env: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Run the function of a module as a task on that node and no other; a reference to what it returns."""
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    task: Any = ray.remote(function)
    options = task.options(num_cpus=0, max_retries=0, scheduling_strategy=there, runtime_env=dict(runtime_env))
    return options.remote(*arguments)
