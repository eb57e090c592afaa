"""What a host takes in: turns up to a bound, messages up to a bound, and continuations always."""

import asyncio
from contextlib import ExitStack

import pytest

from agents.agent import Agent
from agents.arrivals import Arrivals
from agents.context import AgentContext
from agents.conversation import Conversation, Receipt
from agents.errors import Refused
from agents.models import ScriptedModel, Step
from agents.turn.inputs import UserMessage
from deployments.host.admission import Admission
from deployments.settings import Settings
from tests.support.conversations import World, rest, text


def stuck(name: str) -> Agent:
    """An agent whose turns end when they are cancelled."""
    return Agent(name=name, model=ScriptedModel([Step(hangs="before"), Step("now")]), on_busy="queue")


def message(client_id: str | None = None, **fields: str) -> UserMessage:
    return UserMessage(content=text("hello"), client_id=client_id, **fields)  # type: ignore[arg-type]


async def deliver(admission: Admission, conversation: Conversation, said: UserMessage) -> Receipt:
    return await admission.deliver(conversation, said, AgentContext())


async def test_turns_begin_up_to_the_bound_however_many_messages_come_at_once(world: World) -> None:
    admission = Admission(Settings(host_turns=3), Arrivals())
    conversations = [await world.start(stuck("worker"), f"c{number}") for number in range(8)]
    for conversation in conversations:
        admission.note_working(conversation)
    answers = await asyncio.gather(
        *(deliver(admission, conversation, message()) for conversation in conversations), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert [(refusal.code, refusal.is_transient) for refusal in refused] == [("too_many_turns", True)] * 5
    working = [conversation for conversation in conversations if conversation.is_in_turn]
    assert len(working) == 3
    await working[0].cancel()
    await rest(working[0])
    idle = next(conversation for conversation in conversations if not conversation.is_in_turn)
    await deliver(admission, idle, message())


async def test_a_continuation_or_a_repeated_message_is_never_refused(world: World) -> None:
    admission = Admission(Settings(host_turns=1, host_messages=1), Arrivals())
    first, second = [await world.start(stuck("worker"), key) for key in ("first", "second")]
    receipt = await deliver(admission, first, message("once"))
    await first.cancel()
    await rest(first)
    await deliver(admission, second, message())
    with pytest.raises(Refused, match="further one"):
        await deliver(admission, first, message("another"))
    assert (await deliver(admission, first, message("once"))).seq == receipt.seq
    await deliver(admission, first, message(origin="agent"))
    # A running turn still takes messages.
    await deliver(admission, second, message(on_busy="queue"))


@pytest.mark.parametrize("origin", ["schedule", "batch"])
async def test_schedules_and_batches_are_not_refused_and_take_no_place_of_a_person(world: World, origin: str) -> None:
    admission = Admission(Settings(host_turns=1, host_messages=1), Arrivals())
    first, second, third = [await world.start(stuck("worker"), key) for key in ("first", "second", "third")]
    for conversation in (first, second):
        await deliver(admission, conversation, message(origin=origin))
    with admission.arrival(message()), admission.arrival(message(origin=origin)):
        await deliver(admission, third, message())  # the one turn of a person
    with pytest.raises(Refused, match="further one"):
        await deliver(admission, await world.start(stuck("worker"), "fourth"), message())


async def test_messages_arrive_up_to_the_bound() -> None:
    admission = Admission(Settings(host_messages=2), Arrivals())
    with ExitStack() as arriving:
        for _ in range(2):
            arriving.enter_context(admission.arrival(message()))
        with pytest.raises(Refused) as refused, admission.arrival(message()):
            pass
        assert (refused.value.code, refused.value.is_transient) == ("overloaded", True)
        with admission.arrival(message(origin="agent")):
            pass
    with admission.arrival(message()):
        pass
