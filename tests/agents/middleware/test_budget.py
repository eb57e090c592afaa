"""Budget: what a conversation, and a person on a day, may use; counted from the log, once, in spite of crashes."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.conversation import Conversation
from agents.errors import AgentDefinitionError, Refused, TurnStopped
from agents.middleware.budget import Budget, UsageLimit
from agents.middleware.pipeline.exchange import Reply
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, Completed, ModelEvent, ModelRequest, ScriptedModel, Step, TokenUsage
from agents.models.prices import cost_of
from agents.tools import tool
from agents.turn.events import AssistantMsg, Event, TurnEnded
from store.registries.usage import UsageTotal, day_of
from tests.support.conversations import World, ends, rest, results, say
from tests.support.crashes import Act, Moment, play

EVENING = 1_767_311_940_000
"""2026-01-01, a minute before midnight UTC."""
MINUTE = 60_000
PRICED = "claude-haiku-4-5"
LARGE = 1_000_000
WORKING = (Step("Let me see.", calls=[Call("work")]), Step("Done."))


@tool
def work() -> str:
    """Work on something."""
    return "done"


class StoppedClock:
    """A clock that stands until a test moves it."""

    def __init__(self, now: int = EVENING) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def limited(*steps: Step, name: str = "scripted", middleware: Sequence[Middleware] = (), **limits: int | None) -> Agent:
    """An agent with a budget that repeats these steps."""
    model = ScriptedModel((steps or WORKING) * 5, name=name)
    return Agent(name="thrifty", model=model, tools=[work], middleware=[Budget(**limits), *middleware])


def used(events: Sequence[Event]) -> UsageTotal:
    """The usage of these events."""
    answers = [event for event in events if isinstance(event, AssistantMsg)]
    assert all(answer.usage for answer in answers)
    return UsageTotal(
        sum(sum(answer.usage.values()) for answer in answers), sum(answer.cost or 0 for answer in answers)
    )


async def conversation_total(world: World, conversation_id: str = "c") -> UsageTotal:
    return await world.store.usage.total(f"conversation:{conversation_id}")


async def day_total(world: World, day: str = "2026-01-01") -> UsageTotal:
    return await world.store.usage.total(f"person:ada:{day}")


async def start(world: World, agent: Agent, clock: StoppedClock, conversation_id: str = "c") -> Conversation:
    await world.create(agent, conversation_id)
    return await world.open(agent, conversation_id, clock=clock)


async def turn(conversation: Conversation, **options: Any) -> None:
    await say(conversation, **options)
    assert await rest(conversation) == "idle"


async def test_each_answer_is_counted_for_the_conversation_and_for_the_day(world: World) -> None:
    conversation = await start(world, limited(name=PRICED, conversation_tokens=LARGE), StoppedClock())
    for _ in range(2):
        await turn(conversation)
    events = await world.events()
    spent = used(events)
    answers = [event for event in events if isinstance(event, AssistantMsg)]
    assert spent.cost == sum(cost_of(PRICED, answer.usage) or 0 for answer in answers) > 0
    assert await conversation_total(world) == await day_total(world) == spent


async def test_a_call_of_unknown_price_counts_its_tokens(world: World) -> None:
    conversation = await start(world, limited(conversation_cost=1), StoppedClock())
    await turn(conversation)
    spent = used(await world.events())
    assert (spent.tokens > 0, spent.cost) == (True, 0)
    assert await conversation_total(world) == spent
    await turn(conversation)
    assert ends(await world.events()) == [("completed", None)] * 2


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"conversation_tokens": 1}, "The budget of this conversation of 1 tokens is used up."),
        ({"conversation_cost": 50}, "The budget of this conversation of $0.00005 is used up."),
        ({"person_tokens_a_day": 1}, "Your budget for today of 1 tokens is used up."),
        ({"person_cost_a_day": 1}, "Your budget for today of $0.000001 is used up."),
    ],
)
async def test_a_message_is_refused_when_nothing_is_left(world: World, limits: dict[str, int], sentence: str) -> None:
    conversation = await start(world, limited(Step("Done."), name=PRICED, **limits), StoppedClock())
    await turn(conversation)
    before = await world.log()
    with pytest.raises(Refused) as refused:
        await say(conversation)
    assert (refused.value.code, refused.value.detail) == ("budget_exhausted", sentence)
    assert await world.log() == before
    assert ends(await world.events()) == [("completed", None)]


async def test_a_turn_ends_when_the_budget_is_used_up(world: World) -> None:
    conversation = await start(world, limited(conversation_tokens=1), StoppedClock())
    await turn(conversation)
    events = await world.events()
    assert results(events) == [("ok", "done")], "calls from before the limit run"
    assert events[-1] == TurnEnded(
        turn=1,
        principal="ada",
        outcome="failed",
        reason="budget_exhausted",
        detail="The budget of this conversation of 1 tokens is used up.",
    )
    assert await conversation_total(world) == used(events)


async def test_a_persons_day_counts_all_of_their_conversations(world: World) -> None:
    clock = StoppedClock()
    agent = limited(Step("Done."), person_tokens_a_day=1)
    await turn(await start(world, agent, clock, "c"))
    other = await start(world, agent, clock, "d")
    with pytest.raises(Refused, match="Your budget for today"):
        await say(other)
    clock.now += MINUTE
    await turn(other)
    assert await day_total(world) == used(await world.events("c"))
    assert await day_total(world, "2026-01-02") == used(await world.events("d"))
    with pytest.raises(Refused, match="Your budget for today"):
        await say(other)


async def test_each_call_counts_for_the_day_on_which_it_began(world: World) -> None:
    clock = StoppedClock()

    @tool
    def linger() -> str:
        """Work until after midnight."""
        clock.now += MINUTE
        return "done"

    steps = [Step(calls=[Call("linger")]), Step("Done.")]
    agent = Agent(
        name="late", model=ScriptedModel(steps), tools=[linger], middleware=[Budget(person_tokens_a_day=LARGE)]
    )
    conversation = await start(world, agent, clock)
    await turn(conversation)
    first, second = (used([event]) for event in await world.events() if isinstance(event, AssistantMsg))
    assert await day_total(world) == first
    assert await day_total(world, "2026-01-02") == second


class BillingModel(ScriptedModel):
    """Knows what its provider would bill."""

    def __init__(self, *steps: Step, name: str = PRICED) -> None:
        super().__init__(steps, name=name)
        self.billed: list[TokenUsage] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                if isinstance(event, Completed):
                    self.billed.append(event.usage)
                yield event

    @property
    def bill(self) -> UsageTotal:
        used = [asdict(usage) for usage in self.billed]
        return UsageTotal(sum(sum(u.values()) for u in used), sum(cost_of(self.name, u) or 0 for u in used))


class SpendingScenario:
    """Two turns, one of which calls a tool."""

    def __init__(self) -> None:
        self.model = BillingModel(*WORKING, Step("Again."))
        self.agent = Agent(
            name="thrifty",
            model=self.model,
            tools=[work],
            middleware=[Budget(conversation_tokens=LARGE, person_cost_a_day=LARGE)],
        )
        self.acts: tuple[Act, ...] = (self._ask, self._thank)

    async def _ask(self, conversation: Conversation) -> None:
        await say(conversation, client_id="ask")
        await rest(conversation)

    async def _thank(self, conversation: Conversation) -> None:
        await say(conversation, client_id="thank", on_busy="queue")
        await rest(conversation)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, 7))
async def test_killed_at_any_append_nothing_is_counted_twice_or_lost(world: World, append: int, moment: Moment) -> None:
    scenario = SpendingScenario()
    appends = await play(world, scenario, [(append, moment)])
    assert appends <= 6, "every append is tested"
    assert ends(await world.events()) == [("completed", None)] * 2
    assert await conversation_total(world) == await day_total(world, day_of(now_ms())) == scenario.model.bill


async def test_an_answer_that_another_middleware_stopped_is_counted(world: World) -> None:
    class Stopping(Middleware):
        async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
            if context.turn == 2:
                raise TurnStopped("stopped", "Enough.")
            return reply

    agent = limited(Step("Done."), middleware=[Stopping()], conversation_tokens=LARGE)
    conversation = await start(world, agent, StoppedClock())
    for _ in range(2):
        await turn(conversation)
    events = await world.events()
    assert ends(events) == [("completed", None), ("failed", "stopped")]
    assert await conversation_total(world) == used(events)


async def test_a_budget_added_in_the_middle_of_a_conversation_counts_what_was_before(world: World) -> None:
    without_budget = Agent(name="thrifty", model=ScriptedModel([Step(calls=[Call("work")])]), tools=[work])
    conversation = await world.start(without_budget)
    await turn(conversation)
    assert ends(await world.events()) == [("failed", "invalid_request")], "the script is over"
    await world.crash(conversation)
    conversation = await world.open(limited(Step("Done."), conversation_tokens=LARGE), clock=StoppedClock())
    await turn(conversation)
    answers = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    assert len(answers) == 2
    assert await conversation_total(world) == used(answers)


def delegating(**limits: int) -> Agent:
    """An agent that makes two tasks at once."""
    scholar = Agent(name="scholar", model=ScriptedModel(WORKING), tools=[work])
    calls = [Call("task", {"agent": "scholar", "prompt": "Read."})] * 2
    return Agent(
        name="boss",
        model=ScriptedModel([Step(calls=calls), Step("Done.")]),
        middleware=[Budget(**limits), SubAgent([scholar], general=False)],
    )


async def test_what_sub_agents_use_counts_for_the_root(world: World) -> None:
    conversation = await start(world, delegating(conversation_tokens=LARGE), StoppedClock())
    await turn(conversation)
    children = await world.store.registry.children("c")
    assert len(children) == 2
    events = [event for id_ in ("c", *(child.id for child in children)) for event in await world.events(id_)]
    assert await conversation_total(world) == used(events)
    assert [await conversation_total(world, child.id) for child in children] == [UsageTotal(0, 0)] * 2


async def test_a_budget_that_is_used_up_ends_the_sub_agents_too(world: World) -> None:
    conversation = await start(world, delegating(conversation_tokens=1), StoppedClock())
    await turn(conversation)
    assert ends(await world.events()) == [("failed", "budget_exhausted")]
    assert [status for status, _ in results(await world.events())] == ["error", "error"]


@pytest.mark.parametrize("limits", [{"conversation_tokens": -1}, {"person_cost_a_day": -1}])
def test_a_negative_budget_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(AgentDefinitionError, match="less than nothing"):
        limited(**limits)


async def test_a_budget_of_zero_refuses_the_first_message(world: World) -> None:
    conversation = await start(world, limited(conversation_tokens=0), StoppedClock())
    with pytest.raises(Refused, match="of 0 tokens is used up"):
        await say(conversation)
    assert await world.log() == []


@pytest.mark.parametrize(
    ("cost", "words"), [(0, "$0.00"), (1, "$0.000001"), (1_500_000, "$1.50"), (2_345_678_900, "$2,345.6789")]
)
def test_costs_are_given_in_dollars(cost: int, words: str) -> None:
    limit = UsageLimit("conversation:c", "The budget", None, cost)
    assert limit.exceeded(UsageTotal(0, cost)) == f"The budget of {words} is used up."
    assert limit.exceeded(UsageTotal(LARGE, cost - 1)) is None
