"""Where Serve's proxies listen: Serve tells it to its own parts only."""

import ray
from ray.serve.context import _get_global_client


def listening_host() -> str | None:
    """The address of the running Serve that this process belongs to; None if it has none, or listens nowhere."""
    if not ray.is_initialized():
        return None
    client = _get_global_client(raise_if_no_controller_running=False)
    host: str | None = None if client is None else client.http_config.host
    return host
