"""Two incarnations at once: the log knows one owner; the other writes nothing, calls nothing, and says so."""

import asyncio

import pytest

from agents.agent import Agent
from agents.codec import VERSION
from agents.conversation.ownership import PROOF_SECONDS
from agents.errors import Superseded
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.tools import ToolContext, tool
from agents.turn.inputs import Resolve
from store import ConversationNotFound
from store.errors import NewerFormat
from tests.servers.process import RedisServer
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, until


async def test_the_older_one_writes_nothing_and_goes(world: World) -> None:
    bench = Bench()
    older = await world.start(worker(bench.tool))
    newer = await world.open(worker(bench.tool))
    await say(newer)
    await bench.begun()
    before = await world.events()

    with pytest.raises(Superseded) as superseded:
        await say(older, "me too")

    assert superseded.value.conversation_id == "c"
    assert older.gone.done()
    assert await world.events() == before
    bench.finish.set()
    assert await rest(newer) == "idle"


async def test_the_older_one_asks_no_model_again_when_its_tool_finishes(world: World) -> None:
    asked: list[ModelRequest] = []
    bench, other = Bench(), Bench()

    def count(request: ModelRequest) -> Step:
        asked.append(request)
        return Step(calls=[Call("work")])

    older = await world.start(Agent(name="a", model=ScriptedModel(count), tools=(bench.tool,)))
    await say(older)
    await bench.begun()
    newer = await world.open(Agent(name="a", model=ScriptedModel([Step(), Step("done")]), tools=(other.tool,)))
    await other.begun()

    bench.finish.set()
    await older.gone

    assert len(asked) == 1
    assert results(await world.events()) == []
    other.finish.set()
    assert await rest(newer) == "idle"
    assert results(await world.events()) == [("ok", "any done")]


async def test_the_older_one_stops_all_that_it_has_under_way(world: World) -> None:
    stopped = asyncio.Event()
    bench = Bench()
    gated = Bench(approval="required", name="gated")

    @tool
    async def forever() -> str:
        """Never end."""
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    agent = worker(bench.tool, forever, gated.tool, calls=[Call("work"), Call("forever"), Call("gated")])
    older = await world.start(agent)
    await say(older)
    await bench.begun()
    await world.open(agent)

    bench.finish.set()

    await older.gone
    await stopped.wait()
    assert older._driver._effects._expiries == {}
    assert gated.runs == []


async def test_the_older_one_makes_no_call_that_it_had_logged_before(world: World) -> None:
    first, second, other = Bench(concurrency=1), Bench(name="second"), Bench()
    calls = [Call("work", {"job": "one"}), Call("work", {"job": "two"})]
    older = await world.start(worker(first.tool, second.tool, calls=calls))
    await say(older)
    await first.begun()
    await asyncio.sleep(2 * PROOF_SECONDS)  # longer than its append lets it act
    newer = await world.open(worker(other.tool, second.tool, calls=calls))
    await other.begun(runs=2)

    first.finish.set()  # makes room for the second call, before anything is appended
    await older.gone

    assert [context.tool_call_id for context in first.runs] == [other.runs[0].tool_call_id]
    other.finish.set()
    assert await rest(newer) == "idle"
    assert results(await world.events()) == [("ok", "one done"), ("ok", "two done")]


async def test_the_older_one_does_not_try_again(world: World) -> None:
    tries: list[str] = []
    begun, failing, other = asyncio.Event(), asyncio.Event(), Bench()

    @tool(name="work", retries=3)
    async def work(context: ToolContext) -> str:
        """Fail when told to."""
        tries.append(context.tool_call_id)
        begun.set()
        await failing.wait()
        raise ValueError("not now")

    older = await world.start(worker(work))
    await say(older)
    await begun.wait()
    newer = await world.open(worker(other.tool))
    await other.begun()

    failing.set()
    await older.gone

    assert tries == [other.runs[0].tool_call_id]
    other.finish.set()
    assert await rest(newer) == "idle"


async def test_a_call_waits_for_the_store_before_it_is_made_again(fragile: tuple[World, RedisServer]) -> None:
    world, server = fragile
    failing, tries = asyncio.Event(), list[int]()

    @tool(name="work", retries=1)
    async def work() -> str:
        """Fail once."""
        tries.append(len(tries))
        if len(tries) == 1:
            await failing.wait()
            raise ValueError("not now")
        return "done"

    conversation = await world.start(worker(work))
    await say(conversation)
    await until(lambda: tries)
    with server.paused():
        failing.set()
        await asyncio.sleep(4 * PROOF_SECONDS)  # the pause before the next try is over
        assert tries == [0], "the store cannot say whose call it is"

    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("ok", "done")]


async def test_what_newer_code_has_had_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = await world.start(Agent(name="a", model=ScriptedModel([Step("hi"), Step("again")])))
    await say(newer)
    await rest(newer)

    with monkeypatch.context() as older:
        older.setattr("agents.conversation.journal.VERSION", VERSION - 1)
        with pytest.raises(NewerFormat):
            await world.revive("c")

    await say(newer, "are you still there?")
    assert await rest(newer) == "idle", "it has not been fenced"


async def test_the_older_one_refuses_nothing_that_the_newer_one_would_accept(world: World) -> None:
    gated = Bench(approval="required")
    older = await world.start(worker(gated.tool))
    also_older = await world.open(worker(gated.tool))
    newer = await world.open(worker(gated.tool))
    await say(newer)
    assert await rest(newer) == "awaiting_input"
    [tool_call_id] = newer.inspect().pending

    with pytest.raises(Superseded):
        await older.cancel()
    with pytest.raises(Superseded):
        await also_older.resolve(Resolve(tool_call_id=tool_call_id, decision="approve"))

    assert older.gone.done()
    assert also_older.gone.done()
    await newer.cancel()


async def test_every_caller_that_waits_for_the_older_one_is_told(world: World) -> None:
    bench = Bench()
    older = await world.start(worker(bench.tool))
    await say(older)
    await bench.begun()
    await world.open(worker(bench.tool))

    answers = await asyncio.gather(
        say(older, "one", on_busy="queue"),
        say(older, "two", on_busy="interrupt"),
        older.cancel(),
        older.resolve(Resolve(tool_call_id="any", decision="approve")),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [Superseded] * 4
    with pytest.raises(Superseded):
        await older.cancel()
    assert (await older.rest()).epoch < (await world.store.registry.get("c")).epoch


async def test_each_of_many_incarnations_outdoes_the_one_before(world: World) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    incarnations = [await world.start(agent)]
    await say(incarnations[0])
    for number in range(1, 6):
        await bench.begun(runs=number)
        incarnations.append(await world.open(agent))
    await bench.begun(runs=6)

    bench.finish.set()
    await asyncio.gather(*(older.gone for older in incarnations[:-1]))

    assert await rest(incarnations[-1]) == "idle"
    assert len({context.tool_call_id for context in bench.runs}) == 1
    assert results(await world.events()) == [("ok", "any done")]
    assert ends(await world.events()) == [("completed", None)]


async def test_a_conversation_that_was_deleted_stays_deleted(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()

    await world.store.registry.delete("c")
    bench.finish.set()
    await conversation.gone

    with pytest.raises(ConversationNotFound):
        await world.store.registry.get("c")
    assert await world.events() == []


async def test_abandoned_means_silent(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()
    before = await world.events()

    conversation.abandon()
    await until(lambda: bench.cancelled == 1)

    with pytest.raises(Superseded):
        await say(conversation)
    assert await world.events() == before
