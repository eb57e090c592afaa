"""The agents of the service under test: the default one, one on the stand-in for Claude, and one with risky tools.

The tools keep a ledger, a file that survives the death of the process in which they run.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import orjson
import ray

from agents.agent import Agent, Catalog, Expiries
from agents.context import current_context
from agents.errors import Refused
from agents.examples import assistant
from agents.examples.tools import announce
from agents.middleware.ask_user import AskUser
from agents.middleware.file_system import FileSystem
from agents.middleware.model_calls import ModelCalls
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, Model, ModelEvent, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns, user_texts
from agents.tools import Tool, ToolContext, tool
from agents.turn.inputs import UserMessage
from deployments.process.agents import default_model
from deployments.settings import Settings
from store import Placement
from tests.support.context_agents import mirror, remade_context
from tests.support.kills import Orders, install_kill_points, killable
from tests.support.page_agents import page_agents


def catalog(settings: Settings) -> Catalog:
    """What RAYLOGUE_AGENTS names."""
    orders = Orders(settings.data_dir)
    install_kill_points(orders)
    agents = (
        # Without its middleware, which would add events: these tests know every event.
        replace(assistant(default_model(settings)), middleware=()),
        Agent(name="claude", model=Claude(settings.anthropic_base_url)),
        worker(Ledger(settings.data_dir)),
        clerk(),
        chief(Ledger(settings.data_dir)),
        replace(chief(Ledger(settings.data_dir), "dedicated"), name="chief_with_dedicated_workers"),
        replace(worker(Ledger(settings.data_dir)), name="impatient", expiries=Expiries(people=3.0)),
        *short_lived_agents(Ledger(settings.data_dir)),
        killable(orders, Ledger(settings.data_dir).note),
        mirror(Ledger(settings.data_dir)),
        *page_agents(),
    )
    return Catalog({agent.name: agent for agent in agents}, default="assistant", context=remade_context)


class Claude:
    """The product's model on the stand-in; the SDK is imported by the conversations that need it."""

    name = "claude-stand-in"

    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url

    @cached_property
    def _model(self) -> Model:
        from agents.models.anthropic.model import AnthropicModel

        return AnthropicModel(self.name, api_key="a key for the stand-in", base_url=self._base_url)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        return self._model.stream(request)

    async def aclose(self) -> None:
        if "_model" in vars(self):  # it has been made
            await self._model.aclose()


def work(request: ModelRequest) -> Step:
    """Call the tool that the message names, then tell what it returned."""
    if results := tool_returns(request.messages):
        return Step(f"It returned: {results[-1].text}")
    said = user_texts(request.messages)[-1]
    name, _, argument = said.partition(":")
    offered = {offer["name"] for offer in request.tools}
    return Step(calls=[Call(name, {"text": argument.strip()})]) if name in offered else Step(f"You said: {said}")


@tool(executor="human")
def ask(text: str) -> str:
    """Ask a person."""
    return text


@tool(executor="client")
def photograph(text: str) -> str:
    """Take a picture with the device."""
    return text


@tool(ray={"num_cpus": 0.1})
def weigh(text: str, context: ToolContext) -> str:
    """Weigh a text, in a process of its own."""
    context.progress({"weighing": text})
    return f"{len(text)} for {current_context().principal} in {os.getpid()}"


