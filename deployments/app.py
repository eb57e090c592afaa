"""The composition root: the Serve application for `serve run deployments.app:app` and `serve deploy`."""

import uuid

from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from ray.serve.schema import LoggingConfig

from deployments.ingress.application import http_application
from deployments.ingress.problems import SOON_SECONDS
from deployments.ingress.scaling import MAX_WAITING_REQUESTS, autoscaling_config, max_requests_per_replica
from deployments.ray_internals.serve_replica import keep_replica_private
from deployments.routing.code_version import has_stale_code
from deployments.routing.errors import StaleProcess
from deployments.settings import Settings

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

    def __init__(self, deployment: str) -> None:
        if has_stale_code():
            raise StaleProcess("a replica")
        self._deployment = deployment
        keep_replica_private()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return http_application(self._deployment)


# Serve imports this once for each deployment, and all of its replicas are given the same name.
app: Application = Ingress.bind(uuid.uuid4().hex)  # type: ignore[attr-defined]  # the decorator adds it
