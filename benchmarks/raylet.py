"""`ray start` for a node on the loopback interface; Ray would otherwise choose a public address."""

from ray._private import ray_constants, services
from ray.scripts.scripts import main


def _as_given(host: str) -> str:
    return host


if __name__ == "__main__":
    # The environment variable that keeps Ray on the loopback interface also forbids several nodes there. The started
    # processes need the variable; this process needs the two lines below.
    services.resolve_ip_for_localhost = _as_given
    ray_constants.ENABLE_RAY_CLUSTER = True
    main()  # type: ignore[no-untyped-call]
