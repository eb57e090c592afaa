"""The agents of the service under test: the default one, one on the stand-in for Claude, and one with risky tools.

The tools keep a ledger, a file that survives the death of the process they run in.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from functools import cached_property
from pathlib import Path

from agents.agent import Agent, Catalog
from agents.examples import assistant
from agents.models import Call, Model, ModelEvent, ModelRequest, ScriptedModel, Step
from agents.models.transcript import tool_returns, user_texts
from agents.tools import Tool, ToolContext, announce, tool
from deployments.catalog import default_model
from deployments.settings import Settings


def catalog(settings: Settings) -> Catalog:
    """What RAYLOGUE_AGENTS names."""
    agents = (
        assistant(default_model(settings)),
        Agent(name="claude", model=Claude(settings.anthropic_base_url)),
        worker(Ledger(settings.data_dir)),
    )
    return Catalog({agent.name: agent for agent in agents}, default="assistant")


class Claude:
    """The product's model on the stand-in; the SDK is imported by the conversations that need it."""

    name = "claude-stand-in"

    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url

    @cached_property
    def _model(self) -> Model:
        from agents.models.anthropic import AnthropicModel

        return AnthropicModel(self.name, api_key="a key for the stand-in", base_url=self._base_url)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        return self._model.stream(request)


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

    async def gate_opened(self, conversation_id: str) -> None:
        while not self._gate(conversation_id).exists():  # noqa: ASYNC110 - another process opens it
            await asyncio.sleep(0.01)

    def _gate(self, conversation_id: str) -> Path:
        return self._directory / f"{conversation_id}.open"


def worker(ledger: Ledger) -> Agent:
    """An agent with a tool for every kind of waiting."""
    return Agent(name="worker", model=ScriptedModel(work), tools=(*risky_tools(ledger), announce, ask, photograph))


def risky_tools(ledger: Ledger) -> tuple[Tool, ...]:
    """Tools that wait for the test, or take their process with them."""

    @tool
    async def wait(text: str, context: ToolContext) -> str:
        """Wait until the gate is open."""
        return await pass_gate(text, context)

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

    async def pass_gate(text: str, context: ToolContext) -> str:
        ledger.note(context.conversation_id, context.tool_call_id, "started")
        context.progress({"waiting": True})
        await ledger.gate_opened(context.conversation_id)
        ledger.note(context.conversation_id, context.tool_call_id, "done")
        return text

    return wait, wait_once, crash
