"""The composition root: the Serve application, for `raylogue up` and for `serve deploy`."""

import uuid
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from deployments.access.public_address import PublicWithoutAuthentication, require_private_or_authenticated
from deployments.ingress.application import http_application
from deployments.ingress.problems import SOON_SECONDS
from deployments.ingress.scaling import MAX_WAITING_REQUESTS, autoscaling_config, max_requests_per_replica
from deployments.process.agents_check import AgentsBroken, check_agents
from deployments.ray_internals.serve_address import listening_host
from deployments.ray_internals.serve_replica import keep_replica_private
from deployments.routing.code_version import has_stale_code
from deployments.routing.errors import StaleProcess
from deployments.settings import Settings
from deployments.work.deployment import work_application

SETTINGS = Settings()


@serve.deployment(
    name="ingress",
    autoscaling_config=AutoscalingConfig(**autoscaling_config(SETTINGS)),
    max_ongoing_requests=max_requests_per_replica(SETTINGS),
    max_queued_requests=MAX_WAITING_REQUESTS,
    backpressure_config=BackpressureConfig(status_code=503, retry_after_s=SOON_SECONDS),
    ray_actor_options={"num_cpus": 0},
    logging_config=LoggingConfig(enable_access_log=False),  # a line for each request costs more than some requests
    health_check_period_s=5,
    graceful_shutdown_timeout_s=10,
    # The replica that replaces another is there before that one stops.
    max_surge_percent=100,
)
@serve.ingress()
class Ingress:
    """One HTTP replica; everything it does is in `deployments.ingress`. `deployment` is what it was deployed with."""

    def __init__(self, deployment: str, work: DeploymentHandle[Any]) -> None:
        if has_stale_code():
            raise StaleProcess("a replica")
        require_private_or_authenticated(SETTINGS, listening_host())
        self._deployment = deployment
        self._work = work
        keep_replica_private()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return http_application(self._deployment, self._work)


def checked_app(_: dict[str, str]) -> Application:
    """The application, for `serve deploy`, which builds it in a task of its own.

    Raises RayServeException if the agents cannot be served, or if strangers could reach them: then no process of theirs
    is started, and `serve status` shows the reason. Serve would try again after any other error.
    """
    try:
        require_private_or_authenticated(SETTINGS, listening_host())
        check_agents(SETTINGS)
    except (PublicWithoutAuthentication, AgentsBroken) as error:
        raise RayServeException(str(error)) from error
    return app


def bind(deployed: str, ray_actor_options: dict[str, Any] | None = None) -> Application:
    """The ingress with its workers, as one deployment of this name; the options are for processes of both."""
    options = {} if ray_actor_options is None else {"ray_actor_options": ray_actor_options}
    ingress: Any = Ingress.options(**options)  # type: ignore[attr-defined]  # the decorator adds it
    application: Application = ingress.bind(deployed, work_application(SETTINGS, deployed, **options))
    return application


# Serve imports this once for each deployment, and all of its replicas are given the same name.
app: Application = bind(uuid.uuid4().hex)
