"""The agents of the cluster under test: those of the service, and some that talk for long, wait in line, or block."""

import time

from agents.agent import Agent, Catalog
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns, user_texts
from agents.tools import ToolContext, tool
from deployments.settings import Settings
from tests.support.service_agents import Ledger, work
from tests.support.service_agents import catalog as service_catalog

WORD_SECONDS = 0.02


def catalog(settings: Settings) -> Catalog:
    """What RAYLOGUE_AGENTS names."""
    ledger = Ledger(settings.data_dir)

    @tool
    async def block(text: str, context: ToolContext) -> str:
        """Block the whole process until the gate is open."""
        ledger.note(context.conversation_id, context.tool_call_id, "started")
        while not ledger.is_open(context.conversation_id):
            time.sleep(0.01)
        return text

    @tool(concurrency=1)
    async def one_by_one(text: str, context: ToolContext) -> str:
        """Wait until the gate is open, one call at a time."""
        ledger.note(context.conversation_id, context.tool_call_id, "started")
        await ledger.gate_opened(context.conversation_id)
        ledger.note(context.conversation_id, context.tool_call_id, "done")
        return text

    talker = Agent(name="talker", model=ScriptedModel(talk, delay=WORD_SECONDS))
    pair = Agent(name="pair", model=ScriptedModel(twice), tools=(one_by_one,))
    blocker = Agent(name="blocker", model=ScriptedModel(work), tools=(block,))
    known = service_catalog(settings)
    return Catalog({**known.agents, "talker": talker, "pair": pair, "blocker": blocker}, default=known.default)


def twice(request: ModelRequest) -> Step:
    """Call the tool two times at once, then tell what it returned."""
    if results := tool_returns(request.messages):
        return Step(" ".join(result.text for result in results))
    return Step(calls=[Call("one_by_one", {"text": text}) for text in ("first", "second")])


def talk(request: ModelRequest) -> Step:
    """As many words as the message says."""
    return Step(" ".join(f"word{number}" for number in range(int(user_texts(request.messages)[-1]))))
