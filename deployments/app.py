"""The composition root: the Serve application for `serve run deployments.app:app` and `serve deploy`."""

from ray import serve
from ray.serve import Application

from deployments.ingress.application import http_application
from deployments.local.loopback import keep_replica_private

# An event stream occupies a place for as long as somebody watches.
STREAMS_A_REPLICA = 2000


@serve.deployment(
    name="ingress",
    num_replicas=1,
    max_ongoing_requests=STREAMS_A_REPLICA,
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
