"""A plan carried out in one process: people and faults at once, within a few seconds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from agents.errors import Refused
from tests.chaos.in_process import InProcessSystem
from tests.chaos.plan import Action, AnswerCall, CancelTurn, Fault, Plan, SendTask
from tests.chaos.redis_proxy import RedisProxy
from tests.servers.process import RedisServer

FAULTS = ("crash", "double", "kill Redis", "stop Redis", "cut the line to Redis", "lose an answer of Redis")
REST_SECONDS = 45.0


class InProcessRun:
    """All people and faults of a plan, at one conversation."""

    def __init__(self, in_process: InProcessSystem, redis: RedisServer, redis_proxy: RedisProxy) -> None:
        self._system = in_process
        self._redis = redis
        self._redis_proxy = redis_proxy
        self._breakages: Mapping[str, Callable[[float], Awaitable[None]]] = {
            "crash": self._crash,
            "double": self._add_incarnation,
            "kill Redis": self._kill_redis,
            "stop Redis": self._stop_redis,
            "cut the line to Redis": self._close_connections,
            "lose an answer of Redis": self._lose_answer,
        }

    async def run(self, plan: Plan) -> None:
        """Carry out the plan; returns when everything is healed and no turn is unfinished."""
        self._system.watch()
        self._system.watch("reconnecting")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._inject_faults(plan.faults))
            for actions in plan.people:
                group.create_task(self._play(actions))
        await self._system.finish(REST_SECONDS)
        self._system.watch("fresh")

    async def _play(self, actions: Sequence[Action]) -> None:
        for action in actions:
            await asyncio.sleep(action.pause)
            with suppress(Refused):
                await self._act(action)

    async def _act(self, action: Action) -> None:
        match action:
            case SendTask():
                await self._system.say(action.task, action.on_busy)
            case CancelTurn():
                await self._system.cancel()
            case AnswerCall(refuse=refuse):
                await self._system.decide_any(refuse)

    async def _inject_faults(self, faults: Sequence[Fault]) -> None:
        started = asyncio.get_running_loop().time()
        for fault in faults:
            await asyncio.sleep(max(0.0, started + fault.at - asyncio.get_running_loop().time()))
            await self._breakages[fault.kind](fault.seconds)

    async def _crash(self, _: float) -> None:
        await self._system.crash()

    async def _add_incarnation(self, _: float) -> None:
        await self._system.add_incarnation()

    async def _kill_redis(self, seconds: float) -> None:
        self._redis.kill()
        await asyncio.sleep(seconds)
        self._redis.start()

    async def _stop_redis(self, seconds: float) -> None:
        with self._redis.paused():
            await asyncio.sleep(seconds)

    async def _close_connections(self, seconds: float) -> None:
        self._redis_proxy.set_refusing(True)
        self._redis_proxy.close_connections()
        await asyncio.sleep(seconds)
        self._redis_proxy.set_refusing(False)

    async def _lose_answer(self, _: float) -> None:
        self._redis_proxy.lose_answer_to(b"EVALSHA")
