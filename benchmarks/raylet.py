"""`ray start` for a node on the loopback interface, which Ray would otherwise turn into one on a public address."""

from ray._private import ray_constants, services
from ray.scripts.scripts import main


def _as_given(host: str) -> str:
    return host


if __name__ == "__main__":
    # The variable that keeps Ray on the loopback interface also forbids several nodes there; it is for the
    # processes that are started, and these two lines are for this one.
    services.resolve_ip_for_localhost = _as_given
    ray_constants.ENABLE_RAY_CLUSTER = True
    main()  # type: ignore[no-untyped-call]
