"""The parent conversation asks a sub-agent's questions, and the answer is forwarded to the sub-agent."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agents.clock import now_ms
from agents.context import AgentContext
from agents.errors import Refused
from agents.interrupt import Interrupt
from agents.models import Call, Step
from agents.tools import ToolContext, tool
from agents.turn.events import Resolution, Suspension
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversations import World, ends, rest, results, say, text, until, watching
from tests.support.sub_agent_world import (
    LetterTool,
    boss,
    child_of,
    manager,
    scholar,
    task,
    wait_for_end,
    wait_for_question,
)


def answer(tool_call_id: str, decision: Any = "approve", **fields: Any) -> Resolve:
    return Resolve(tool_call_id=tool_call_id, decision=decision, **{"principal": "bob", **fields})


async def test_the_parent_asks_the_question(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, shown = await wait_for_question(parent)

    child = await child_of(world)
    [child_conversation] = (await world.doors.reach(child.id)).inspect().pending.items()
    assert (shown["kind"], shown["name"], shown["prompt"]) == ("approval", "task", "clerk asks: Send a letter.")
    assert shown["decisions"] == ["approve", "edit", "reject", "respond"]
    assert shown["form"]["call"] == {
        "conversation": child.id,
        "agent": "clerk",
        "tool_call_id": child_conversation[0],
        "name": "send",
        "arguments": {"words": "hello"},
    }
    assert shown["arguments_hash"] not in (None, child_conversation[1]["arguments_hash"])
    assert 0 < shown["expires_at"] - child_conversation[1]["expires_at"] <= 6000
    assert letters.sent == []
    assert tool_call_id == child.parent_call


async def test_an_approval_reaches_the_tool_with_the_approver(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await parent.send(UserMessage(content=text("go"), principal="ada"), AgentContext(values={"mark": 7}))
    tool_call_id, _ = await wait_for_question(parent)
    await parent.resolve(answer(tool_call_id), AgentContext(principal="bob"))
    assert await rest(parent) == "idle"
    assert letters.sent == [("hello", "bob", {"mark": 7})]
    assert results(await world.events()) == [("ok", "sent")]


async def test_an_edit_changes_the_sub_agents_arguments(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    await parent.resolve(answer(tool_call_id, "edit", arguments={"words": "good day"}))
    assert await rest(parent) == "idle"
    assert [words for words, *_ in letters.sent] == ["good day"]
    assert results(await world.events()) == [("ok", "sent")]


async def test_an_answer_that_the_tool_cannot_take_is_asked_for_again(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, first = await wait_for_question(parent)
    await parent.resolve(answer(tool_call_id, "edit", arguments={"letters": 1}))
    again, second = await wait_for_question(parent)
    assert (again, second["form"]) == (tool_call_id, first["form"])
    assert second["prompt"] == (
        "clerk asks: Send a letter. (Invalid arguments for send: words: Field required; "
        "letters: Unexpected keyword argument)"
    )
    await parent.resolve(answer(tool_call_id, "edit", arguments={"words": "good day"}))
    assert await rest(parent) == "idle"
    assert [words for words, *_ in letters.sent] == ["good day"]


@pytest.mark.parametrize(
    ("decision", "fields", "result"),
    [
        ("reject", {"reason": "too rude"}, ("denied", "Denied by the user: too rude")),
        ("respond", {"answer": "I sent it myself"}, ("ok", "I sent it myself")),
    ],
)
async def test_reject_and_respond_are_read_by_the_sub_agent(
    world: World, decision: str, fields: dict[str, Any], result: tuple[str, str]
) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    await parent.resolve(answer(tool_call_id, decision, **fields))
    assert await rest(parent) == "idle"
    assert results(await world.events((await child_of(world)).id)) == [result]
    assert letters.sent == []


async def test_several_questions_are_asked_one_after_another(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("one", "two"), calls=[task("clerk", "write")]))
    await say(parent)
    seen = []
    for _ in range(2):
        tool_call_id, shown = await wait_for_question(parent)
        seen.append(shown["form"]["call"]["arguments"]["words"])
        await parent.resolve(answer(tool_call_id, arguments_hash=shown["arguments_hash"]))
    assert await rest(parent) == "idle"
    assert seen == ["one", "two"]
    assert [words for words, *_ in letters.sent] == ["one", "two"]


async def test_what_was_shown_for_one_question_does_not_answer_the_next(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("same", "same"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, first = await wait_for_question(parent)
    decision = answer(tool_call_id, arguments_hash=first["arguments_hash"])
    counted = await parent.resolve(decision)
    await wait_for_question(parent)
    assert await parent.resolve(decision) == replace(counted, duplicate=True), "it repeats the first answer"
    with pytest.raises(Refused) as refused:
        await parent.resolve(replace(decision, principal="eve"))
    assert refused.value.code == "arguments_changed"
    assert len(letters.sent) == 1


async def test_the_root_asks_a_question_from_two_levels_down(world: World) -> None:
    letters = LetterTool()
    middle = manager(letters.clerk("hello"), calls=[task("clerk", "write")])
    root = await world.start(boss(middle, calls=[task("manager", "see to it")]))
    await say(root)
    tool_call_id, shown = await wait_for_question(root)

    child = await child_of(world)
    grandchild = await child_of(world, child.id)
    assert shown["prompt"] == "manager asks: clerk asks: Send a letter."
    call = shown["form"]["call"]
    assert (call["conversation"], call["agent"], call["name"]) == (grandchild.id, "clerk", "send")
    await root.resolve(answer(tool_call_id, arguments_hash=shown["arguments_hash"]))
    assert await rest(root) == "idle"
    assert [(words, principal) for words, principal, _ in letters.sent] == [("hello", "bob")]
    assert results(await world.events()) == [("ok", "managed")]
    assert ends(await world.events(grandchild.id)) == [("completed", None)]


async def test_a_person_is_asked_through_a_human_tool(world: World) -> None:
    @tool(executor="human")
    def ask(question: str) -> str:
        """Ask a person."""
        return question

    clerk = scholar(Step(calls=[Call("ask", {"question": "who?"})]), Step("thanks"), name="clerk", tools=(ask,))
    parent = await world.start(boss(clerk, calls=[task("clerk", "find out")]))
    await say(parent)
    tool_call_id, shown = await wait_for_question(parent)
    assert (shown["kind"], shown["decisions"]) == ("elicitation", ["respond", "reject"])
    await parent.resolve(answer(tool_call_id, "respond", answer="Ada"))
    assert await rest(parent) == "idle"
    assert results(await world.events((await child_of(world)).id)) == [("ok", "Ada")]


async def test_a_call_for_a_client_becomes_a_question(world: World) -> None:
    @tool(executor="client")
    def photograph(what: str) -> str:
        """Take a picture."""
        return what

    clerk = scholar(Step(calls=[Call("photograph", {"what": "ray"})]), Step("ok"), name="clerk", tools=(photograph,))
    parent = await world.start(boss(clerk, calls=[task("clerk", "find out")]))
    await say(parent)
    tool_call_id, shown = await wait_for_question(parent)
    assert (shown["kind"], shown["form"]["call"]["name"]) == ("elicitation", "photograph")
    await parent.resolve(answer(tool_call_id, "respond", answer="a picture"))
    assert await rest(parent) == "idle"
    assert results(await world.events((await child_of(world)).id)) == [("ok", "a picture")]


async def test_a_question_expires_at_the_sub_agent_and_then_at_the_parent(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await wait_for_question(parent)
    child = await child_of(world)
    for conversation_id in (child.id, "c"):
        await world.crash(await world.doors.reach(conversation_id))

    def next_week() -> int:
        return now_ms() + 7 * 86_400_000

    await world.revive(child.id, clock=next_week)
    await world.revive("c", clock=next_week)
    await wait_for_end(world)
    assert results(await world.events(child.id)) == [("timeout", "Nobody answered in time.")]
    assert results(await world.events()) == [("ok", "sent")]
    assert [event.decision for event in await world.events() if isinstance(event, Resolution)] == ["expire"]
    assert letters.sent == []


async def test_an_answer_after_a_cancel_of_the_sub_agent_is_ignored(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    child = await child_of(world)
    await world.doors.cancel(child.id, "ada")
    await parent.resolve(answer(tool_call_id))
    assert await rest(parent) == "idle"
    assert letters.sent == []
    assert results(await world.events()) == [("error", "The sub-agent clerk was cancelled.")]


async def test_an_answer_counts_after_all_conversations_have_died(world: World) -> None:
    letters = LetterTool()
    middle = manager(letters.clerk("hello"), calls=[task("clerk", "write")])
    root = await world.start(boss(middle, calls=[task("manager", "see to it")]))
    await say(root)
    tool_call_id, _ = await wait_for_question(root)
    for living in tuple(world.doors.live.values()):
        await world.crash(living)
    root = await world.revive("c")
    await root.resolve(answer(tool_call_id))
    assert await rest(root) == "idle"
    assert [words for words, *_ in letters.sent] == ["hello"]
    assert results(await world.events()) == [("ok", "managed")]


class AskTwice:
    """A tool that asks the same thing twice in one call."""

    def __init__(self) -> None:
        self.agreed = 0

        @tool
        async def sign(context: ToolContext) -> str:
            """Sign a contract."""
            if context.resolution is not None:
                self.agreed += 1
            if self.agreed < 2:
                raise Interrupt("Sign?")
            return "signed"

        self.tool = sign


async def test_an_answer_is_for_one_question_even_if_the_same_is_asked_again(world: World) -> None:
    """The parent dies after it has forwarded the answer, and forwards it again: the second question stays open."""
    asking = AskTwice()
    clerk = scholar(Step(calls=[Call("sign")]), Step("done"), name="clerk", tools=(asking.tool,))
    parent = await world.start(boss(clerk, calls=[task("clerk", "sign")]))
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    child = await child_of(world)

    # Forward the answer as the parent does; the parent learns of it only when it forwards the answer itself.
    child_conversation = await world.doors.reach(child.id)
    [signing] = child_conversation.inspect().pending
    await child_conversation.resolve(answer(signing))
    await until(lambda: asking.agreed == 1)
    assert await rest(child_conversation) == "awaiting_input"
    await parent.resolve(answer(tool_call_id))
    await until(lambda: len(parent.history.facts.suspended) == 1)

    await wait_for_question(parent)
    assert asking.agreed == 1
    await parent.resolve(answer(tool_call_id))
    assert await rest(parent) == "idle"
    assert asking.agreed == 2


async def test_each_question_is_bound_to_one_suspension(world: World) -> None:
    asking = AskTwice()
    clerk = scholar(Step(calls=[Call("sign")]), Step("done"), name="clerk", tools=(asking.tool,))
    middle = manager(clerk, calls=[task("clerk", "sign")])
    root = await world.start(boss(middle, calls=[task("manager", "sign")]))
    await say(root)
    hashes = []
    for _ in range(2):
        tool_call_id, shown = await wait_for_question(root)
        hashes.append(shown["arguments_hash"])
        await root.resolve(answer(tool_call_id))
    assert await rest(root) == "idle"
    child = await child_of(world)
    hashes += [event.arguments_hash for event in await world.events(child.id) if isinstance(event, Suspension)]
    assert len(set(hashes)) == 4
    assert results(await world.events()) == [("ok", "managed")]


async def test_a_question_is_asked_while_other_calls_run(world: World) -> None:
    letters, gate = LetterTool(), asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        await gate.wait()
        return "waited"

    calls = [Call("wait"), Call("send", {"words": "hello"})]
    clerk = scholar(Step(calls=calls), Step("sent"), name="clerk", tools=(wait, letters.tool))
    parent = await world.start(boss(clerk, calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    await parent.resolve(answer(tool_call_id))
    await until(lambda: letters.sent)
    gate.set()
    assert await rest(parent) == "idle"


async def test_watchers_see_that_the_sub_agent_waits(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    async with watching(world.store) as watcher:
        await say(parent)
        seen = await watcher.until("suspended")
    child = await child_of(world)
    progress = [event["progress"] for event in seen if event["type"] == "tool_progress"]
    assert progress[-1] == {"conversation": child.id, "state": "awaiting_input"}
