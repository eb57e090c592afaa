"""Who executes a call: the server, a person, a client, the provider; alone, and together in one answer."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from agents.agent import Agent, Expiries
from agents.errors import Refused, ToolError
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns
from agents.tools import Image, Tool, ToolContext, provider_tool, tool
from agents.turn.events import AssistantMsg, Resolution, Suspension, ToolCall
from agents.turn.inputs import Resolve
from tests.messages_api import MessagesServer, Reply
from tests.support.answering import ask, only, photograph, resolve, send, unlock, waiting
from tests.support.conversation_workbench import Bench, Talker, worker
from tests.support.conversations import World, ends, rest, results, say, until, watching

DONE = [("completed", None)]


async def test_the_server_executes(world: World) -> None:
    @tool
    def draw() -> Any:
        """Draw."""
        return ["Here:", Image(b"GIF89a", "image/gif")]

    conversation = await world.start(worker(draw, calls=[Call("draw")]))
    await say(conversation)
    assert await rest(conversation) == "idle"
    source = {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}
    expected = [{"type": "text", "text": "Here:"}, {"type": "image", "source": source}]
    assert results(await world.events()) == [("ok", str(expected))]


async def test_a_person_executes(world: World) -> None:
    conversation = await waiting(world, worker(ask, calls=[Call("ask", {"question": "Red or blue?"})]))
    _, shown = only(conversation)
    assert (shown["executor"], shown["kind"], shown["name"]) == ("human", "elicitation", "ask")
    await resolve(conversation, "respond", answer="blue")
    assert results(await world.events()) == [("ok", "blue")]


async def test_the_client_executes(world: World) -> None:
    conversation = await waiting(world, worker(photograph, calls=[Call("photograph", {"subject": "cat"})]))
    _, shown = only(conversation)
    assert (shown["executor"], shown["kind"], shown["name"]) == ("client", "client_exec", "photograph")
    await resolve(conversation, "respond", answer={"pixels": 12})
    assert results(await world.events()) == [("ok", '{"pixels": 12}')]


async def test_the_provider_executes(world: World, messages_api: MessagesServer, talker: Talker) -> None:
    searching = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tea"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    messages_api.enqueue(Reply(blocks=[searching, found, {"type": "text", "text": "Nothing."}]), Reply("Bye."))
    conversation = await world.start(talker(provider_tool("web_search_20250305", "web_search", max_uses=2)))
    for words in ("search", "thanks"):
        await say(conversation, words)
        assert await rest(conversation) == "idle"
    first, second = (request.body for request in messages_api.requests)
    assert [offer["name"] for offer in first["tools"]] == ["web_search"]
    assert first["tools"][0].items() >= {"type": "web_search_20250305", "max_uses": 2}.items()
    answers = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    assert [block["type"] for block in answers[0].content] == ["server_tool_use", "web_search_tool_result", "text"]
    returned = second["messages"][1]["content"]
    assert [block["type"] for block in returned] == ["server_tool_use", "web_search_tool_result", "text"]
    assert returned[0].items() >= searching.items()
    assert not any(isinstance(event, ToolCall) for event in await world.events()), "it is no call of ours"


async def test_a_gated_call_of_the_client_waits_twice(world: World) -> None:
    agent = worker(unlock, calls=[Call("unlock", {"door": "front"})])
    conversation = await waiting(world, agent)
    first_id, first = only(conversation)
    assert (first["kind"], first["executor"]) == ("approval", "client")

    await resolve(conversation, "edit", arguments={"door": "back"})

    second_id, second = only(conversation)
    assert (second_id, second["kind"]) == (first_id, "client_exec")
    assert second["arguments_hash"] != first["arguments_hash"], "it executes what was approved"
    with pytest.raises(Refused) as refused:
        await resolve(conversation, "approve")
    assert refused.value.code == "invalid_decision"
    await resolve(conversation, "respond", answer="open")

    events = await world.events()
    assert results(events) == [("ok", "open")]
    waits = [event.kind for event in events if isinstance(event, Suspension)]
    decisions = [(event.decision, event.arguments) for event in events if isinstance(event, Resolution)]
    assert waits == ["approval", "client_exec"]
    assert decisions == [("edit", {"door": "back"}), ("respond", None)]


async def test_a_gated_call_of_the_client_that_is_denied_never_reaches_it(world: World) -> None:
    conversation = await waiting(world, worker(unlock, calls=[Call("unlock", {"door": "front"})]))
    await resolve(conversation, "reject", reason="not at night")
    events = await world.events()
    assert results(events) == [("denied", "Denied by the user: not at night")]
    assert [event.kind for event in events if isinstance(event, Suspension)] == ["approval"]


def reporting(calls: Sequence[Call], *tools: Tool, requests: list[ModelRequest]) -> Agent:
    """An agent that makes these calls and then tells what they returned; what it is sent is noted."""

    def work(request: ModelRequest) -> Step:
        requests.append(request)
        told = tool_returns(request.messages)
        return Step(" | ".join(result.text for result in told)) if told else Step(calls=calls)

    return Agent(name="reporting", model=ScriptedModel(work), tools=tools)


async def test_a_mixed_batch_goes_on_when_the_last_is_resolved(world: World) -> None:
    requests: list[ModelRequest] = []
    slow, quick = Bench(name="slow"), Bench(name="quick")
    calls = [Call("slow", {"job": "a"}), Call("ask", {"question": "?"}), Call("quick", {"job": "b"})]
    conversation = await world.start(reporting(calls, slow.tool, ask, quick.tool, requests=requests))
    await say(conversation)
    await slow.begun()
    quick.finish.set()
    await until(lambda: results(conversation.history.events))

    tool_call_id, _ = only(conversation)
    await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="respond", answer="yes", principal="bob"))
    assert conversation.inspect().state == "executing_tools"
    assert len(requests) == 1, "the model is not asked before the last result"
    slow.finish.set()

    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("ok", "b done"), ("ok", "yes"), ("ok", "a done")]
    assert len(requests) == 2
    sent = requests[1].messages[-1]["content"]
    assert [block["content"] for block in sent] == ["a done", "yes", "b done"], "in the order of the calls"


@pytest.mark.parametrize("last", ["server", "human"])
async def test_two_server_calls_and_a_question_in_either_order(world: World, last: str) -> None:
    bench = Bench()
    calls = [Call("work", {"job": "a"}), Call("work", {"job": "b"}), Call("ask", {"question": "?"})]
    conversation = await world.start(worker(bench.tool, ask, calls=calls))
    await say(conversation)
    await bench.begun(2)
    tool_call_id, _ = only(conversation)
    answer = Resolve(tool_call_id=tool_call_id, decision="respond", answer="yes")
    if last == "human":
        bench.finish.set()
        assert await rest(conversation) == "awaiting_input"
        await conversation.resolve(answer)
    else:
        await conversation.resolve(answer)
        assert ends(await world.events()) == []
        bench.finish.set()
    assert await rest(conversation) == "idle"
    assert sorted(results(await world.events())) == [("ok", "a done"), ("ok", "b done"), ("ok", "yes")]


UNATTENDED = ("error", "No client is connected that could execute this.")


@pytest.mark.parametrize("gated", [False, True])
async def test_a_call_for_a_client_fails_soon_if_none_is_connected(world: World, gated: bool) -> None:
    made = Call("unlock", {"door": "front"}) if gated else Call("photograph", {"subject": "cat"})
    agent = worker(photograph, unlock, calls=[made], expiries=Expiries(unattended=0.01, client=3600.0))
    conversation = await world.start(agent)
    await say(conversation)
    if gated:
        assert await rest(conversation) == "awaiting_input"
        tool_call_id, _ = only(conversation)
        await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve"))
    await until(lambda: ends(conversation.history.events))
    assert results(await world.events()) == [UNATTENDED]
    assert ends(await world.events()) == DONE


async def test_a_call_for_a_client_that_can_execute_it_waits_for_it(world: World) -> None:
    agent = worker(photograph, calls=[Call("photograph", {"subject": "cat"})], expiries=Expiries(unattended=0.0))
    conversation = await world.start(agent)
    await world.store.client_tools.declare("c", "w", ["photograph"])
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("suspended")
        await rest(conversation)  # a watcher may hear of it before the conversation itself does
        await until(lambda: not conversation._driver.runtime._background)
        assert conversation.inspect().state == "awaiting_input"
        await resolve(conversation, "respond", answer="a picture")
    assert results(await world.events()) == [("ok", "a picture")]


async def test_watchers_that_can_execute_other_calls_only_are_none(world: World) -> None:
    agent = worker(photograph, calls=[Call("photograph", {"subject": "cat"})], expiries=Expiries(unattended=0.0))
    conversation = await world.start(agent)
    await world.store.client_tools.declare("c", "w", ["unlock", "locate"])
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_completed")
    assert results(await world.events()) == [UNATTENDED]


async def test_a_client_answers_with_content(world: World) -> None:
    conversation = await waiting(world, worker(photograph, calls=[Call("photograph", {"subject": "cat"})]))
    image = Image(b"GIF89a", "image/png").block()
    words: dict[str, Any] = {"type": "text", "text": "Here it is."}
    with pytest.raises(Refused) as refused:
        await resolve(conversation, "respond", answer=[{"type": "image", "source": {"type": "base64", "data": "?"}}])
    assert refused.value.code == "invalid_decision"
    await resolve(conversation, "respond", answer=[words, {"type": "text", "text": " "}, image])
    seen = [words, Image(b"GIF89a", "image/gif").block()]
    assert results(await world.events()) == [("ok", str(seen))], "as a provider accepts it"


async def test_why_a_client_does_not_execute_a_call(world: World) -> None:
    conversation = await waiting(world, worker(photograph, calls=[Call("photograph", {"subject": "cat"})]))
    await resolve(conversation, "reject", reason="the camera is broken")
    assert results(await world.events()) == [("denied", "The client did not execute it: the camera is broken")]


async def test_people_are_not_expected_to_be_connected(world: World) -> None:
    conversation = await world.start(worker(send, calls=[Call("send", {"text": "x"})], expiries=Expiries(unattended=0)))
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    await resolve(conversation, "approve")
    assert results(await world.events()) == [("ok", "sent x")]


async def test_progress_from_a_thread_reaches_the_watchers(world: World) -> None:
    @tool
    def dig(context: ToolContext) -> str:
        """Dig."""
        context.progress({"main": threading.current_thread() is threading.main_thread()})
        return "dug"

    conversation = await world.start(worker(dig, calls=[Call("dig")]))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_completed")
    assert [event["progress"] for event in watcher.seen if event["type"] == "tool_progress"] == [{"main": False}]


async def test_a_tool_is_tried_again_under_the_same_id(world: World) -> None:
    tries: list[str] = []

    @tool(retries=2)
    async def flaky(context: ToolContext) -> str:
        """Fail, and succeed."""
        tries.append(context.tool_call_id)
        if len(tries) == 1:
            raise OSError("gone")
        return "back"

    conversation = await world.start(worker(flaky, calls=[Call("flaky")]))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("ok", "back")]
    assert len(tries) == 2
    assert len(set(tries)) == 1


@pytest.mark.parametrize(("concurrency", "together"), [(1, 1), (2, 2), (None, 4)])
async def test_no_more_calls_of_a_tool_at_once_than_it_allows(
    world: World, concurrency: int | None, together: int
) -> None:
    running, most, gate = 0, 0, asyncio.Event()

    @tool(concurrency=concurrency)
    async def press(number: int) -> int:
        """Press."""
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await gate.wait()
        running -= 1
        return number

    conversation = await world.start(worker(press, calls=[Call("press", {"number": number}) for number in range(4)]))
    await say(conversation)
    await until(lambda: running == together)
    gate.set()
    assert await rest(conversation) == "idle"
    assert most == together
    assert sorted(results(await world.events())) == [("ok", str(number)) for number in range(4)]


async def test_one_tool_does_not_hold_up_another(world: World) -> None:
    bench, free = Bench(concurrency=1), Bench(name="free")
    conversation = await world.start(worker(bench.tool, free.tool, calls=[Call("work"), Call("work"), Call("free")]))
    await say(conversation)
    await free.begun()
    await bench.begun()
    assert len(bench.runs) == 1
    bench.finish.set()
    free.finish.set()
    assert await rest(conversation) == "idle"
    assert len(bench.runs) == 2


async def test_a_heavy_tool_without_a_cluster(world: World) -> None:
    @tool(ray={"num_cpus": 4})
    def compute(context: ToolContext, number: int) -> int:
        """Compute."""
        if number < 0:
            raise ToolError("Only positive numbers.")
        return number * number

    calls = [Call("compute", {"number": 7}), Call("compute", {"number": -1})]
    conversation = await world.start(worker(compute, calls=calls))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert sorted(results(await world.events())) == [("error", "Only positive numbers."), ("ok", "49")]


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        (Call("photograph", {}), "Invalid arguments for photograph: subject: Field required"),
        (Call("ask", {"question": 7}), "Invalid arguments for ask: question: Input should be a valid string"),
        (Call("send", {"text": "x", "to": "y"}), "Invalid arguments for send: to: Unexpected keyword argument"),
    ],
)
async def test_a_call_that_cannot_be_executed_is_put_to_no_person(world: World, called: Call, expected: str) -> None:
    conversation = await world.start(worker(photograph, ask, send, calls=[called]))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("error", expected)]
