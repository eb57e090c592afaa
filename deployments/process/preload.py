"""What Ray preloads in its workers: in one that waits for its first work, this imports what a host needs.

Ray preloads in every worker, and Serve's controller and its managers of HAProxy are workers as well. They need none of
our modules, which take some 20 MB in each process. Such a worker has its work as soon as it is there. So here the
imports begin only where none has come for a while: in a worker that waits to become the actor of a conversation.
"""

import importlib
import logging
import threading
import time

import ray

IDLE_SECONDS = 1.0
MODULES = ("deployments.host.actor", "deployments.process.agents")

log = logging.getLogger(__name__)


def import_if_idle(seconds: float) -> None:
    """Import after so many seconds, unless the process has work by then: its work imports what it needs by itself."""
    time.sleep(seconds)
    if not is_idle_worker():
        return
    try:
        _, agents = (importlib.import_module(module) for module in MODULES)
        agents.import_ahead()
    except (Exception, SystemExit):  # of foreign code: it will fail where it is needed, and be told there
        log.exception("a worker that waits for work could not import what hosts need")


def is_idle_worker() -> bool:
    """Whether Ray has given this process nothing to do yet: only then it belongs to no job."""
    return bool(ray.is_initialized()) and ray.get_runtime_context().get_job_id() == ray.JobID.nil().hex()


# Ray imports this module in its workers, and calls nothing.
if is_idle_worker():
    threading.Thread(target=import_if_idle, args=[IDLE_SECONDS], name="preload", daemon=True).start()
