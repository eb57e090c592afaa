"""Lesson 2: a conversation can be watched; live events are a broadcast, and the log is the truth behind it."""

from agents.examples import assistant
from agents.examples.offline.assistant import assistant_script
from agents.models import ScriptedModel
from tests.support.conversations import World, rest, say, spoken, watching


async def test_a_watcher_sees_the_answer_while_it_is_written(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))

    async with watching(world.store) as watcher:
        await say(conversation, "hello")
        await watcher.until("turn_completed")

    # Canonical events carry their seq; between them the states and the words, piece by piece.
    assert [event["type"] for event in watcher.seen if "seq" in event and "v" in event] == [
        "user_msg",
        "assistant_msg",
        "turn_ended",
    ]
    states = [event["state"] for event in watcher.seen if event["type"] == "state_changed"]
    assert states == ["preparing", "streaming", "idle"]

    # A watcher may hear of an event before its writer hears that it is written.
    await rest(conversation)

    # Each piece says where it starts and where the next one will: nothing is applied twice or missed.
    pieces = [event for event in watcher.seen if event["type"] == "text_delta"]
    assert [piece["index"] for piece in pieces] == [0, *(piece["next"] for piece in pieces[:-1])]
    [(answer, _)] = spoken(conversation.history.events)
    assert "".join(piece["text"] for piece in pieces) == answer


async def test_nothing_is_lost_if_no_watcher_listens(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))
    await say(conversation, "hello")
    await rest(conversation)

    await conversation.stop()

    # A watcher who comes later reads the log; it says the same.
    assert await world.events() == conversation.history.events


async def test_looking_at_a_conversation_never_waits(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))

    status = conversation.inspect()

    assert (status.state, status.turn, status.last_seq) == ("idle", 0, 0)
    assert status.streaming is None
