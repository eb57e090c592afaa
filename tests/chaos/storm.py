"""A plan carried out on a rehearsal: people and faults at once, in one process, in a few seconds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from agents.errors import Refused
from tests.chaos.line import Line
from tests.chaos.plan import Action, Cancel, Decide, Fault, Plan, Say
from tests.chaos.rehearsal import Rehearsal
from tests.servers.process import RedisServer

FAULTS = ("crash", "double", "kill Redis", "stop Redis", "cut the line to Redis", "lose an answer of Redis")
REST_SECONDS = 45.0


class Storm:
    """Everybody of a plan at one rehearsed conversation."""

    def __init__(self, rehearsal: Rehearsal, redis: RedisServer, line: Line) -> None:
        self._rehearsal = rehearsal
        self._redis = redis
        self._line = line
        self._breakages: Mapping[str, Callable[[float], Awaitable[None]]] = {
            "crash": self._crash,
            "double": self._double,
            "kill Redis": self._kill_redis,
            "stop Redis": self._stop_redis,
            "cut the line to Redis": self._cut,
            "lose an answer of Redis": self._deafen,
        }

    async def rage(self, plan: Plan) -> None:
        """Return when all is said, healed and at rest."""
        self._rehearsal.watch()
        self._rehearsal.watch("hopped")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._break(plan.faults))
            for actions in plan.people:
                group.create_task(self._live(actions))
        await self._rehearsal.settle(REST_SECONDS)
        self._rehearsal.watch("fresh")

    async def _live(self, actions: Sequence[Action]) -> None:
        for action in actions:
            await asyncio.sleep(action.pause)
            with suppress(Refused):
                await self._act(action)

    async def _act(self, action: Action) -> None:
        match action:
            case Say():
                await self._rehearsal.say(action.task, action.on_busy)
            case Cancel():
                await self._rehearsal.cancel()
            case Decide(refuse=refuse):
                await self._rehearsal.decide_any(refuse)

    async def _break(self, faults: Sequence[Fault]) -> None:
        started = asyncio.get_running_loop().time()
        for fault in faults:
            await asyncio.sleep(max(0.0, started + fault.at - asyncio.get_running_loop().time()))
            await self._breakages[fault.kind](fault.seconds)

    async def _crash(self, _: float) -> None:
        await self._rehearsal.crash()

    async def _double(self, _: float) -> None:
        await self._rehearsal.double()

    async def _kill_redis(self, seconds: float) -> None:
        self._redis.kill()
        await asyncio.sleep(seconds)
        self._redis.start()

    async def _stop_redis(self, seconds: float) -> None:
        with self._redis.paused():
            await asyncio.sleep(seconds)

    async def _cut(self, seconds: float) -> None:
        self._line.refuse(True)
        self._line.cut()
        await asyncio.sleep(seconds)
        self._line.refuse(False)

    async def _deafen(self, _: float) -> None:
        self._line.lose_answer_to(b"EVALSHA")
