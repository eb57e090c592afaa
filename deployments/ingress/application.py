"""Puts the ingress together: one FastAPI application per replica, with its store, its door and its periodic work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from ray.serve.handle import DeploymentHandle

from deployments.background.audit_upkeep import AuditUpkeep
from deployments.background.host_supply import HostSupply
from deployments.background.left_work import LeftWork
from deployments.background.node_drain import NodeDrain
from deployments.background.recovery_sweep import RecoverySweep
from deployments.background.stuck_turns import StuckTurns
from deployments.background.unfinished_imports import UnfinishedImports
from deployments.background.warm_pool import WarmPool
from deployments.feed.consumer import FeedServices, make_consumers
from deployments.feed.engine import FeedEngine
from deployments.host.actor import open_door
from deployments.indexes.upgrade import ListUpgrade
from deployments.ingress import bodies, problems
from deployments.ingress.authentication import Authentication, describe_security
from deployments.ingress.dependencies import Dependencies
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.refusal_counter import RefusalCounter
from deployments.ingress.replica_metrics import ReplicaMetrics
from deployments.ingress.request_spans import RequestSpans
from deployments.ingress.routes import (
    admin,
    agents,
    audit,
    batches,
    conversations,
    copies,
    events,
    feed,
    files,
    health,
    instructions,
    jobs,
    keys,
    limits,
    members,
    memories,
    messages,
    model_calls,
    preferences,
    projects,
    replays,
    schedules,
    session,
    turns,
)
from deployments.ingress.site_guard import SiteGuard
from deployments.ingress.streams.draining import Draining, begin_when_serve_stops
from deployments.ingress.warm_up import warm_up
from deployments.page.routes import load_assets, page_router
from deployments.process.agents import catalog
from deployments.process.gc_tuning import tune_gc
from deployments.process.logging import configure_logging
from deployments.process.store import connect_store
from deployments.process.tracing import flush_at_end, tracer_of
from deployments.routing.control_plane import cluster_name
from deployments.schedules.scheduler import make_scheduler
from deployments.settings import Settings
from deployments.work.job_modules import import_jobs
from deployments.work.supply import WorkerSupply
from store import StoreUnavailable

# Routes are tried in this order: those with the most requests come first.
ROUTES = (
    messages,
    events,
    conversations,
    copies,
    feed,
    agents,
    files,
    health,
    model_calls,
    admin,
    instructions,
    memories,
    preferences,
    turns,
    members,
    projects,
    replays,
    session,
    keys,
    audit,
    jobs,
    batches,
    schedules,
    limits,
)


def http_application(deployment: str | None = None, work: DeploymentHandle[Any] | None = None) -> FastAPI:
    """The application of one replica; it connects when it starts, and closes what it holds when it stops.

    What `deployment` is, see `deployments.routing.code_version`.
    """
    configure_logging()
    settings = Settings()
    return assemble(settings, partial(_lifespan, settings=settings, deployment=deployment, work=work))


def assemble(settings: Settings, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """The routes behind their guards; `lifespan` sees to it that `app.state.dependencies` are there."""
    app = FastAPI(
        title="Raylogue",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy that speaks TLS it would lead credentials to plain HTTP
        telemetry={"tracing": False},  # ours covers the guards, and knows when the span of a stream has to end
    )
    app.add_middleware(Authentication)
    app.add_middleware(SiteGuard, allowed=settings.host_names)
    app.add_middleware(RefusalCounter)
    if (tracer := tracer_of(settings, "ingress")).is_on:
        app.add_middleware(RequestSpans, tracer=tracer)
    routers = (*(subject.router for subject in ROUTES), page_router(load_assets(own_module=settings.page_module)))
    problems.install_problem_handlers(app, [route for router in routers for route in router.routes])
    for router in routers:
        app.include_router(router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


@asynccontextmanager
async def _lifespan(
    app: FastAPI, settings: Settings, deployment: str | None, work: DeploymentHandle[Any] | None
) -> AsyncIterator[None]:
    agents = catalog(settings)
    import_jobs(settings)
    metrics = ReplicaMetrics(agents)
    store = connect_store(settings, metrics.of_store)
    door = open_door(settings, store, agents, deployment)
    draining, cluster = Draining(), cluster_name()
    begin_when_serve_stops(draining)
    host_supply = HostSupply(store, door)
    dependencies = Dependencies(
        settings, agents, store, door, ReplicaLimits(settings), draining, host_supply, metrics.recorder
    )
    services = FeedServices(settings, store, agents, dependencies.jobs)
    feed = FeedEngine(
        store,
        make_consumers(services),
        group_days=settings.feed_group_days,
        max_entries=settings.feed_max_entries,
        arrivals=dependencies.arrivals,
    )
    app.state.dependencies = dependencies
    background = (
        RecoverySweep(store, door, cluster, metrics.recorder),
        StuckTurns(store, door, cluster, settings.stuck_seconds),
        WarmPool(settings, store, door.launcher.control_plane),
        NodeDrain(door.launcher.control_plane, dependencies.audit),
        UnfinishedImports(store),
        LeftWork(settings, store, dependencies.batches),
        make_scheduler(store, agents, door, dependencies.jobs, batches=dependencies.batches, recorder=metrics.recorder),
        ListUpgrade(store),
        dependencies.access,
        dependencies.request_limits,
        dependencies.open_streams,
        upkeep := AuditUpkeep(store, dependencies.audit, dependencies.refusals, settings.audit_days),
        feed,
        metrics.export(store, cluster, feed, dependencies.limits),
        *(() if work is None else (WorkerSupply(settings, store, work.hold.remote),)),
    )
    tasks = [supplying := asyncio.create_task(host_supply.run())]
    draining.call_at_begin(supplying.cancel)  # from then on it would start hosts with the code before again
    try:
        with suppress(StoreUnavailable):  # it is tried again
            await feed.register()
        await host_supply.wait_in_rollout(cluster)
        tasks.extend(asyncio.create_task(periodic.run()) for periodic in background)
        await warm_up(app)
        tune_gc()
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        door.line.close()
        await upkeep.finish()
        await dependencies.queues.aclose()
        await store.aclose()
        await flush_at_end(tracer_of(settings, "ingress"))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The generated document, with the schemas of the bodies that routes read themselves."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in bodies.DESCRIBED.values():
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        describe_security(document)
        schemas["Problem"] = problems.ProblemBody.model_json_schema()
        app.openapi_schema = document
    return app.openapi_schema
