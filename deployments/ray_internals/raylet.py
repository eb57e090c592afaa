"""What only a node's own Ray process, its raylet, knows and does: its idle workers, and more of them ahead of need.

Ray has no Python function for either; this is the protocol that its parts speak to each other, of the version that
the lock names.
"""

import ray
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated.common_pb2 import WORKER
from ray.core.generated.node_manager_pb2 import GetNodeStatsRequest, PrestartWorkersRequest
from ray.core.generated.node_manager_pb2_grpc import NodeManagerServiceStub

CALL_SECONDS = 5.0
NO_JOB = ray.JobID.nil().binary()


def fresh_workers(raylet: str) -> list[int]:
    """The processes of the node's workers that have never had any work; `raylet` is its address. Blocks.

    Only these can become actors: one that has run a task is kept for tasks.
    """
    with init_grpc_channel(raylet) as channel:
        stats = NodeManagerServiceStub(channel).GetNodeStats(GetNodeStatsRequest(), timeout=CALL_SECONDS)
    return [
        worker.pid for worker in stats.core_workers_stats if worker.worker_type == WORKER and worker.job_id == NO_JOB
    ]


def prestart(raylet: str, count: int, seconds: int) -> None:
    """Make the node start so many workers, with the modules that Ray preloads; it does not wait for them. Blocks.

    If a worker has had no work after so many seconds, Ray may end it, as it does with any that is idle.
    """
    request = PrestartWorkersRequest(num_workers=count, keep_alive_duration_secs=seconds)
    with init_grpc_channel(raylet) as channel:
        NodeManagerServiceStub(channel).PrestartWorkers(request, timeout=CALL_SECONDS)
