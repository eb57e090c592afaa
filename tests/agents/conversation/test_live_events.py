"""Live events: in order, each piece once, and never at odds with the log or with a snapshot."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

import store.live.publisher
from agents.agent import Agent
from agents.models import Call, ModelEvent, ModelRequest, ScriptedModel, Step
from agents.models.read_pacing import coalescing_delay
from agents.turn.inputs import Resolve
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, rest, say, spoken, until, watching

WORDS = " ".join(f"word{number}" for number in range(80))


def logged(seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in seen if "v" in event]


def deltas(seen: list[dict[str, Any]], kind: str = "text_delta") -> list[dict[str, Any]]:
    return [event for event in seen if event["type"] == kind]


class Reader:
    """Shows one message by the rule for clients: 0 replaces, the next appends, what is known is dropped."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def take(self, delta: dict[str, Any]) -> None:
        if delta["index"] == 0:
            self.text = delta["text"]
        elif delta["index"] <= len(self.text) < delta["next"]:
            self.text += delta["text"][len(self.text) - delta["index"] :]
        else:
            assert delta["next"] <= len(self.text), "a piece is missing"


class Unhurried(ScriptedModel):
    """Waits with a word while no watcher would see it earlier, and notes for how long in all."""

    waited = 0.0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        async for event in super().stream(request):
            yield event
            self.waited += coalescing_delay()
            await asyncio.sleep(coalescing_delay() + 0.01)


async def test_a_model_is_told_while_its_words_would_only_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Unhurried([Step("one two three four five")])
    conversation = await world.start(Agent(name="a", model=model))
    monkeypatch.setattr(store.live.publisher, "INTERVAL_SECONDS_EACH", 1.0)
    await say(conversation)
    await rest(conversation)
    assert spoken(await world.events()) == [("one two three four five", "completed")]
    assert model.waited > 0


async def test_the_order_of_a_turn_with_a_tool(world: World) -> None:
    bench = Bench()
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_completed")

    assert watcher.types == [
        *("user_msg", "turn_started", "state_changed", "state_changed"),
        *("assistant_msg", "tool_call", "message_completed", "tool_call_started", "state_changed"),
        *("tool_result", "tool_call_resolved", "state_changed", "state_changed", "text_delta"),
        *("assistant_msg", "turn_ended", "message_completed", "state_changed", "turn_completed"),
    ]


async def test_the_log_on_the_air_is_the_log(world: World) -> None:
    bench = Bench(approval="required")
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("state_changed", state="awaiting_input")
        await rest(conversation)  # the watchers are told in the same step as the log, so before the writer itself
        [tool_call_id] = conversation.inspect().pending
        await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))
        await watcher.until("turn_completed")

    told = logged(watcher.seen)
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert [event["type"] for event in told] == [
        *("user_msg", "assistant_msg", "tool_call", "suspension", "resolution", "tool_result"),
        *("assistant_msg", "turn_ended"),
    ]
    assert len(told) == len(await world.log())
    assert {event["conversation_id"] for event in watcher.seen} == {"c"}
    assert {event["turn"] for event in watcher.seen} == {1}


async def test_who_waits_is_told_with_the_question(world: World) -> None:
    bench = Bench(approval="required")
    conversation = await world.start(worker(bench.tool))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("state_changed", state="awaiting_input")
    await rest(conversation)  # the watchers are told in the same step as the log, so before the writer itself
    [suspended] = [event for event in watcher.seen if event["type"] == "suspended"]
    assert suspended["pending"] == conversation.inspect().pending
    assert watcher.types[-2:] == ["suspended", "state_changed"]


async def test_the_pieces_of_an_answer_fit(world: World) -> None:
    model = ScriptedModel([Step(WORDS, thinking="let me think about it")], delay=0.001)
    conversation = await world.start(Agent(name="a", model=model))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_completed")

    for kind, whole in (("text_delta", WORDS), ("thinking_delta", "let me think about it")):
        pieces = deltas(watcher.seen, kind)
        assert [piece["index"] for piece in pieces] == [0, *(piece["next"] for piece in pieces[:-1])]
        assert all(len(piece["text"]) == piece["next"] - piece["index"] for piece in pieces)
        assert "".join(piece["text"] for piece in pieces) == whole
    types = [event["type"] for event in watcher.seen]
    last_piece = max(i for i, kind in enumerate(types) if kind == "text_delta")
    assert last_piece < types.index("assistant_msg"), "the last words precede the end of the answer"
    [answer] = [event for event in watcher.seen if event["type"] == "assistant_msg"]
    assert {piece["message_id"] for piece in deltas(watcher.seen)} == {answer["message_id"]}


