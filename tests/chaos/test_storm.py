"""People, crashes, doubles and a Redis that comes and goes, all in this process: every promise is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.checks import violations
from tests.chaos.line import Line
from tests.chaos.plan import Size, make_plan
from tests.chaos.rehearsal import rehearsing
from tests.chaos.storm import FAULTS, Storm
from tests.servers.process import RedisServer

SIZE = Size(seconds=6.0, dedicated=0, shared=1, people=3, pause=0.4, between_faults=0.6, longest_fault=0.6)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_promise_is_kept(
    seed: int, own_server: Callable[..., RedisServer], redis_prefix: str, tmp_path: Path
) -> None:
    plan = make_plan(seed, SIZE, FAULTS)
    redis = own_server(options=("--appendfsync", "always"))
    with Line(redis.port) as line:
        async with rehearsing(line.url, redis_prefix, tmp_path, around=redis.url) as rehearsal:
            await Storm(rehearsal, redis, line).rage(plan)
            evidence = await rehearsal.evidence()
    assert violations(evidence) == []
    assert sum(len(transcript.of_type("turn_ended")) for transcript in evidence.transcripts.values()) > 5
