"""Lesson 4: some calls wait for a person; the turn rests meanwhile, until a decision moves it on."""

import pytest

from agents.errors import Refused
from agents.examples import assistant
from agents.examples.offline.assistant import assistant_script
from agents.models import ScriptedModel
from agents.turn.events import Resolution
from agents.turn.inputs import Resolve
from tests.support.conversations import World, rest, results


async def test_an_announcement_waits_until_it_is_approved(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))

    # A turn that waits for a person gives back what it waits for, and has no outcome yet.
    answer = await conversation.ask("announce: lunch is ready")
    assert answer.outcome is None
    assert await rest(conversation) == "awaiting_input"

    # What waits is shown with the question and the time until which an answer is taken.
    [(tool_call_id, waiting)] = conversation.inspect().pending.items()
    assert answer.pending == {tool_call_id: waiting}
    assert waiting["kind"] == "approval"
    assert waiting["prompt"] == "Announce a text to everybody; somebody has to approve it first."
    assert results(conversation.history.events) == [], "nothing has been announced"

    await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))

    # The rest of the turn's answer comes after the decision.
    assert (await conversation.answer()).outcome == "completed"
    assert await rest(conversation) == "idle"
    assert results(conversation.history.events) == [("ok", '{"announced":"lunch is ready"}')]
    [decided] = [event for event in conversation.history.events if isinstance(event, Resolution)]
    assert decided.principal == "bob", "the log knows who decided"


async def test_a_person_may_say_no_and_why(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))
    [tool_call_id] = (await conversation.ask("announce: lunch is ready")).pending

    await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="reject", reason="It is not."))

    # The model reads the refusal and answers to it: the turn ends like any other.
    assert await rest(conversation) == "idle"
    assert results(conversation.history.events) == [("denied", "Denied by the user: It is not.")]


async def test_only_the_first_decision_counts(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))
    [tool_call_id] = (await conversation.ask("announce: lunch is ready")).pending
    await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve"))

    with pytest.raises(Refused) as refused:
        await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="reject"))

    assert refused.value.code == "stale_resolution"
    await rest(conversation)
    assert [status for status, _ in results(conversation.history.events)] == ["ok"]
