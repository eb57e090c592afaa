"""What runs on the nodes in the application's environment: its new code is loaded on each, and the audit written."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import ray
from pydantic import ValidationError
from ray.exceptions import GetTimeoutError, RayError

from deployments.access.public_address import PublicWithoutAuthentication, require_private_or_authenticated
from deployments.local.errors import first_line
from deployments.process.agents_check import AgentsBroken, check_agents
from deployments.process.store import connect_store
from deployments.ray_internals.serve_address import listening_host
from deployments.rollout.driver import live_nodes, start_on
from deployments.routing.code_version import code_name
from deployments.settings import Settings
from store import StoreUnavailable
from store.audit.lines import AuditEvent

NODE_SECONDS = 300.0
"""How long a node may take to make the environment, to start a process in it and to load the code."""


class ReleaseRefused(Exception):
    """Nothing was released, or it does not run; the text is one line."""


class Loaded(NamedTuple):
    """What a node found: the names of the agents and of the code, or a `problem`."""

    agents: list[str]
    code: str
    problem: str | None = None


class Code(NamedTuple):
    """What all nodes have: the agents, the name of the code, and how many nodes there are."""

    agents: list[str]
    name: str
    nodes: int


def check_on_nodes(runtime_env: Mapping[str, Any], host: str) -> Code:
    """Load the agents on every node in this environment. Raises ReleaseRefused.

    This process is a driver of the cluster. If Serve does not run there yet, it will listen on `host`.
    """
    nodes = live_nodes()
    asked = {address: start_on(node, load, host, runtime_env=runtime_env) for node, address in nodes.items()}
    found = {address: _answer(reference) for address, reference in asked.items()}
    problems = defaultdict(list)
    for address, loaded in found.items():
        if loaded.problem is not None:
            problems[loaded.problem].append(address)
    for problem, addresses in problems.items():
        where = "" if len(addresses) == len(nodes) else f" (on {_listed(addresses)})"
        raise ReleaseRefused(f"{problem}{where}")
    by_code = defaultdict(list)
    for address, loaded in found.items():
        by_code[loaded.code].append(address)
    if len(by_code) > 1:
        groups = " and ".join(_listed(addresses) for addresses in by_code.values())
        raise ReleaseRefused(f"the code on {groups} differs: put the same files on every node")
    first = next(iter(found.values()))
    return Code(first.agents, first.code, len(nodes))


def load(host: str) -> Loaded:
    """What the environment of this process has; it runs in one that Ray has started."""
    try:
        settings = Settings()
        require_private_or_authenticated(settings, listening_host() or host)
        return Loaded(check_agents(settings), code_name(settings))
    except ValidationError as error:
        first = error.errors()[0]
        return Loaded([], "", f"setting {first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}")
    except (AgentsBroken, PublicWithoutAuthentication) as error:
        return Loaded([], "", str(error))


class AuditOfCluster:
    """The lines of the service on a cluster whose driver this process is; `runtime_env` is that of the application."""

    def __init__(self, runtime_env: Mapping[str, Any]) -> None:
        self._runtime_env = runtime_env

    async def append(self, tenant: str, events: Sequence[AuditEvent], now: int) -> None:
        """Raises StoreUnavailable."""
        written = start_on(next(iter(live_nodes())), write, tenant, events, now, runtime_env=self._runtime_env)
        try:
            await asyncio.to_thread(ray.get, written, timeout=NODE_SECONDS)
        except RayError as error:
            cause = getattr(error, "cause", error)
            raise StoreUnavailable(
                cause.reason if isinstance(cause, StoreUnavailable) else first_line(cause)
            ) from error


def write(tenant: str, events: Sequence[AuditEvent], now: int) -> None:
    """In a process with the settings of the application."""
    asyncio.run(_write(tenant, events, now))


async def _write(tenant: str, events: Sequence[AuditEvent], now: int) -> None:
    store = connect_store(Settings())
    try:
        await store.audit.append(tenant, events, now)
    finally:
        await store.aclose()


def _answer(reference: Any) -> Loaded:  # noqa: ANN401
    try:
        loaded: Loaded = ray.get(reference, timeout=NODE_SECONDS)
    except GetTimeoutError:
        return Loaded([], "", f"the node has not loaded the code within {NODE_SECONDS:.0f} seconds")
    except RayError as error:
        # Ray shows a traceback; the last line is the error itself.
        return Loaded([], "", _last_line(error))
    return loaded


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else first_line(error)


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(sorted(addresses))
