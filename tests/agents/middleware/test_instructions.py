"""Instructions: a user's standing instructions are in the system prompt, which has no such section without them."""

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.middleware.instructions import Instructions
from agents.models import Step
from store import Scope
from tests.support.conversations import World, rest, say
from tests.support.recorder import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Step("Yes."), Step("Yes."))


@pytest.fixture
def agent(recorder: Recorder) -> Agent:
    return Agent(name="heedful", model=recorder.model, system_prompt="Serve.", middleware=[Instructions()])


async def write(world: World, content: bytes, version: int | None = None, person: str = "ada") -> None:
    scope = Scope("user", person)
    await world.store.files.write(scope, "instructions.md", content, expected_version=version, now=now_ms())


async def ask(world: World, agent: Agent) -> None:
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)


async def test_instructions_are_in_the_system_prompt(world: World, agent: Agent, recorder: Recorder) -> None:
    await write(world, b"Speak German.\n")
    await ask(world, agent)
    assert recorder.requests[0].system == "Serve.\n\n# Standing instructions of the user\nSpeak German."
    assert recorder.requests[0].tools == []


@pytest.mark.parametrize("content", [None, b"", b" \n"])
async def test_without_instructions_there_is_no_section(
    world: World, agent: Agent, recorder: Recorder, content: bytes | None
) -> None:
    if content is not None:
        await write(world, content)
    await write(world, b"Speak French.", person="bob")
    await ask(world, agent)
    assert recorder.requests[0].system == "Serve."


async def test_a_change_takes_effect_with_the_next_call(world: World, agent: Agent, recorder: Recorder) -> None:
    await write(world, b"Speak German.")
    await ask(world, agent)
    await write(world, b"Speak French.", 1)
    conversation = await world.open(agent)
    await say(conversation)
    await rest(conversation)
    assert [request.system.rpartition("\n")[2] for request in recorder.requests] == ["Speak German.", "Speak French."]


async def test_long_instructions_are_cut_with_a_note(world: World, agent: Agent, recorder: Recorder) -> None:
    await write(world, b"Be kind.\n" * 2000)
    await ask(world, agent)
    lines = recorder.requests[0].system.split("\n")
    assert lines[3:-1] == ["Be kind."] * 1777
    assert lines[-1] == "(There is more, which is not shown: 17999 characters are too many.)"
