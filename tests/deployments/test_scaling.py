"""What Serve is told of the replicas: it scales within the settings, and refuses nothing before the ingress does."""

import pytest
from ray.serve.config import AutoscalingConfig

from deployments.app import app
from deployments.ingress.scaling import (
    MAX_WAITING_REQUESTS,
    autoscaling_config,
    max_connections,
    max_requests_per_replica,
)
from deployments.settings import Settings

CONFIG = app._bound_deployment._deployment_config


def test_one_replica_is_the_default() -> None:
    assert CONFIG.autoscaling_config.min_replicas == CONFIG.autoscaling_config.max_replicas == 1


def test_the_ingress_refuses_in_its_own_words_before_serve_does() -> None:
    settings = Settings()
    assert CONFIG.max_ongoing_requests > settings.replica_streams + settings.replica_messages
    # Serve's own refusal, which comes last, names a time as well.
    assert CONFIG.max_queued_requests == MAX_WAITING_REQUESTS
    assert (CONFIG.backpressure_config.status_code, CONFIG.backpressure_config.retry_after_s) == (503, 2)


@pytest.mark.parametrize("seconds", [1.0, 10.0, 120.0])
def test_serve_looks_no_farther_back_than_it_waits(seconds: float) -> None:
    settings = Settings(min_replicas=2, max_replicas=6, target_requests=80, upscale_seconds=seconds)
    config = AutoscalingConfig(**autoscaling_config(settings))
    assert (config.min_replicas, config.max_replicas) == (2, 6)
    assert (config.target_ongoing_requests, config.upscale_delay_s) == (80, seconds)
    assert config.metrics_interval_s < config.look_back_period_s <= min(seconds, 30)


def test_haproxy_takes_every_connection_that_the_replicas_do() -> None:
    settings = Settings(min_replicas=3)  # then at most three, too
    assert autoscaling_config(settings)["max_replicas"] == 3
    assert max_connections(settings) > 3 * (max_requests_per_replica(settings) + MAX_WAITING_REQUESTS)
