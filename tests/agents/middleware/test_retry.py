"""Retry: repeats a model call after a transient failure before the first token, and failed calls of named tools."""

from collections.abc import AsyncGenerator, Sequence

import pytest

from agents.agent import Agent
from agents.errors import AgentDefinitionError, ModelError, ToolError
from agents.examples.offline.assistant import assistant_script
from agents.middleware.parallel import Parallel
from agents.middleware.redaction import Redaction
from agents.middleware.retry import Retry
from agents.models import Call, ModelEvent, ModelRequest, ScriptedModel, Step
from agents.models.retry import TRANSIENT_REASONS
from agents.tools import Tool, provider_tool, tool
from tests.support.conversations import World, ends, rest, results, say, spoken


class Flaky(ScriptedModel):
    """Fails with these errors before it answers; `models` has the model that each request names."""

    def __init__(self, *failures: ModelError, text: str = "hello", name: str = "flaky", after: str = "") -> None:
        super().__init__([Step(text=text)] * 9, name=name)
        self.failures = list(failures)
        self.after = after
        self.models: list[str | None] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.models.append(request.model)
        if self.failures:
            failure = self.failures.pop(0)
            step = Step(text=self.after, failure=failure, fails="after" if self.after else "before")
            async for event in ScriptedModel([step] * 9).stream(request):
                yield event
        async for event in super().stream(request):
            yield event


def failure(reason: str = "overloaded", retry_after: float | None = None) -> ModelError:
    return ModelError(reason, f"It is {reason}.", retry_after)


async def outcome(world: World, model: ScriptedModel, retry: Retry) -> tuple[list[object], list[object]]:
    """What was said, and how the turn ended."""
    conversation = await world.start(Agent(name="a", model=model, middleware=[retry]))
    await say(conversation)
    await rest(conversation)
    events = await world.events()
    return list(spoken(events)), list(ends(events))


@pytest.mark.parametrize("reason", sorted(TRANSIENT_REASONS))
async def test_a_transient_failure_is_retried(world: World, reason: str) -> None:
    model = Flaky(failure(reason), failure(reason))
    said, ended = await outcome(world, model, Retry(first_pause=0))
    assert (said, ended) == ([("hello", "completed")], [("completed", None)])
    assert len(model.models) == 3


@pytest.mark.parametrize("reason", ["invalid_request", "authentication", "malformed_stream"])
async def test_a_permanent_failure_is_not_retried(world: World, reason: str) -> None:
    model, fallback = Flaky(failure(reason)), Flaky()
    said, ended = await outcome(world, model, Retry(first_pause=0, fallbacks=[fallback]))
    assert (said, ended) == ([], [("failed", reason)])
    assert (len(model.models), fallback.models) == (1, [])


async def test_there_is_no_retry_after_the_first_token(world: World) -> None:
    model, fallback = Flaky(failure("stream_broken"), after="hal"), Flaky()
    said, ended = await outcome(world, model, Retry(first_pause=0, fallbacks=[fallback]))
    assert (said, ended) == ([("hal", "interrupted")], [("failed", "stream_broken")])
    assert (len(model.models), fallback.models) == (1, [])


async def test_the_number_of_tries_is_bounded(world: World) -> None:
    model = Flaky(*[failure()] * 5)
    assert await outcome(world, model, Retry(retries=3, first_pause=0)) == ([], [("failed", "overloaded")])
    assert len(model.models) == 4


async def test_fallbacks_come_in_order(world: World) -> None:
    model = Flaky(*[failure()] * 2)
    second, third = Flaky(*[failure()] * 2), Flaky(text="from the third")
    said, ended = await outcome(world, model, Retry(retries=1, first_pause=0, fallbacks=[second, third]))
    assert (said, ended) == ([("from the third", "completed")], [("completed", None)])
    assert [len(each.models) for each in (model, second, third)] == [2, 2, 1]


async def test_a_fallback_is_tried_instead_of_a_long_pause(world: World) -> None:
    model, fallback = Flaky(failure("rate_limited", retry_after=3600)), Flaky(text="here")
    said, _ = await outcome(world, model, Retry(fallbacks=[fallback]))
    assert said == [("here", "completed")]
    assert len(model.models) == 1


def flaky_tool(errors: Sequence[Exception], runs: list[int]) -> Tool:
    remaining = list(errors)

    @tool
    async def fetch(number: int) -> str:
        """Fetch."""
        runs.append(number)
        if remaining:
            raise remaining.pop(0)
        return "fetched"

    return fetch


@pytest.mark.parametrize(
    ("failing", "expected"),
    [(0, ("ok", "fetched")), (3, ("ok", "fetched")), (4, ("error", "Away (4)."))],
)
async def test_named_tools_are_retried(world: World, failing: int, expected: tuple[str, str]) -> None:
    runs: list[int] = []
    fetch = flaky_tool([ToolError(f"Away ({number}).") for number in range(1, failing + 1)], runs)
    model = ScriptedModel([Step(calls=[Call("fetch", {"number": 7})]), Step(text="so")])
    agent = Agent(name="a", model=model, tools=[fetch], middleware=[Retry(tools={"fetch": 3}, first_pause=0)])
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [expected]
    assert runs == [7] * min(failing + 1, 4)


async def test_other_tools_are_not_retried(world: World) -> None:
    runs: list[int] = []
    model = ScriptedModel([Step(calls=[Call("fetch", {"number": 7})]), Step(text="so")])
    agent = Agent(
        name="a", model=model, tools=[flaky_tool([ToolError("Away.")], runs)], middleware=[Retry(first_pause=0)]
    )
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    assert results(await world.events()) == [("error", "Away.")]
    assert runs == [7]


def test_mistakes_are_found_when_the_agent_is_defined() -> None:
    def define(*middleware: Retry | Redaction | Parallel, tools: Sequence[Tool] = ()) -> None:
        Agent(name="a", model=ScriptedModel(assistant_script), tools=tools, middleware=middleware)

    with pytest.raises(AgentDefinitionError, match="Retry names fetch"):
        define(Retry(tools={"fetch": 1}))
    with pytest.raises(AgentDefinitionError, match="Retry names web_search"):
        define(Retry(tools={"web_search": 1}), tools=[provider_tool("web_search_20250305", "web_search")])
    with pytest.raises(AgentDefinitionError, match="would go past Redaction"):
        define(Retry(fallbacks=[ScriptedModel(assistant_script)]), Redaction())
    define(Redaction(), Retry(fallbacks=[ScriptedModel(assistant_script)]))
    define(Parallel(Redaction()), Retry(fallbacks=[ScriptedModel(assistant_script)]))
    define(Retry(), Redaction())
