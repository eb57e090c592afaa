"""Failures of the model: retried before the first token only, else the turn ends with a reason and keeps its text."""

import pytest

from agents.agent import Agent
from agents.errors import ModelError
from agents.models import Call, ScriptedModel, Step
from agents.turn import Limits
from agents.turn.events import AssistantMsg, TurnEnded
from tests.messages_api import ErrorReply, MessagesServer, Reply, Trouble
from tests.support.conversation_workbench import Bench, Talker
from tests.support.conversations import World, ends, rest, say, spoken, watching


async def test_failures_before_the_first_token_are_retried(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(ErrorReply(529, "overloaded_error"), Reply(trouble=Trouble("error")), Reply("there"))
    conversation = await world.start(talker())

    await say(conversation)

    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [("there", "completed")]
    assert len(messages_api.requests) == 3


@pytest.mark.parametrize("kind", ["drop", "truncate", "error"])
async def test_a_failure_in_mid_stream_keeps_the_text_and_is_not_retried(
    kind: str, world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply("half of it", trouble=Trouble(kind, after=2)))  # type: ignore[arg-type]
    conversation = await world.start(talker())

    await say(conversation)

    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [("half of", "interrupted")]
    assert ends(await world.events()) == [("failed", "stream_broken")]
    assert len(messages_api.requests) == 1


async def test_a_stream_that_cannot_be_read_has_its_own_reason(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply("half of it", trouble=Trouble("bad_json", after=1)))
    conversation = await world.start(talker())
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "malformed_stream")]


async def test_a_silent_server_is_a_timeout(world: World, messages_api: MessagesServer, talker: Talker) -> None:
    messages_api.enqueue(Reply("half of it", trouble=Trouble("stall", after=1)))
    conversation = await world.start(talker(read_timeout=0.5))
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "timeout")]
    assert spoken(await world.events()) == [("half", "interrupted")]


async def test_the_conversation_goes_on_after_a_failure(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(ErrorReply(401, "authentication_error"), Reply("back"))
    conversation = await world.start(talker())
    await say(conversation, "one")
    await rest(conversation)

    await say(conversation, "two")

    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("failed", "authentication"), ("completed", None)]
    assert len(messages_api.requests[1].body["messages"]) == 1, "both questions, one message"


async def test_users_read_a_sentence_and_nothing_of_the_inside(world: World) -> None:
    def explode(_: object) -> Step:
        raise RuntimeError("password=hunter2")

    conversation = await world.start(Agent(name="a", model=ScriptedModel(explode)))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_failed")

    end = (await world.events())[-1]
    assert isinstance(end, TurnEnded)
    assert (end.reason, end.detail) == ("internal", "The turn failed for an internal reason.")
    assert "hunter2" not in str(watcher.seen)


async def test_an_answer_that_ends_without_an_end_is_broken(world: World) -> None:
    class Abrupt(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            async for event in super().stream(request):
                yield event
                return

    conversation = await world.start(Agent(name="a", model=Abrupt([Step("one two")])))
    await say(conversation)
    await rest(conversation)
    assert spoken(await world.events()) == [("one", "interrupted")]
    assert ends(await world.events()) == [("failed", "stream_broken")]


async def test_blank_answers_are_asked_for_again_but_not_for_ever(world: World) -> None:
    asked: list[object] = []

    def blank(request: object) -> Step:
        asked.append(request)
        return Step(" \n")

    conversation = await world.start(Agent(name="a", model=ScriptedModel(blank), limits=Limits(blank_answers=2)))
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "empty_answer")]
    assert len(asked) == 3
    assert spoken(await world.events()) == []


async def test_a_turn_is_stopped_after_so_many_model_calls(world: World) -> None:
    bench = Bench()
    bench.finish.set()
    model = ScriptedModel([Step(calls=[Call("work")])] * 9)
    agent = Agent(name="a", model=model, tools=(bench.tool,), limits=Limits(model_calls=3))
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    assert len(bench.runs) == 3
    assert ends(await world.events()) == [("failed", "model_call_limit")]


async def test_usage_and_stop_reason_are_kept_with_the_answer(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply("cut", stop_reason="max_tokens", input_tokens=7, output_tokens=3))
    conversation = await world.start(talker())
    await say(conversation)
    await rest(conversation)
    [answer] = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    assert (answer.stop_reason, answer.model) == ("max_tokens", "claude")
    assert (answer.usage["input_tokens"], answer.usage["output_tokens"]) == (7, 3)


async def test_the_reason_of_a_scripted_failure_is_the_turns_reason(world: World) -> None:
    failure = ModelError("rate_limited", "Too many requests.")
    conversation = await world.start(
        Agent(name="a", model=ScriptedModel([Step("a b", failure=failure, fails="after")]))
    )
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "rate_limited")]
    assert spoken(await world.events()) == [("a b", "interrupted")]
