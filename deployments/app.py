"""The composition root: the Serve application for `serve run deployments.app:app` and `serve deploy`."""

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig

from deployments.ingress.application import http_application
from deployments.ingress.problems import SOON
from deployments.local.loopback import keep_replica_private
from deployments.scaling import WAITING, autoscaling, requests_a_replica
from deployments.settings import Settings

SETTINGS = Settings()


@serve.deployment(
    name="ingress",
    autoscaling_config=AutoscalingConfig(**autoscaling(SETTINGS)),
    max_ongoing_requests=requests_a_replica(SETTINGS),
    max_queued_requests=WAITING,
    backpressure_config=BackpressureConfig(status_code=503, retry_after_s=SOON),
    ray_actor_options={"num_cpus": 0},
    health_check_period_s=5,
    graceful_shutdown_timeout_s=10,
)
@serve.ingress(http_application)
class Ingress:
    """One HTTP replica; everything it does is in `deployments.ingress`."""

    def __init__(self) -> None:
        keep_replica_private()


app: Application = Ingress.bind()  # type: ignore[attr-defined]  # the decorator adds it