async def test_who_joins_in_mid_sentence_misses_nothing(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step(WORDS)], delay=0.005)))
    await say(conversation)
    await until(lambda: (conversation.inspect().streaming or {}).get("text"))

    async with watching(world.store) as watcher:
        streaming = conversation.inspect().streaming
        assert streaming is not None
        reader = Reader(streaming["text"])
        await watcher.until("turn_completed")

    assert WORDS.startswith(streaming["text"])
    for piece in deltas(watcher.seen):
        reader.take(piece)
    assert reader.text == WORDS


async def test_the_answer_under_way_is_what_has_been_told(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("half a sentence", hangs="after")])))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("text_delta", next=len("half a sentence"))
        streaming = conversation.inspect().streaming
        assert streaming is not None
        assert "".join(piece["text"] for piece in deltas(watcher.seen)) == streaming["text"]
        assert {piece["message_id"] for piece in deltas(watcher.seen)} == {streaming["message_id"]}
        await conversation.cancel()
        await watcher.until("turn_cancelled")
    assert conversation.inspect().streaming is None
    [answer] = [event for event in watcher.seen if event["type"] == "assistant_msg"]
    assert (answer["message_id"], answer["status"]) == (streaming["message_id"], "cancelled")


async def test_an_answer_repeated_after_a_crash_is_another_message(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("half", hangs="after")]))
    conversation = await world.start(agent)
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("text_delta", next=4)
        await world.crash(conversation)
        again = await world.open(Agent(name="a", model=ScriptedModel([Step("whole")])))
        await watcher.until("turn_completed")
    assert await rest(again) == "idle"
    first, second = deltas(watcher.seen)
    assert first["message_id"] != second["message_id"]
    assert (second["index"], second["text"]) == (0, "whole")
    assert spoken(await world.events()) == [("whole", "completed")]


async def test_of_two_conversations_each_is_told_apart(world: World) -> None:
    one = await world.start(worker(calls=[]), "one")
    two = await world.start(worker(calls=[]), "two")
    async with watching(world.store, "one") as watcher:
        await say(two)
        await rest(two)
        await say(one)
        await watcher.until("turn_failed")
    assert {event["conversation_id"] for event in watcher.seen} == {"one"}


async def test_errors_of_tools_are_told_as_such(world: World) -> None:
    conversation = await world.start(worker(calls=[Call("fly")]))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_completed")
    [errored] = [event for event in watcher.seen if event["type"] == "tool_call_errored"]
    assert errored["status"] == "error"


async def test_what_the_model_says_while_a_cancel_is_written_reaches_no_watcher(world: World) -> None:
    """The text that is kept is fixed when the cancel is decided: later words would vanish from the watcher's screen."""
    store = world.connect()
    model = ScriptedModel([Step(f"{WORDS} " * 100)])  # it must not be done before the cancel comes
    await world.create(agent := Agent(name="a", model=model))
    conversation = await world.open(agent, store=store)
    append = store.log.append

    async def slow(*arguments: Any, **options: Any) -> int:
        if b"cancelled" in b"".join(arguments[1]):
            said = conversation.inspect().streaming["text"]
            for _ in range(1000):  # in which the model could say a thousand words
                await asyncio.sleep(0)
            assert conversation.inspect().streaming["text"] == said, "nor is it shown to a watcher who joins now"
            await store.live.flush()
        return await append(*arguments, **options)

    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("text_delta")
        store.log.append = slow
        await conversation.cancel()
        await watcher.until("turn_cancelled")

    reader = Reader()
    for delta in deltas(watcher.seen):
        reader.take(delta)
    assert spoken(await world.events()) == [(reader.text, "cancelled")]
