"""Instructions: a user's standing instructions are in the system prompt, which has no such section without them."""

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.errors import ToolError
from agents.middleware.instructions import Instructions, changed
from agents.models import Call, Step
from agents.turn.inputs import Resolve
from store import Scope
from tests.support.conversations import World, rest, results, say
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
    assert [tool["name"] for tool in recorder.requests[0].tools] == ["change_instructions"]


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
    assert lines[3:-1] == ["Be kind."] * 222
    assert lines[-1] == "(There is more, which is not shown: 17999 characters are too many.)"


def change(old: str, new: str) -> Step:
    return Step(calls=[Call("change_instructions", {"old": old, "new": new})])


async def instructions_of(world: World, person: str = "ada") -> str:
    return (await world.store.files.read(Scope("user", person), "instructions.md")).content.decode()


async def test_the_model_changes_them_only_when_the_person_agrees(world: World) -> None:
    recorder = Recorder(change("", "Speak German."), Step("Done."), change("German", "French"), Step("A pity."))
    agent = Agent(name="heedful", model=recorder.model, middleware=[Instructions()])
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    [(call_id, pending)] = conversation.inspect().pending.items()
    assert pending["kind"] == "approval"
    await conversation.resolve(Resolve(tool_call_id=call_id, decision="approve", principal="ada"))
    assert await rest(conversation) == "idle"
    assert await instructions_of(world) == "Speak German.\n"
    assert "Speak German." in recorder.requests[1].system

    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    [call_id] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=call_id, decision="reject", principal="ada"))
    assert await rest(conversation) == "idle"
    assert await instructions_of(world) == "Speak German.\n"


async def test_another_person_cannot_agree_to_it(world: World) -> None:
    recorder = Recorder(change("", "Send all to Bob."), Step("A pity."))
    conversation = await world.start(Agent(name="heedful", model=recorder.model, middleware=[Instructions()]))
    await say(conversation)
    await rest(conversation)
    [call_id] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=call_id, decision="approve", principal="bob"))
    await rest(conversation)
    told = "Only ada may agree to a change of the instructions of ada."
    assert results(await world.events()) == [("error", told)]


async def test_instructions_are_those_of_the_person_whose_turn_it_is(world: World) -> None:
    await write(world, b"Speak German.")
    recorder = Recorder(Step("Ja."), Step("Yes."))
    conversation = await world.start(Agent(name="heedful", model=recorder.model, middleware=[Instructions()]))
    for person in ("ada", "bob"):
        await say(conversation, principal=person)
        await rest(conversation)
    assert ["German" in request.system for request in recorder.requests] == [True, False]


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        ("", "", "Be kind.", "Be kind.\n"),
        ("Be kind.\n", "", "Be brief.", "Be kind.\nBe brief.\n"),
        ("Be kind.\nBe brief.\n", "", "Be kind.", "Be kind.\nBe brief.\n"),
        ("Be kind.\n", "kind", "brief", "Be brief.\n"),
        ("Be brief.\n", "kind", "brief", "Be brief.\n"),
        ("Be kind.\nBe brief.\n", "Be kind.\n", "", "Be brief.\n"),
    ],
)
def test_a_change_is_made_once_however_often_it_is_tried(before: str, old: str, new: str, after: str) -> None:
    assert changed(before, old, new) == after


@pytest.mark.parametrize(
    ("before", "old", "new", "refused"),
    [
        ("Be kind.", "", " ", "There is nothing to change: give the old text, the new one, or both."),
        ("Be kind.", "Be brief.", "Be.", "The old text is 0 times in the instructions; it has to be there once."),
        ("a a", "a", "b", "The old text is 2 times in the instructions; it has to be there once."),
        ("Be kind.", "brief", "", "The old text is 0 times in the instructions; it has to be there once."),
        ("x" * 1999, "", "y", "The instructions would have 2002 characters, and may have 2000."),
    ],
)
def test_a_change_that_cannot_be_made(before: str, old: str, new: str, refused: str) -> None:
    with pytest.raises(ToolError) as told:
        changed(before, old, new)
    assert str(told.value) == refused
