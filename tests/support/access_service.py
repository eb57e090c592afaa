"""The HTTP application in this process, on a real socket and a real store, for tests of who may do what.

Without Ray behind it: a route that has to reach an actor answers 503.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from agents.clock import now_ms
from deployments.access.granting import WantedKey, grant_key
from deployments.access.principal import LOCAL
from deployments.background.audit_upkeep import AuditUpkeep
from deployments.background.host_supply import HostSupply
from deployments.host.actor import open_door
from deployments.ingress.application import assemble
from deployments.ingress.dependencies import Dependencies
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.streams.draining import Draining
from deployments.metrics.recorder import Recorder
from deployments.process.agents import catalog
from deployments.settings import Settings
from store import Store
from tests.servers.process import free_port

PATIENCE = 30.0


async def make_key(store: Store, user: str = "ada", tenant: str = "acme", **wanted: Any) -> str:
    """The text of a new key of this principal."""
    kept, text = grant_key(LOCAL, WantedKey(tenant=tenant, user=user, **wanted), now_ms())
    await store.api_keys.add(kept)
    return text


def bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def serving(
    store: Store, settings: Settings, recorder: Recorder | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with these settings, which records there."""
    if settings.redis_url is None:  # it is the store's; jobs have a connection of their own, which nothing here uses
        settings = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"})

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        agents = catalog(settings)
        door = open_door(settings, store, agents)
        supply = HostSupply(store, door)
        limits, draining = ReplicaLimits(settings), Draining()
        dependencies = Dependencies(settings, agents, store, door, limits, draining, supply, recorder or Recorder())
        app.state.dependencies = dependencies
        upkeep = AuditUpkeep(store, dependencies.audit, dependencies.refusals, settings.audit_days)
        background = (dependencies.access, dependencies.request_limits, dependencies.open_streams, upkeep)
        tasks = [asyncio.create_task(work.run()) for work in background]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        door.line.close()
        await upkeep.finish()

    port = free_port()
    config = uvicorn.Config(assemble(settings, lifespan), port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not running.done(), "the application did not start"
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http:
            yield http
    finally:
        server.should_exit = True
        await running
