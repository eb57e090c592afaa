"""Lesson 5: a turn can be stopped at any moment; what had been said by then is kept."""

from agents.agent import Agent
from agents.examples import assistant
from agents.examples.offline.assistant import assistant_script
from agents.models import ScriptedModel, Step
from tests.support.conversations import World, ends, rest, say, spoken, until


async def test_stop_in_the_middle_of_a_sentence(world: World) -> None:
    # This model says half a sentence and then hangs, as networks do.
    model = ScriptedModel([Step("Once upon a time", hangs="after"), Step("As you like.")])
    conversation = await world.start(Agent(name="teller", model=model))
    await say(conversation, "tell me a story")
    await until(lambda: (conversation.inspect().streaming or {}).get("text") == "Once upon a time")

    await conversation.cancel("ada")

    # The partial answer is in the log and flagged; the turn has its one end.
    events = await world.events()
    assert spoken(events) == [("Once upon a time", "cancelled")]
    assert ends(events) == [("cancelled", "user_cancelled")]

    # The conversation goes on from there.
    assert str(await conversation.ask("something shorter")) == "As you like."
    assert await rest(conversation) == "idle"
    assert spoken(await world.events())[1] == ("As you like.", "completed")


async def test_stop_a_turn_that_waits_for_a_person(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))
    await conversation.ask("announce: lunch is ready")

    await conversation.cancel("ada")

    assert conversation.inspect().state == "idle"
    assert conversation.inspect().pending == {}
    assert ends(await world.events()) == [("cancelled", "user_cancelled")]
