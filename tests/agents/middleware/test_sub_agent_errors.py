"""Errors between a conversation and its sub-agent are retried, or become a tool error that the model can read."""

import asyncio
from typing import Any

import pytest

from agents.errors import TRANSIENT_CODES, Refused
from agents.middleware.pipeline.exchange import Reply
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.sub_agent import sub_agent_call
from agents.middleware.sub_agent.log_reader import Ending
from agents.models import Call, Step
from agents.turn.events import StatePatch
from agents.turn.inputs import Resolve
from store import StoreUnavailable
from tests.support.conversation_workbench import Bench
from tests.support.conversations import World, ends, rest, results, say, until
from tests.support.sub_agent_world import LetterTool, boss, child_of, scholar, task, wait_for_end, wait_for_question


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sub_agent_call, "FIRST_PAUSE_SECONDS", 0.001)


def passing_errors() -> list[Exception]:
    """Errors worth a retry: a transient refusal, an outage of the store, an error of the transport."""
    refusals = [Refused(code, "Not now.") for code in sorted(TRANSIENT_CODES)]
    return [*refusals, StoreUnavailable("gone fishing"), OSError("no way there")]


async def test_errors_while_sending_the_task_and_the_answer(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    world.doors.trouble += passing_errors()
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    assert world.doors.trouble == []
    # The message is sent again, as a duplicate, before the answer is forwarded.
    world.doors.trouble += [None, *passing_errors()]
    await parent.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))
    await until(lambda: world.doors.trouble == [])
    assert await rest(parent) == "idle"
    assert [words for words, *_ in letters.sent] == ["hello"]
    assert results(await world.events()) == [("ok", "sent")]


async def test_errors_while_forwarding_the_answer(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    for error in passing_errors():
        world.doors.trouble += [None, error]  # each time the message arrives and the answer does not
    await parent.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))
    assert await rest(parent) == "idle"
    assert world.doors.trouble == []
    assert [words for words, *_ in letters.sent] == ["hello"]


async def test_errors_while_cancelling(world: World) -> None:
    bench = Bench()
    worker = scholar(Step(calls=[Call("work")]), tools=(bench.tool,))
    parent = await world.start(boss(worker, calls=[task("scholar", "go")]))
    await say(parent)
    await bench.begun()
    world.doors.trouble += passing_errors()
    await parent.cancel("ada")
    child = await child_of(world)
    await until(lambda: bench.cancelled == 1)
    await wait_for_end(world, child.id)
    assert world.doors.trouble == []
    assert ends(await world.events(child.id)) == [("cancelled", "user_cancelled")]


async def test_errors_that_do_not_pass(world: World) -> None:
    parent = await world.start(boss(scholar(Step("A beam.")), calls=[task("scholar", "go")]))
    world.doors.trouble += [OSError("no way there")] * sub_agent_call.MAX_FAILURES
    await say(parent)
    assert await rest(parent) == "idle"
    assert results(await world.events()) == [("error", "The sub-agent scholar cannot be reached.")]


async def test_an_agent_that_the_deployment_does_not_have_any_more(world: World) -> None:
    bench = Bench()
    gone, other = scholar(Step(calls=[Call("work")]), tools=(bench.tool,)), scholar(Step("hm"), name="other")
    parent = await world.start(boss(gone, calls=[task("scholar", "go")]))
    await say(parent)
    await bench.begun()
    for conversation in tuple(world.doors.live.values()):
        await world.crash(conversation)
    parent = await world.open(boss(other, calls=[]))
    await wait_for_end(world)
    assert results(await world.events()) == [("error", "There is no agent named scholar. Agents: other.")]
    await world.open(boss(gone, calls=[]))  # now the sub-agent finds that its parent's call has ended
    child = await child_of(world)
    await wait_for_end(world, child.id)
    assert ends(await world.events(child.id)) == [("cancelled", "user_cancelled")]


async def test_a_conversation_that_is_deleted_under_the_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sub_agent_call, "LOOK_SECONDS", 0.02)
    bench = Bench()
    parent = await world.start(
        boss(scholar(Step(calls=[Call("work")]), tools=(bench.tool,)), calls=[task("scholar", "go")])
    )
    await say(parent)
    await bench.begun()
    await world.store.registry.delete((await child_of(world)).id)
    assert await rest(parent) == "idle"
    assert results(await world.events()) == [("error", "The conversation of the sub-agent scholar was deleted.")]


class PatchAfterTurn(Middleware):
    """Patches its state after the end of a turn."""

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        context.background(self._patch_after_end(context))
        return reply

    async def _patch_after_end(self, context: TurnContext) -> None:
        log = context.services.store.log
        while b"turn_ended" not in (await log.read_back(context.conversation_id, limit=1))[0].data:  # noqa: ASYNC110
            await asyncio.sleep(0)
        context.patch_later({"done": True})


async def test_a_patch_after_the_end_does_not_hide_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read, gate = sub_agent_call.read_ending, asyncio.Event()

    async def late(*turn: Any) -> Ending | None:
        await gate.wait()
        return await read(*turn)

    monkeypatch.setattr(sub_agent_call, "read_ending", late)
    worker = scholar(Step("A beam."), middleware=(PatchAfterTurn(),))
    parent = await world.start(boss(worker, calls=[task("scholar", "go")]))
    await say(parent)
    await until(lambda: "c.toolu_scripted_0_0" in world.doors.live)
    child = world.doors.live["c.toolu_scripted_0_0"]
    await until(lambda: child.history.events and isinstance(child.history.events[-1], StatePatch))
    gate.set()
    assert await rest(parent) == "idle"
    assert results(await world.events()) == [("ok", "A beam.")]
