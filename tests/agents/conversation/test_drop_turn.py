"""People drop a turn: the model is not shown it any more, the log keeps it, and it can be taken in again."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.conversation.drop_turn import DropTurn
from agents.errors import Refused, Superseded
from agents.models import ScriptedModel, Step
from agents.turn.events import StatePatch
from agents.turn.inputs import UserMessage
from tests.messages_api import ErrorReply, MessagesServer, Reply
from tests.support.conversation_workbench import Bench, Talker, worker
from tests.support.conversations import World, ends, rest, say, text

BY_A_PERSON = "a person has dropped it"


def drop(turn: int, *, restore: bool = False) -> DropTurn:
    return DropTurn(turn=turn, principal="bob", restore=restore)


async def patches(world: World) -> list[Any]:
    return [event.patch for event in await world.events() if isinstance(event, StatePatch)]


async def test_a_dropped_turn_is_not_shown_again(world: World, messages_api: MessagesServer, talker: Talker) -> None:
    agent = talker()
    conversation = await world.start(agent)
    for words in ("apples", "pears"):
        await say(conversation, words)
        await rest(conversation)
    before = await world.events()
    receipt = await conversation.drop_turn(drop(1))
    [patch] = [event for event in await world.events() if isinstance(event, StatePatch)]
    assert (patch.source, patch.principal, patch.turn) == ("context", "bob", 2)
    assert patch.patch == {"pictures": [], "turns": [1], "first_turn": 0, "dropped": [1]}
    assert (await world.events())[: len(before)] == before, "an event, never an edit"
    assert receipt.seq == len(before) + 1

    await world.crash(conversation)
    conversation = await world.open(agent)
    await say(conversation, "plums")
    await rest(conversation)
    sent = str(messages_api.requests[-1].body["messages"])
    assert "apples" not in sent
    assert BY_A_PERSON in sent
    assert "pears" in sent

    await conversation.drop_turn(drop(1, restore=True))
    await say(conversation, "figs")
    await rest(conversation)
    sent = str(messages_api.requests[-1].body["messages"])
    assert "apples" in sent
    assert BY_A_PERSON not in sent
    assert messages_api.rejections == []


async def test_to_say_it_twice_changes_nothing(world: World, talker: Talker) -> None:
    conversation = await world.start(talker())
    await say(conversation)
    await rest(conversation)
    for restore in (False, True):
        first = await conversation.drop_turn(drop(1, restore=restore))
        again = await conversation.drop_turn(drop(1, restore=restore))
        assert (again.seq, again.duplicate) == (first.seq, True)
    assert [patch["turns"] for patch in await patches(world)] == [[1], []]


async def test_a_turn_that_runs_is_refused_and_an_older_one_is_not(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    bench.finish.set()
    await say(conversation)
    await rest(conversation)
    bench.finish.clear()
    await say(conversation)
    await bench.begun(2)
    with pytest.raises(Refused) as refused:
        await conversation.drop_turn(drop(2))
    assert refused.value.code == "turn_running"
    await conversation.drop_turn(drop(1))
    bench.finish.set()
    await rest(conversation)
    assert ends(await world.events()) == [("completed", None)] * 2
    await conversation.drop_turn(drop(2))
    assert (await patches(world))[-1]["turns"] == [1, 2]


@pytest.mark.parametrize("turn", [0, -1, 2, 2**40])
async def test_there_is_no_such_turn(world: World, talker: Talker, turn: int) -> None:
    conversation = await world.start(talker())
    await say(conversation)
    await rest(conversation)
    with pytest.raises(Refused) as refused:
        await conversation.drop_turn(drop(turn))
    assert refused.value.code == "unknown_turn"
    assert await patches(world) == []


async def test_a_queued_message_is_no_turn_yet(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()
    await conversation.send(UserMessage(content=text("later"), on_busy="queue", principal="ada"))
    with pytest.raises(Refused) as refused:
        await conversation.drop_turn(drop(2))
    assert refused.value.code == "unknown_turn"
    bench.finish.set()
    await rest(conversation)


async def test_what_a_provider_refused_can_be_taken_in_again(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.responder = lambda body: (
        ErrorReply(400, "invalid_request_error", "messages: no") if "poison" in str(body["messages"]) else Reply("Yes.")
    )
    conversation = await world.start(talker())
    for words in ("Hello", "poison", "And now?"):
        await say(conversation, words)
        await rest(conversation)
    await conversation.drop_turn(drop(1))
    assert (await patches(world))[-1] == {"pictures": [], "turns": [1, 2], "first_turn": 0, "dropped": [1]}
    await conversation.drop_turn(drop(2, restore=True))
    assert (await patches(world))[-1] == {"pictures": [], "turns": [1], "first_turn": 0, "dropped": [1]}
    messages_api.responder = lambda _: Reply("Yes.")
    await say(conversation, "And again?")
    await rest(conversation)
    assert "poison" in str(messages_api.requests[-1].body["messages"])


async def test_an_incarnation_that_has_lost_its_claim_changes_nothing(world: World) -> None:
    agent = Agent(name="talks", model=ScriptedModel([Step("so")] * 5))
    older = await world.start(agent)
    await say(older)
    await rest(older)
    newer = await world.open(agent)
    with pytest.raises(Superseded):
        await older.drop_turn(drop(1))
    assert await patches(world) == []
    await newer.drop_turn(drop(1))
    assert [patch["turns"] for patch in await patches(world)] == [[1]]
