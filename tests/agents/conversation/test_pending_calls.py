"""Calls that wait, of every kind: killed and revived, answered late, twice, wrongly or not at all."""

import pickle
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Expiries
from agents.context import AgentContext
from agents.conversation import Conversation, Receipt
from agents.errors import Refused, Superseded
from agents.interrupt import Interrupt
from agents.models import Call
from agents.tools import ToolContext, tool
from agents.turn.events import Resolution
from agents.turn.inputs import Resolve
from tests.support.answering import TOOLS, book, only, resolve, waiting
from tests.support.conversation_workbench import worker
from tests.support.conversations import World, ends, rest, results, say, until

DONE = [("completed", None)]

WAITING: dict[str, tuple[Call, list[dict[str, Any]], tuple[str, str]]] = {
    "approval": (Call("send", {"text": "hi"}), [{"decision": "approve"}], ("ok", "sent hi")),
    "question": (Call("ask", {"question": "?"}), [{"decision": "respond", "answer": "42"}], ("ok", "42")),
    "client": (Call("photograph", {"subject": "cat"}), [{"decision": "respond", "answer": "p"}], ("ok", "p")),
    "gated client": (
        Call("unlock", {"door": "front"}),
        [{"decision": "approve"}, {"decision": "respond", "answer": "open"}],
        ("ok", "open"),
    ),
    "a running tool": (Call("book", {"room": "A1"}), [{"decision": "approve"}], ("ok", "approve: A1 for bob")),
}


@pytest.mark.parametrize(("called", "decisions", "result"), WAITING.values(), ids=WAITING)
async def test_kill_and_revive_in_every_wait(
    world: World, called: Call, decisions: list[dict[str, Any]], result: tuple[str, str]
) -> None:
    agent = worker(*TOOLS, calls=[called])
    conversation = await waiting(world, agent)
    for decision in decisions:
        shown = conversation.inspect().pending
        await world.crash(conversation)
        conversation = await world.open(agent)
        assert await rest(conversation) == "awaiting_input"
        assert conversation.inspect().pending == shown
        await resolve(conversation, **decision)
    assert results(await world.events()) == [result]
    assert ends(await world.events()) == DONE


@pytest.mark.parametrize(("called", "decisions", "result"), WAITING.values(), ids=WAITING)
async def test_answers_that_come_late_twice_or_to_nothing(
    world: World, called: Call, decisions: list[dict[str, Any]], result: tuple[str, str]
) -> None:
    conversation = await waiting(world, worker(*TOOLS, calls=[called]))
    tool_call_id, _ = only(conversation)
    with pytest.raises(Refused) as unknown:
        await conversation.resolve(Resolve(tool_call_id="call_unknown", **decisions[0]))
    assert unknown.value.code == "stale_resolution"
    receipts = []
    for decision in decisions:
        receipts.append(await conversation.resolve(Resolve(tool_call_id=tool_call_id, principal="bob", **decision)))
        await rest(conversation)
    before = await world.events()
    for decision, receipt in zip(decisions, receipts, strict=True):
        same = Resolve(tool_call_id=tool_call_id, principal="bob", **decision)
        assert await conversation.resolve(same) == replace(receipt, duplicate=True), "the first counts, and it is it"
        for other in (replace(same, principal="eve"), replace(same, reason="because")):
            with pytest.raises(Refused) as late:
                await conversation.resolve(other)
            assert late.value.code == "stale_resolution"
    assert await world.events() == before
    assert results(before) == [result]


@pytest.mark.parametrize(("called", "decisions"), [waits[:2] for waits in WAITING.values()], ids=WAITING)
async def test_an_answer_after_a_cancel_is_stale(world: World, called: Call, decisions: list[dict[str, Any]]) -> None:
    conversation = await waiting(world, worker(*TOOLS, calls=[called]))
    tool_call_id, _ = only(conversation)
    await conversation.cancel("ada")
    with pytest.raises(Refused) as late:
        await conversation.resolve(Resolve(tool_call_id=tool_call_id, **decisions[0]))
    assert late.value.code == "stale_resolution"
    assert [status for status, _ in results(await world.events())] == ["cancelled"]
    assert ends(await world.events()) == [("cancelled", "user_cancelled")]


MALFORMED = [
    ("approval", {"decision": "edit"}),
    ("approval", {"decision": "edit", "arguments": {"text": 7}}),
    ("approval", {"decision": "edit", "arguments": {}}),
    ("approval", {"decision": "approve", "arguments": {"text": "x"}}),
    ("approval", {"decision": "respond"}),
    ("approval", {"decision": "nod"}),
    ("question", {"decision": "approve"}),
    ("question", {"decision": "respond"}),
    ("client", {"decision": "approve"}),
    ("client", {"decision": "edit", "arguments": {"subject": "dog"}}),
    ("gated client", {"decision": "edit", "arguments": {"door": None}}),
    ("a running tool", {"decision": "edit", "arguments": {"room": "B2"}}),
    ("a running tool", {"decision": "respond", "answer": "yes"}),
]


@pytest.mark.parametrize(("kind", "malformed"), MALFORMED)
async def test_an_answer_that_does_not_fit_changes_nothing(world: World, kind: str, malformed: dict[str, Any]) -> None:
    called, decisions, result = WAITING[kind]
    conversation = await waiting(world, worker(*TOOLS, calls=[called]))
    before, shown = await world.events(), conversation.inspect().pending
    with pytest.raises(Refused) as refused:
        await resolve(conversation, **malformed)
    assert refused.value.code == "invalid_decision"
    assert (await world.events(), conversation.inspect().pending) == (before, shown)
    for decision in decisions:
        await resolve(conversation, **decision)
    assert results(await world.events()) == [result]


