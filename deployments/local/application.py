"""Deploys the application to a Ray cluster of this machine: `python -m deployments.local.application` does it and ends.

It reads the cluster's address from a line of its standard input, so that its imports, which take seconds, can be made
while Ray starts; behind it stands the name of the code, if this replaces earlier code. A process of its own, since
these imports take more memory than all else in the service's process.
"""

import logging
import sys
import time
import urllib.error
import urllib.request
import uuid

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.config import HTTPOptions

from deployments.app import app, bind
from deployments.local.errors import LOGS, CannotStart, first_line
from deployments.settings import Settings, environment_name

APPLICATION = "raylogue"
READY_SECONDS = 60.0
PROBE_SECONDS = 0.1


def run_application(settings: Settings, code: str | None = None) -> None:
    """Deploy the application behind HAProxy; returns when it answers at the settings' address. Raises CannotStart.

    `code` is the name of code that is new: then its processes are fresh ones, since warm workers may have loaded what
    was there before.
    """
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    try:
        serve.start(http_options=HTTPOptions(host=settings.host, port=settings.port))
        serve.run(app if code is None else renewed(code), name=APPLICATION, route_prefix="/")
    except (RuntimeError, TimeoutError, RayError) as error:
        raise CannotStart(f"the application did not start ({first_line(error)}): see {LOGS}/serve") from error
    _wait_until_ready(f"{settings.url}/readyz")


def renewed(code: str) -> Application:
    """The application, for processes of this code alone."""
    # Python takes a compiled file for the source's if both are of the same second and size.
    variables = {environment_name("code_version"): code, "PYTHONDONTWRITEBYTECODE": "1"}
    options = {"num_cpus": 0, "runtime_env": {"env_vars": variables}}
    return bind(uuid.uuid4().hex, options)


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own http address
                return
        except (OSError, urllib.error.HTTPError) as error:
            if time.monotonic() > deadline:
                raise CannotStart(f"the service started but is not ready ({error}): see {LOGS}/serve") from error
        time.sleep(PROBE_SECONDS)


def main() -> int:
    """The exit code; what keeps the application from starting is a line on standard output."""
    address, *code = sys.stdin.readline().split() or [""]
    if not address:
        return 0  # the service's process has ended before Ray was there
    settings = Settings()
    try:
        ray.init(address=address, namespace=settings.namespace, log_to_driver=False, logging_level=logging.ERROR)
        run_application(settings, *code)
    except CannotStart as error:
        print(error)  # noqa: T201 - the answer to the service's process
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
