"""A scripted dialogue with each example agent, played in a world whose conversations may crash on the way."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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
from agents.turn.events import Decision
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversations import World, text
from tests.support.crashes import wait_for_state

ADA, BOB = AgentContext(principal="ada"), AgentContext(principal="bob")


@dataclass(frozen=True)
class Say:
    """Ada sends a message, and waits until the conversation is in the state `then`."""

    words: str
    then: str = "idle"

    async def act(self, world: World, number: int) -> None:
        message = UserMessage(content=text(self.words), client_id=f"m{number}", principal="ada", on_busy="queue")
        await world.doors.send("c", message, ADA)
        await wait_for_state(world, self.then)


@dataclass(frozen=True)
class Decide:
    """Bob answers the only call that waits; `fields` are further ones of the resolution."""

    decision: Decision
    then: str = "idle"
    fields: Mapping[str, Any] = field(default_factory=dict)

    async def act(self, world: World, number: int) -> None:
        [(call, asked)] = (await wait_for_state(world, "awaiting_input")).items()
        known = {"tool_call_id": call, "arguments_hash": asked["arguments_hash"], "principal": "bob"}
        resolution = Resolve(**{**known, "decision": self.decision, **self.fields})
        with suppress(Refused):  # it is in the log already: the conversation crashed before it answered
            await world.doors.resolve("c", resolution, BOB)
        await wait_for_state(world, self.then)


Action = Say | Decide
"""What a person does. Its number tells a repetition from another action."""


@dataclass(frozen=True)
class Dialogue:
    """`appends` is the number of appends, those of sub-agents included.

    `reported` is the tool whose outcome a crash may leave unknown: its call is then reported instead of repeated.
    """

    agent: Callable[[], Agent]
    actions: Sequence[Action]
    appends: int
    reported: str | None = None

    async def play(self, world: World, *, moves: bool = False) -> None:
        """With `moves`, another incarnation takes over at each rest."""
        await world.start(self.agent())
        for number, action in enumerate(self.actions):
            await action.act(world, number)
            if moves:
                await move(world)


async def move(world: World) -> None:
    """Hand the conversation over, once nothing would be cut; one that waits for people stays."""
    while not (conversation := await world.doors.reach("c")).may_move:
        if conversation.inspect().state == "awaiting_input":
            return
        await asyncio.sleep(0.001)
    assert await conversation.leave()
    assert (await world.doors.reach("c")).inspect().epoch > conversation.inspect().epoch


DIALOGUES = {
    "assistant": Dialogue(
        agent=lambda: assistant(ScriptedModel(assistant_script)),
        actions=(
            Say("remember: I drink tea"),
            Say("announce: tea is ready", then="awaiting_input"),
            Decide("approve"),
            Say("what do you know about me, and what is 6*7?"),
        ),
        appends=14,
    ),
    "researcher": Dialogue(
        agent=lambda: researcher(ScriptedModel(researcher_script), ScriptedModel(scout_script), search=()),
        actions=(Say("research the history of tea"), Say("thank you")),
        appends=16,
    ),
    "operator": Dialogue(
        agent=lambda: operator(ScriptedModel(operator_script)),
        actions=(
            Say("restart it", then="awaiting_input"),
            Decide("respond", "awaiting_input", {"answer": {"service": "api"}}),
            Decide("approve"),
            Say("scale the api to 5", then="awaiting_input"),
            Decide("edit", fields={"arguments": {"service": "api", "replicas": 3}}),
            Say("analyse the logs of the worker"),
        ),
        appends=20,
        reported="restart_service",
    ),
    "extractor": Dialogue(
        agent=lambda: extractor(ScriptedModel(extractor_script)),
        actions=(Say("Ada Lovelace, ada@engines.example"), Say("nobody")),
        appends=4,
    ),
}
