"""Puts the ingress together: one FastAPI application per replica, with its store, its door and its periodic work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from deployments.background.node_drain import NodeDrain
from deployments.background.recovery_sweep import RecoverySweep
from deployments.background.stuck_turns import StuckTurns
from deployments.background.warm_pool import WarmPool
from deployments.host.actor import open_door
from deployments.ingress import bodies, problems
from deployments.ingress.dependencies import Dependencies
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.routes import (
    admin,
    agents,
    conversations,
    events,
    files,
    health,
    messages,
    model_calls,
    preferences,
)
from deployments.ingress.streams.draining import Draining, begin_when_serve_stops
from deployments.page.routes import page_router
from deployments.process.agents import catalog
from deployments.process.gc_tuning import tune_gc
from deployments.process.logging import configure_logging
from deployments.process.store import connect_store
from deployments.routing.control_plane import cluster_name
from deployments.settings import Settings

BODIES = (
    bodies.NewConversation,
    bodies.Renaming,
    bodies.NewMessage,
    bodies.NewCancel,
    bodies.NewResolution,
    bodies.ApprovalChoice,
)
# Routes are tried in this order: those with the most requests come first.
ROUTES = (messages, events, conversations, agents, files, health, model_calls, admin, preferences)


def http_application(deployment: str | None = None) -> FastAPI:
    """The application of one replica; it connects when it starts, and closes what it holds when it stops.

    What `deployment` is, see `deployments.routing.code_version`.
    """
    configure_logging()
    app = FastAPI(
        title="Raylogue", version="1", lifespan=partial(_lifespan, deployment=deployment), docs_url=None, redoc_url=None
    )
    problems.install_problem_handlers(app)
    for router in (*(subject.router for subject in ROUTES), page_router()):
        app.include_router(router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI, deployment: str | None) -> AsyncIterator[None]:
    settings = Settings()
    store, agents = connect_store(settings), catalog(settings)
    door = open_door(settings, store, agents, deployment)
    draining = Draining()
    begin_when_serve_stops(draining)
    app.state.dependencies = Dependencies(settings, agents, store, door, ReplicaLimits(settings), draining)
    background = (
        RecoverySweep(store, door, cluster_name()),
        StuckTurns(store, door, cluster_name(), settings.stuck_seconds),
        WarmPool(settings, store),
        NodeDrain(settings),
    )
    tasks = [asyncio.create_task(work.run()) for work in background]
    tune_gc()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await store.aclose()


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The generated document, with the schemas of the bodies that routes read themselves."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in BODIES:
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        schemas["Problem"] = problems.ProblemBody.model_json_schema()
        app.openapi_schema = document
    return app.openapi_schema
