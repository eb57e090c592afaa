"""People, crashes, second incarnations and outages of Redis, in this process: every promise is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.checks import violations
from tests.chaos.in_process import in_process_system
from tests.chaos.in_process_run import FAULTS, InProcessRun
from tests.chaos.plan import RunSize, make_plan
from tests.chaos.redis_proxy import RedisProxy
from tests.servers.process import RedisServer

SIZE = RunSize(
    seconds=6.0, dedicated=0, shared=1, moving=0, people=3, pause=0.4, between_faults=0.6, max_fault_seconds=0.6
)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_promise_is_kept(
    seed: int, own_server: Callable[..., RedisServer], redis_prefix: str, tmp_path: Path
) -> None:
    plan = make_plan(seed, SIZE, FAULTS)
    redis = own_server(options=("--appendfsync", "always"))
    with RedisProxy(redis.port) as proxy:
        async with in_process_system(proxy.url, redis_prefix, tmp_path, direct_url=redis.url) as in_process:
            await InProcessRun(in_process, redis, proxy).run(plan)
            evidence = await in_process.evidence()
    assert violations(evidence) == []
    assert sum(len(transcript.of_type("turn_ended")) for transcript in evidence.transcripts.values()) > 5