async def test_a_running_tool_hears_that_no_person_answered(world: World) -> None:
    conversation = await world.start(worker(book, calls=[Call("book", {"room": "A1"})], expiries=Expiries(people=0.0)))
    await say(conversation)
    await until(lambda: ends(conversation.history.events))
    assert results(await world.events()) == [("ok", "Nobody was there.")]


QUESTIONS = {
    "questions": [
        {
            "id": "size",
            "prompt": "Which size?",
            "options": [{"value": "s", "label": "Small"}, {"value": "l", "label": "Large"}],
            "multiple": False,
            "free": False,
        }
    ]
}


@tool
def order(context: ToolContext) -> str:
    """Order, in a size that a person chooses."""
    if context.resolution is None:
        raise Interrupt("Which size?", "elicitation", form=QUESTIONS)
    return f"size {context.resolution.answer['size']}"


async def test_a_running_tools_form_is_checked_too(world: World) -> None:
    conversation = await waiting(world, worker(order, calls=[Call("order")]))
    assert only(conversation)[1]["form"] == QUESTIONS
    with pytest.raises(Refused) as refused:
        await resolve(conversation, "respond", answer={"size": "xl"})
    assert refused.value.detail == "The answer to size must be one of s, l, not 'xl'."
    await resolve(conversation, "respond", answer={"size": "l"})
    assert results(await world.events()) == [("ok", "size l")]


def broken(*_: Any) -> Any:
    raise KeyError("password=hunter2")


def form(arguments: Any) -> dict[str, Any]:
    return QUESTIONS


@tool(executor="human", form=broken)
def misshapen() -> None:
    """Ask with a form that cannot be made."""


@tool(executor="human", form=form)
def choose() -> None:
    """Ask with a form, and leave the check to its shape."""


@tool(executor="human", check_answer=broken)
def unchecked() -> None:
    """Ask with a check that fails."""


async def test_a_form_that_cannot_be_made_asks_no_person(world: World) -> None:
    conversation = await world.start(worker(misshapen, calls=[Call("misshapen")]))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("error", "The arguments for misshapen cannot be checked.")]


async def test_a_form_without_a_check_is_checked_by_its_shape(world: World) -> None:
    conversation = await waiting(world, worker(choose, calls=[Call("choose")]))
    for wrong in ("s", {}, {"size": "xl"}, {"size": "s", "colour": "red"}):
        with pytest.raises(Refused) as refused:
            await resolve(conversation, "respond", answer=wrong)
        assert refused.value.code == "invalid_decision"
    await resolve(conversation, "respond", answer={"size": "s"})
    assert results(await world.events()) == [("ok", '{"size": "s"}')]


async def test_an_answer_that_cannot_be_checked_is_not_taken(world: World) -> None:
    conversation = await waiting(world, worker(unchecked, calls=[Call("unchecked")]))
    with pytest.raises(Refused) as refused:
        await resolve(conversation, "respond", answer="yes")
    assert (refused.value.code, refused.value.detail) == ("invalid_decision", "This answer cannot be checked.")
    await resolve(conversation, "reject")
    assert results(await world.events()) == [("denied", "Denied by the user.")]


@tool
async def ask_twice(context: ToolContext) -> str:
    """Ask, and ask again."""
    if context.resolution is None:
        raise Interrupt("Delete it?", kind="approval")
    if not asked_again:
        asked_again.append(context.resolution)
        raise Interrupt("Really?", kind="approval")
    return f"{context.resolution.decision} by {context.resolution.principal}"


asked_again: list[Any] = []


async def test_a_door_that_repeats_a_decision_does_not_answer_the_next_question(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The incarnation dies behind the append; the next one runs the tool, which asks something else."""
    asked_again.clear()
    conversation = await waiting(world, worker(ask_twice, calls=[Call("ask_twice")]))
    call, _ = only(conversation)
    resolve_there = Conversation.resolve

    async def resolve_and_lose_the_answer(target: Conversation, *command: Any) -> Receipt:
        receipt = await resolve_there(target, *command)
        if target is conversation:
            await world.crash(conversation)
            await rest(await world.revive("c"))
            raise Superseded("c")
        return receipt

    monkeypatch.setattr(Conversation, "resolve", resolve_and_lose_the_answer)
    yes = Resolve(tool_call_id=call, decision="approve", principal="bob")
    context = AgentContext(principal="bob")
    first = await world.doors.resolve("c", yes, context)

    [logged] = [entry for entry in await world.log() if isinstance(entry.event, Resolution)]
    assert first == Receipt(logged.seq, 1, duplicate=True)
    newest = await world.doors.reach("c")
    assert only(newest)[1]["prompt"] == "Really?"
    second = await world.doors.resolve("c", yes, context)
    assert (second.seq > first.seq, second.duplicate) == (True, False), "it is for the question that waits now"
    await rest(newest)
    assert results(await world.events()) == [("ok", "approve by bob")]


async def test_a_resolution_of_the_code_before_is_understood() -> None:
    now = Resolve(tool_call_id="t", decision="approve", question=7, standing=("owner",))
    before = pickle.loads(pickle.dumps(now))
    before.__setstate__(now.__getstate__()[:-1])  # type: ignore[attr-defined]
    assert before == replace(now, standing=())
    before.__setstate__(now.__getstate__()[:-2])  # type: ignore[attr-defined]
    assert before == replace(now, standing=(), question=None)
