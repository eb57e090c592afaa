"""A sub-agent's questions show at the conversation it works for, and the answer finds its way down."""

import asyncio
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
from tests.support.sub_agent_world import Post, asked, boss, child_of, ended, manager, scholar, task


def answer(tool_call_id: str, decision: Any = "approve", **fields: Any) -> Resolve:
    return Resolve(tool_call_id=tool_call_id, decision=decision, **{"principal": "bob", **fields})


async def test_the_question_shows_at_the_parent(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, shown = await asked(parent)

    child = await child_of(world)
    [below] = (await world.doors.reach(child.id)).inspect().pending.items()
    assert (shown["kind"], shown["name"], shown["prompt"]) == ("approval", "task", "clerk asks: Send a letter.")
    assert shown["decisions"] == ["approve", "edit", "reject", "respond"]
    assert shown["form"]["call"] == {
        "conversation": child.id,
        "agent": "clerk",
        "tool_call_id": below[0],
        "name": "send",
        "arguments": {"words": "hello"},
    }
    assert shown["arguments_hash"] not in (None, below[1]["arguments_hash"])
    assert 0 < shown["expires_at"] - below[1]["expires_at"] <= 6000
    assert post.sent == []
    assert tool_call_id == child.parent_call


async def test_approve_reaches_the_tool_with_the_approver(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await parent.send(UserMessage(content=text("go"), principal="ada"), AgentContext(values={"mark": 7}))
    tool_call_id, _ = await asked(parent)
    await parent.resolve(answer(tool_call_id), AgentContext(principal="bob"))
    assert await rest(parent) == "idle"
    assert post.sent == [("hello", "bob", {"mark": 7})]
    assert results(await world.events()) == [("ok", "sent")]


async def test_edit_changes_the_arguments_below(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await asked(parent)
    await parent.resolve(answer(tool_call_id, "edit", arguments={"words": "good day"}))
    assert await rest(parent) == "idle"
    assert [words for words, *_ in post.sent] == ["good day"]
    assert results(await world.events()) == [("ok", "sent")]


async def test_an_answer_that_the_tool_cannot_take_is_asked_for_again(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, first = await asked(parent)
    await parent.resolve(answer(tool_call_id, "edit", arguments={"letters": 1}))
    again, second = await asked(parent)
    assert (again, second["form"]) == (tool_call_id, first["form"])
    assert second["prompt"] == (
        "clerk asks: Send a letter. (Invalid arguments for send: words: Field required; "
        "letters: Unexpected keyword argument)"
    )
    await parent.resolve(answer(tool_call_id, "edit", arguments={"words": "good day"}))
    assert await rest(parent) == "idle"
    assert [words for words, *_ in post.sent] == ["good day"]


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
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await asked(parent)
    await parent.resolve(answer(tool_call_id, decision, **fields))
    assert await rest(parent) == "idle"
    assert results(await world.events((await child_of(world)).id)) == [result]
    assert post.sent == []


async def test_several_questions_are_asked_one_after_another(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("one", "two"), calls=[task("clerk", "write")]))
    await say(parent)
    seen = []
    for _ in range(2):
        tool_call_id, shown = await asked(parent)
        seen.append(shown["form"]["call"]["arguments"]["words"])
        await parent.resolve(answer(tool_call_id, arguments_hash=shown["arguments_hash"]))
    assert await rest(parent) == "idle"
    assert seen == ["one", "two"]
    assert [words for words, *_ in post.sent] == ["one", "two"]


async def test_what_was_shown_for_one_question_does_not_answer_the_next(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("same", "same"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, first = await asked(parent)
    await parent.resolve(answer(tool_call_id, arguments_hash=first["arguments_hash"]))
    await asked(parent)
    with pytest.raises(Refused) as refused:
        await parent.resolve(answer(tool_call_id, arguments_hash=first["arguments_hash"]))
    assert refused.value.code == "arguments_changed"
    assert len(post.sent) == 1


async def test_a_question_from_two_levels_down_shows_at_the_root(world: World) -> None:
    post = Post()
    middle = manager(post.clerk("hello"), calls=[task("clerk", "write")])
    root = await world.start(boss(middle, calls=[task("manager", "see to it")]))
    await say(root)
    tool_call_id, shown = await asked(root)

    child = await child_of(world)
    grandchild = await child_of(world, child.id)
    assert shown["prompt"] == "manager asks: clerk asks: Send a letter."
    call = shown["form"]["call"]
    assert (call["conversation"], call["agent"], call["name"]) == (grandchild.id, "clerk", "send")
    await root.resolve(answer(tool_call_id, arguments_hash=shown["arguments_hash"]))
    assert await rest(root) == "idle"
    assert [(words, principal) for words, principal, _ in post.sent] == [("hello", "bob")]
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
    tool_call_id, shown = await asked(parent)
    assert (shown["kind"], shown["decisions"]) == ("elicitation", ["respond", "reject"])
    await parent.resolve(answer(tool_call_id, "respond", answer="Ada"))
    assert await rest(parent) == "idle"
    assert results(await world.events((await child_of(world)).id)) == [("ok", "Ada")]


async def test_what_a_device_shall_do_for_a_sub_agent_is_a_question_too(world: World) -> None:
    @tool(executor="client")
    def photograph(what: str) -> str:
        """Take a picture."""
        return what

    clerk = scholar(Step(calls=[Call("photograph", {"what": "ray"})]), Step("ok"), name="clerk", tools=(photograph,))
    parent = await world.start(boss(clerk, calls=[task("clerk", "find out")]))
    await say(parent)
    tool_call_id, shown = await asked(parent)
    assert (shown["kind"], shown["form"]["call"]["name"]) == ("elicitation", "photograph")
    await parent.resolve(answer(tool_call_id, "respond", answer="a picture"))
    assert await rest(parent) == "idle"
    assert results(await world.events((await child_of(world)).id)) == [("ok", "a picture")]


async def test_what_is_not_answered_in_time_runs_out_below_and_then_above(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await asked(parent)
    child = await child_of(world)
    for conversation_id in (child.id, "c"):
        await world.crash(await world.doors.reach(conversation_id))

    def next_week() -> int:
        return now_ms() + 7 * 86_400_000

    await world.revive(child.id, clock=next_week)
    await world.revive("c", clock=next_week)
    await ended(world)
    assert results(await world.events(child.id)) == [("timeout", "Nobody answered in time.")]
    assert results(await world.events()) == [("ok", "sent")]
    assert [event.decision for event in await world.events() if isinstance(event, Resolution)] == ["expire"]
    assert post.sent == []


async def test_an_answer_after_the_sub_agent_gave_up_is_ignored(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await asked(parent)
    child = await child_of(world)
    await world.doors.cancel(child.id, "ada")
    await parent.resolve(answer(tool_call_id))
    assert await rest(parent) == "idle"
    assert post.sent == []
    assert results(await world.events()) == [("error", "The sub-agent clerk was cancelled.")]


async def test_the_answer_counts_when_everybody_has_died_meanwhile(world: World) -> None:
    post = Post()
    middle = manager(post.clerk("hello"), calls=[task("clerk", "write")])
    root = await world.start(boss(middle, calls=[task("manager", "see to it")]))
    await say(root)
    tool_call_id, _ = await asked(root)
    for living in tuple(world.doors.live.values()):
        await world.crash(living)
    root = await world.revive("c")
    await root.resolve(answer(tool_call_id))
    assert await rest(root) == "idle"
    assert [words for words, *_ in post.sent] == ["hello"]
    assert results(await world.events()) == [("ok", "managed")]


class Twice:
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
    """The parent dies after it has handed the answer down, and hands it down again: the second question stands."""
    twice = Twice()
    clerk = scholar(Step(calls=[Call("sign")]), Step("done"), name="clerk", tools=(twice.tool,))
    parent = await world.start(boss(clerk, calls=[task("clerk", "sign")]))
    await say(parent)
    tool_call_id, _ = await asked(parent)
    child = await child_of(world)

    # Hand the answer down as the parent does, and let the parent learn of it only by its own repetition.
    below = await world.doors.reach(child.id)
    [signing] = below.inspect().pending
    await below.resolve(answer(signing))
    await until(lambda: twice.agreed == 1)
    assert await rest(below) == "awaiting_input"
    await parent.resolve(answer(tool_call_id))
    await until(lambda: len(parent.history.facts.suspended) == 1)

    await asked(parent)
    assert twice.agreed == 1
    await parent.resolve(answer(tool_call_id))
    assert await rest(parent) == "idle"
    assert twice.agreed == 2


async def test_each_question_is_bound_to_its_own_place_in_the_sub_agents_log(world: World) -> None:
    twice = Twice()
    clerk = scholar(Step(calls=[Call("sign")]), Step("done"), name="clerk", tools=(twice.tool,))
    middle = manager(clerk, calls=[task("clerk", "sign")])
    root = await world.start(boss(middle, calls=[task("manager", "sign")]))
    await say(root)
    hashes = []
    for _ in range(2):
        tool_call_id, shown = await asked(root)
        hashes.append(shown["arguments_hash"])
        await root.resolve(answer(tool_call_id))
    assert await rest(root) == "idle"
    child = await child_of(world)
    hashes += [event.arguments_hash for event in await world.events(child.id) if isinstance(event, Suspension)]
    assert len(set(hashes)) == 4
    assert results(await world.events()) == [("ok", "managed")]


async def test_a_question_while_others_still_work_is_asked_at_once(world: World) -> None:
    post, gate = Post(), asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        await gate.wait()
        return "waited"

    calls = [Call("wait"), Call("send", {"words": "hello"})]
    clerk = scholar(Step(calls=calls), Step("sent"), name="clerk", tools=(wait, post.tool))
    parent = await world.start(boss(clerk, calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await asked(parent)
    await parent.resolve(answer(tool_call_id))
    await until(lambda: post.sent)
    gate.set()
    assert await rest(parent) == "idle"


async def test_watchers_see_that_the_sub_agent_waits(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    async with watching(world.store) as watcher:
        await say(parent)
        seen = await watcher.until("suspended")
    child = await child_of(world)
    told = [event["progress"] for event in seen if event["type"] == "tool_progress"]
    assert told[-1] == {"conversation": child.id, "state": "awaiting_input"}
