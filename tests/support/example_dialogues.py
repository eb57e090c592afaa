"""A scripted dialogue with each example agent, played in a world whose conversations may crash on the way."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agents.agent import Agent
from agents.context import AgentContext
from agents.errors import Refused
from agents.examples import assistant, extractor, operator, researcher
from agents.examples.offline.assistant import assistant_script
from agents.examples.offline.extractor import extractor_script
from agents.examples.offline.operator import operator_script
from agents.examples.offline.researcher import researcher_script, scout_script
from agents.models import ScriptedModel
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversations import World, text
from tests.support.crashes import wait_for_state

ADA, BOB = AgentContext(principal="ada"), AgentContext(principal="bob")
Action = Callable[[World, int], Awaitable[None]]
"""What a person does; the number tells a repetition from another action."""


def say(words: str, *, then: str = "idle") -> Action:
    """Ada sends a message, and waits until the conversation is in the state `then`."""

    async def action(world: World, number: int) -> None:
        message = UserMessage(content=text(words), client_id=f"m{number}", principal="ada", on_busy="queue")
        await world.doors.send("c", message, ADA)
        await wait_for_state(world, then)

    return action


def decide(decision: str, *, then: str = "idle", **fields: Any) -> Action:
    """Bob answers the only call that waits."""

    async def action(world: World, number: int) -> None:
        [(call, asked)] = (await wait_for_state(world, "awaiting_input")).items()
        known = {"tool_call_id": call, "arguments_hash": asked["arguments_hash"], "principal": "bob"}
        resolution = Resolve(**{**known, "decision": decision, **fields})
        with suppress(Refused):  # it is in the log already: the conversation crashed before it answered
            await world.doors.resolve("c", resolution, BOB)
        await wait_for_state(world, then)

    return action


@dataclass(frozen=True)
class Dialogue:
    """`appends` is the number of appends, those of sub-agents included.

    `reported` is the tool whose outcome a crash may leave unknown: its call is then reported instead of repeated.
    """

    agent: Callable[[], Agent]
    actions: Sequence[Action]
    appends: int
    reported: str | None = None

    async def play(self, world: World) -> None:
        await world.start(self.agent())
        for number, action in enumerate(self.actions):
            await action(world, number)


DIALOGUES = {
    "assistant": Dialogue(
        agent=lambda: assistant(ScriptedModel(assistant_script)),
        actions=(
            say("remember: I drink tea"),
            say("announce: tea is ready", then="awaiting_input"),
            decide("approve"),
            say("what do you know about me, and what is 6*7?"),
        ),
        appends=14,
    ),
    "researcher": Dialogue(
        agent=lambda: researcher(ScriptedModel(researcher_script), ScriptedModel(scout_script), search=()),
        actions=(say("research the history of tea"), say("thank you")),
        appends=16,
    ),
    "operator": Dialogue(
        agent=lambda: operator(ScriptedModel(operator_script)),
        actions=(
            say("restart it", then="awaiting_input"),
            decide("respond", answer={"service": "api"}, then="awaiting_input"),
            decide("approve"),
            say("scale the api to 5", then="awaiting_input"),
            decide("edit", arguments={"service": "api", "replicas": 3}),
            say("analyse the logs of the worker"),
        ),
        appends=20,
        reported="restart_service",
    ),
    "extractor": Dialogue(
        agent=lambda: extractor(ScriptedModel(extractor_script)),
        actions=(say("Ada Lovelace, ada@engines.example"), say("nobody")),
        appends=4,
    ),
}
