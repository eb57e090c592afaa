"""The agents of a run: a clerk that does what the message says, and a helper to which it delegates.

What they do depends only on the messages, so the expected result is known. All that they do is in the ledger.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import ray

import deployments
from agents.agent import Agent, Catalog
from agents.errors import ModelError
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ModelEvent, ModelRequest, ScriptedModel, Step
from agents.models.protocol import Json
from agents.models.scripted.message_history import assistant_texts, user_texts
from agents.tools import Tool, ToolContext, tool
from deployments.settings import Settings
from tests.chaos.ledger import Ledger
from tests.chaos.tasks import NEEDING_APPROVAL, TOOLS, Task, done, numbers_done, tasks_in

try:
    from deployments.feed import consumers
except ImportError:  # older code has no feed
    consumers = None  # type: ignore[assignment]

ROOT = Path(deployments.__file__).parents[1]
"""The folder of the code that this process runs."""
CONSUMERS = str(Path(__file__).parent / "consumers")
"""Where the engine of the feed finds one more consumer."""
WORK_SECONDS = 0.15
WORD_SECONDS = 0.03
LONG_ANSWER = " and then".join([" it went on"] * 12)


def catalog(settings: Settings) -> Catalog:
    """What RAYLOGUE_AGENTS names. The process notes its actor and node in the ledger, so that a fault can find it."""
    ledger = Ledger(settings.data_dir)
    if consumers is not None and CONSUMERS not in consumers.__path__:
        consumers.__path__.append(CONSUMERS)
    if ray.is_initialized():
        context = ray.get_runtime_context()
        ledger.note("process", actor=context.get_actor_name(), node=context.get_node_id(), code=str(ROOT))
    return agents(ledger)


def agents(ledger: Ledger) -> Catalog:
    """The agents, with any ledger."""
    clerk = Agent(name="clerk", model=TaskModel(ledger), tools=tools(ledger), middleware=(_delegation(ledger),))
    return Catalog({clerk.name: clerk}, default=clerk.name)


class TaskModel:
    """A model that does the tasks of the messages: first it makes all calls that they need, then it answers."""

    name = "scribe"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._quick = ScriptedModel(next_step)
        self._slow = ScriptedModel(next_step, delay=WORD_SECONDS)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        tasks = outstanding(request.messages)
        self._ledger.note("model", tasks=[task.number for task in tasks])
        model = self._slow if any(task.verb == "tell" for task in tasks) else self._quick
        async with aclosing(model.stream(request)) as events:
            async for event in events:
                yield event

    async def aclose(self) -> None:
        """There is nothing to close."""


def outstanding(messages: Sequence[Json]) -> list[Task]:
    """The tasks that no answer has named yet, also the tasks of cancelled turns."""
    answered = numbers_done("\n".join(assistant_texts(messages)))
    asked = [task for text in user_texts(messages) for task in tasks_in(text)]
    return [task for task in dict.fromkeys(asked) if task.number not in answered]


def next_step(request: ModelRequest) -> Step:
    """Make the calls that were not made yet, each only once in a conversation; if there are none, answer."""
    tasks = outstanding(request.messages)
    if tasks and tasks[-1].verb == "fail":
        return Step(done(tasks[-1].number), failure=ModelError("overloaded", "Asked to fail."), fails="after")
    made = _calls_made(request.messages)
    offered = {offer["name"] for offer in request.tools}
    calls = [
        _call(tool, task)
        for task in tasks
        for tool in TOOLS.get(task.verb, ())
        if tool in offered and (tool, task.number) not in made
    ]
    if calls:
        return Step(calls=calls)
    suffix = LONG_ANSWER if any(task.verb == "tell" for task in tasks) else ""
    return Step((" ".join(done(task.number) for task in tasks) or "Nothing is left to do.") + suffix)


def _calls_made(messages: Sequence[Json]) -> set[tuple[str, int]]:
    blocks = (block for message in messages if message["role"] == "assistant" for block in message["content"])
    return {(block["name"], number_of(block["input"])) for block in blocks if block["type"] == "tool_use"}


def _call(tool: str, task: Task) -> Call:
    if tool == "task":
        return Call(tool, {"agent": "helper", "prompt": str(Task(task.number, "deposit"))})
    return Call(tool, {"number": task.number})


def number_of(arguments: Json) -> int:
    """The task for which a call is made."""
    return int(arguments["number"]) if "number" in arguments else tasks_in(arguments["prompt"])[0].number


def tools(ledger: Ledger) -> tuple[Tool, ...]:
    """One tool of every kind; each notes when it begins and when it has done its work."""

    async def work(name: str, number: int, context: ToolContext) -> str:
        facts = {
            "conversation": context.conversation_id,
            "call": context.tool_call_id,
            "tool": name,
            "number": number,
            "principal": context.principal,
        }
        ledger.note("begin", **facts)
        await asyncio.sleep(WORK_SECONDS)
        ledger.note("apply", **facts)
        return f"receipt {context.tool_call_id}"

    @tool
    async def deposit(number: int, context: ToolContext) -> str:
        """Pay in; the bank takes the call's id as idempotency key."""
        return await work("deposit", number, context)

    @tool(on_unknown_outcome="report")
    async def stamp(number: int, context: ToolContext) -> str:
        """Stamp a paper, which must not be done twice."""
        return await work("stamp", number, context)

    @tool(approval="required", decisions=("approve", "reject"))
    async def sign(number: int, context: ToolContext) -> str:
        """Sign a paper, if somebody says that it may be signed."""
        return await work("sign", number, context)

    @tool(executor="human")
    def ask(number: int) -> str:
        """Ask a person."""
        return str(number)

    assert {sign.name} == NEEDING_APPROVAL
    return deposit, stamp, sign, ask


def _delegation(ledger: Ledger) -> SubAgent:
    helper = Agent(name="helper", description="helps", model=TaskModel(ledger), tools=tools(ledger)[:1])
    return SubAgent((helper,), general=False)