class Ledger:
    """One line for everything a tool did; a gate per conversation that the test opens."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "ledger"
        self._directory.mkdir(parents=True, exist_ok=True)

    def note(self, conversation_id: str, tool_call_id: str, deed: str) -> None:
        with (self._directory / conversation_id).open("a") as file:
            file.write(f"{tool_call_id} {deed}\n")

    def read(self, conversation_id: str) -> list[tuple[str, str]]:
        """(tool call id, deed) in order."""
        try:
            lines = (self._directory / conversation_id).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(words[0], words[1]) for words in map(str.split, lines)]

    def open_gate(self, conversation_id: str) -> None:
        self._gate(conversation_id).touch()

    def is_open(self, conversation_id: str) -> bool:
        return self._gate(conversation_id).exists()

    async def gate_opened(self, conversation_id: str) -> None:
        while not self.is_open(conversation_id):  # noqa: ASYNC110 - another process opens it
            await asyncio.sleep(0.01)

    def _gate(self, conversation_id: str) -> Path:
        return self._directory / f"{conversation_id}.open"


def worker(ledger: Ledger) -> Agent:
    """An agent with a tool for every kind of waiting."""
    return Agent(
        name="worker", model=ScriptedModel(work), tools=(*risky_tools(ledger), announce, ask, photograph, weigh)
    )


@tool
def whereabouts(text: str) -> str:
    """Tell which resources and which environment the process has."""
    given = {"resources": ray.get_runtime_context().get_assigned_resources(), "word": os.environ.get("WORD")}
    return orjson.dumps(given).decode()


def short_lived_agents(ledger: Ledger) -> Iterator[Agent]:
    """Workers in dedicated actors with settings of their own: they leave or hibernate soon."""
    soon = {"RAYLOGUE_LEAVE_SECONDS": "0.3", "WORD": "given"}
    yield _short_lived(ledger, "leaves_soon", soon)
    yield _short_lived(ledger, "stays_while_watched", soon, stays_while_watched=True)
    yield _short_lived(ledger, "hibernates_soon", {"RAYLOGUE_HIBERNATE_SECONDS": "0.3"})
    yield _short_lived(ledger, "short_of_memory", {"RAYLOGUE_MEMORY_PERCENT": "0.001"})
    yield replace(worker(ledger), name="impossible", placement="dedicated", ray={"resources": {"moonstone": 1}})


def _short_lived(ledger: Ledger, name: str, environment: dict[str, str], *, stays_while_watched: bool = False) -> Agent:
    return replace(
        worker(ledger),
        name=name,
        tools=(*worker(ledger).tools, whereabouts),
        placement="dedicated",
        ray={"num_cpus": 0.125, "runtime_env": {"env_vars": environment}},
        stays_while_watched=stays_while_watched,
    )


def obey(request: ModelRequest) -> Step:
    """Make the call that the message spells out: a name, then its arguments as JSON; then tell what it returned."""
    if results := tool_returns(request.messages):
        return Step(f"It returned: {results[-1].text}")
    said = user_texts(request.messages)[-1]
    name, _, arguments = said.partition(" ")
    offered = {offer["name"] for offer in request.tools}
    return Step(calls=[Call(name, orjson.loads(arguments))]) if name in offered else Step(f"You said: {said}")


@tool(trust="user_configurable", approval="required", decisions=("approve", "edit", "reject"))
def publish(text: str) -> str:
    """Publish a text.

    The world will read it.
    """
    return f"published {text}"


@tool(approval="required", approvers="another")
def transfer(amount: int) -> str:
    """Transfer money."""
    return f"transferred {amount} for {current_context().principal}"


class Doorkeeper(Middleware):
    """Refuses messages in capitals, and fails at one of them."""

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        said = "".join(block.get("text", "") for block in message.content)
        if said == "STUMBLE":
            raise ValueError("the secret reason")
        if said.isupper():
            raise Refused("no_shouting", "Nobody shouts here.")
        return message


def clerk() -> Agent:
    """An agent that keeps files and asks questions, on a model that a message may choose."""
    return Agent(
        name="clerk",
        description="keeps files",
        model=ScriptedModel(obey, name="slow"),
        models={"slow": ScriptedModel(obey, name="slow"), "fast": ScriptedModel(obey, name="fast")},
        tools=(publish, transfer),
        middleware=(
            Doorkeeper(),
            FileSystem({"": "conversation", "me": "user", "shared": ("project", "clerks")}),
            AskUser(),
            ModelCalls(),
        ),
        on_busy="queue",
    )


def chief(ledger: Ledger, placement: Placement = "auto") -> Agent:
    """An agent that hands each line of the message to a worker of its own, and tells what they answered.

    `placement` is where the workers want to be.
    """

    def delegate(request: ModelRequest) -> Step:
        if results := tool_returns(request.messages):
            return Step(" / ".join(result.text for result in results))
        lines = user_texts(request.messages)[-1].splitlines()
        return Step(calls=[Call("task", {"agent": "worker", "prompt": line}) for line in lines])

    delegation = SubAgent((replace(worker(ledger), placement=placement),), general=False)
    return Agent(name="chief", model=ScriptedModel(delegate), middleware=(delegation,))


def risky_tools(ledger: Ledger) -> tuple[Tool, ...]:
    """Tools that wait for the test, or kill their process."""

    @tool
    async def wait(text: str, context: ToolContext) -> str:
        """Wait until the gate is open."""
        return await pass_gate(text, context)

    @tool
    async def witness(text: str, context: ToolContext) -> str:
        """Note the context of this call."""
        seen = current_context()
        ledger.note(context.conversation_id, context.tool_call_id, f"{seen.trace_id},{seen.principal}")
        return text

    @tool
    def stumble(text: str) -> str:
        """Fail, with a cause."""
        try:
            return str({}[text])
        except KeyError as missing:
            raise RuntimeError("no such thing") from missing

    @tool(on_unknown_outcome="report")
    async def wait_once(text: str, context: ToolContext) -> str:
        """Wait until the gate is open; must not be done twice."""
        return await pass_gate(text, context)

    @tool
    async def crash(text: str, context: ToolContext) -> str:
        """Kill the process the first time, succeed the second."""
        survived = bool(ledger.read(context.conversation_id))
        ledger.note(context.conversation_id, context.tool_call_id, "started")
        if not survived:
            os.kill(os.getpid(), signal.SIGKILL)
        return text

    @tool
    async def crash_always(text: str, context: ToolContext) -> str:
        """Kill the process each time."""
        ledger.note(context.conversation_id, context.tool_call_id, "started")
        os.kill(os.getpid(), signal.SIGKILL)
        return text

    async def pass_gate(text: str, context: ToolContext) -> str:
        ledger.note(context.conversation_id, context.tool_call_id, "started")
        context.progress({"waiting": True})
        await ledger.gate_opened(context.conversation_id)
        ledger.note(context.conversation_id, context.tool_call_id, "done")
        return text

    return wait, wait_once, stumble, crash, crash_always, witness
