"""Schedules without Ray: a clock that the test sets, conversations of this process, and jobs that no worker does."""

from collections.abc import AsyncIterator

import httpx
import pytest

from agents.agent import Agent, Catalog
from agents.models import ScriptedModel, Step
from deployments.metrics.recorder import Recorder
from deployments.process.agents import catalog
from deployments.schedules.client import ScheduleClient
from deployments.schedules.definition import Definition
from deployments.schedules.scheduler import Scheduler, make_scheduler
from deployments.schedules.state import Run, Schedule
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.job_modules import import_jobs
from deployments.work.job_type import JOB_TYPES
from deployments.work.queues import Queues
from store.feed.entry import FeedEntry
from tests.support import job_types
from tests.support.access_service import bearer, make_key, serving
from tests.support.conversations import World, rest
from tests.support.feed import all_told

MONDAY = 1_774_864_800_000
"""2026-03-30T10:00:00Z."""
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
OWNER = "ada"


class Clock:
    """Stands still until the test moves it, forwards or back."""

    def __init__(self, now: int = MONDAY) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def agent(*steps: Step | str, name: str = "reporter", **fields: object) -> Agent:
    """An agent that says these one after another, or the same again and again if it is one."""
    made = [step if isinstance(step, Step) else Step(step) for step in steps]
    model = ScriptedModel(lambda _: made[0]) if len(made) == 1 else ScriptedModel(made)
    return Agent(name=name, model=model, **fields)  # type: ignore[arg-type]


class Office:
    """One schedule at a time, its scheduler, and what people see of it."""

    def __init__(self, world: World, settings: Settings, *agents: Agent) -> None:
        self.world = world
        self.clock = Clock()
        self.recorder = Recorder()
        self.queues = Queues(settings)
        self.client = ScheduleClient(world.store, clock=self.clock)
        self.jobs = JobClient(world.store, self.queues, clock=self.clock)
        self.deploy(*agents)

    async def use(self, *agents: Agent) -> None:
        """The agents of the deployment, from now on: the scheduler leaves, and another one begins."""
        await self.scheduler.leave()
        self.deploy(*agents)

    def deploy(self, *agents: Agent) -> None:
        self.world.agents.update({one.name: one for one in agents})
        self.catalog = Catalog(agents, default=agents[0].name)
        self.scheduler = self.make()

    def make(self) -> Scheduler:
        """One more scheduler, as another process has it."""
        return make_scheduler(
            self.world.store, self.catalog, self.world.doors, self.jobs, self.clock, recorder=self.recorder
        )

    async def add(self, **fields: object) -> Schedule:
        """Make a schedule: each ten minutes a prompt, unless `fields` say otherwise."""
        when = {} if "cron" in fields else {"every": 600}
        what = {} if "job" in fields else {"prompt": "Report."}
        return await self.client.create(OWNER, Definition.model_validate({"name": "Report", **when, **what, **fields}))

    async def look(self, at: int | None = None) -> None:
        """Let the scheduler do what is due, at that time if one is given, until nothing more is to be done."""
        self.clock.now = self.clock.now if at is None else at
        await self.scheduler.look()
        await self.scheduler.settle()

    async def finish(self, schedule: Schedule) -> None:
        """Let the conversations of the runs come to rest, and have the scheduler look at them."""
        for run in (await self.client.get(schedule.id)).state.runs:
            if run.conversation is not None:
                await rest(self.world.doors.live[run.conversation])
        await self.world.store.schedules.look_now([schedule.id], self.clock.now)
        await self.look()

    async def runs(self, schedule: Schedule) -> list[Run]:
        """Those that are not over."""
        return list((await self.client.get(schedule.id)).state.runs)

    async def history(self, schedule: Schedule) -> list[Run]:
        """Those that are over, the oldest first."""
        found, _ = await self.client.history(schedule.id, limit=200)
        return found[::-1]

    async def told(self) -> list[FeedEntry]:
        """What the feed says of schedules."""
        return [entry for entry in await all_told(self.world.store) if entry.type.startswith("schedule_")]


@pytest.fixture
async def office(world: World, settings: Settings) -> AsyncIterator[Office]:
    import_jobs(settings)
    assert JOB_TYPES["write_note"].run is job_types.write_note
    await world.store.feed.register(["test"], MONDAY)
    office = Office(world, settings, agent("Nothing new."))
    yield office
    await office.queues.aclose()


@pytest.fixture
def settings(redis_url: str, redis_prefix: str) -> Settings:
    return Settings(redis_url=redis_url, prefix=redis_prefix, auth="keys")


@pytest.fixture
async def http(world: World, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Of acme/ada."""
    async with serving(world.store, settings) as http:
        http.headers.update(bearer(await make_key(world.store)))
        yield http


@pytest.fixture
async def scheduler(world: World, settings: Settings) -> AsyncIterator[Scheduler]:
    agents = catalog(settings)
    world.agents.update(agents.agents)
    queues = Queues(settings)
    yield make_scheduler(world.store, agents, world.doors, JobClient(world.store, queues))
    await queues.aclose()
