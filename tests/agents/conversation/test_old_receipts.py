"""A command that comes again is answered as it was first, however old it is, and does nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from agents.agent import Agent, Catalog
from agents.conversation import Conversation, Receipt
from agents.conversation.acceptance import accepting
from agents.conversation.journal import RESERVED
from agents.errors import Refused
from agents.middleware.compaction import Compaction, Thresholds
from agents.models import ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import user_texts
from agents.services import Services
from agents.turn.inputs import Resolve
from tests.agents.conversation.test_archiving import Place, place
from tests.agents.conversation.test_pending_calls import WAITING
from tests.support.answering import TOOLS, only
from tests.support.conversations import World, rest, say, until

__all__ = ["place"]

Command = Callable[[Conversation], Awaitable[Receipt]]


def choose(request: ModelRequest) -> Step:
    """Make the call that the newest message names."""
    said = user_texts(request.messages)[-1]
    has_called = request.messages[-1]["content"][-1]["type"] == "tool_result"
    return Step(calls=[WAITING[said][0]]) if said in WAITING and not has_called else Step(f"you said {said}")


def asker() -> Agent:
    """An agent that has its oldest turns summarised soon."""
    limits = Thresholds(stub=100_000, window=100_000, summary=30, working_set=30)
    compaction = Compaction(ScriptedModel([Step("They asked.")] * 100), thresholds=limits, keep_turns=1)
    return Agent(name="asker", model=ScriptedModel(choose), tools=TOOLS, middleware=(compaction,))


async def first_commands(conversation: Conversation) -> list[tuple[str, Command, Receipt]]:
    """One command of each kind, and its receipt."""
    done: list[tuple[str, Command, Receipt]] = []

    async def do(name: str, command: Command) -> None:
        done.append((name, command, await command(conversation)))
        await rest(conversation)

    await do("message", lambda one: say(one, "hello", client_id="m1"))
    for kind, (_, decisions, _) in WAITING.items():
        await do(f"message: {kind}", lambda one, kind=kind: say(one, kind, client_id=kind))
        for number, decision in enumerate(decisions):
            tool_call_id, asked = only(conversation)
            answer = Resolve(
                tool_call_id=tool_call_id, principal="bob", arguments_hash=asked["arguments_hash"], **decision
            )
            await do(f"{kind} {number}", lambda one, answer=answer: one.resolve(answer))
    await do("message: question again", lambda one: say(one, "question", client_id="m2"))
    turn = conversation.inspect().turn
    await do("queued", lambda one: say(one, "later", client_id="m3", on_busy="queue"))
    await do("cancel", lambda one: one.cancel("bob", turn))
    return done


async def forget(place: Place, conversation: Conversation) -> int:
    """Go on until all that was said is summarised and in the archive; the number of events."""
    for number in range(12):
        await say(conversation, f"message {number}", on_busy="queue")
        await rest(conversation)
    journal = conversation._driver.journal
    until_archived = (await place.world.log())[-1].seq - 25
    await until(lambda: journal.archived_seq > until_archived)
    await until(lambda: not conversation._driver.runtime.has_background)
    return len(await place.world.log())


async def test_each_kind_of_command(place: Place) -> None:
    world, agent = place.world, asker()
    conversation = await world.start(agent)
    commands = await first_commands(conversation)
    count = await forget(place, conversation)
    oldest = conversation.history.logged[0].seq
    assert all(receipt.seq < oldest for _, _, receipt in commands), "all has fallen out of the working set"

    for _ in range(2):
        for name, command, receipt in commands:
            assert (name, await command(conversation)) == (name, replace(receipt, duplicate=True))
        await world.crash(conversation)
        conversation = await world.open(agent)
    await world.crash(conversation)
    for name, command, receipt in commands:
        assert (name, await accept(world, command)) == (name, replace(receipt, duplicate=True))
    assert len(await world.log()) == count, "nothing was done again"


async def test_another_decision_on_an_old_question_is_stale(place: Place) -> None:
    conversation = await place.world.start(asker())
    commands = await first_commands(conversation)
    await forget(place, conversation)
    [seq] = [receipt.seq for name, _, receipt in commands if name == "approval 0"]
    call = (await place.world.events())[seq - 1]
    for other in ({"decision": "reject"}, {"decision": "approve", "principal": "eve"}):
        answer = Resolve(**{"tool_call_id": call.tool_call_id, "principal": "bob", **other})  # type: ignore[union-attr]
        with pytest.raises(Refused) as refused:
            await conversation.resolve(answer)
        assert refused.value.code == "stale_resolution"
    for turn in (1, 2):  # ended by themselves
        with pytest.raises(Refused) as refused:
            await conversation.cancel("bob", turn)
        assert refused.value.code == "not_running"


async def test_a_client_id_is_never_taken_for_a_decision(world: World) -> None:
    conversation = await world.start(asker())
    with pytest.raises(Refused) as refused:
        await say(conversation, client_id=f"{RESERVED}call x")
    assert refused.value.code == "invalid_request"


async def accept(world: World, command: Command) -> Receipt:
    services = Services(store=world.store, conversations=world.doors, cluster="here")
    meta = await world.store.registry.get("c")
    async with accepting(services, Catalog(world.agents, default="asker"), meta) as conversation:
        return await command(conversation)
