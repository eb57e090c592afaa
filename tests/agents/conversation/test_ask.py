"""Asking: one call that sends a message and returns what comes of it, also when people have to be asked first."""

import asyncio

import pytest
from pydantic import BaseModel

from agents.agent import Agent
from agents.answer import Answer
from agents.conversation import Conversation
from agents.errors import ModelError, Refused, Superseded, TurnError
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import SummaryText, TurnContext
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import user_texts
from agents.turn.events import UserMsg
from agents.turn.inputs import Resolve
from tests.support.answering import TOOLS
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, rest, until


class City(BaseModel):
    name: str
    people: int


def echo(request: ModelRequest) -> Step:
    return Step(f"You said {user_texts(request.messages)[-1]}.")


ECHO = Agent(name="echo", model=ScriptedModel(echo))


async def approve(conversation: Conversation, answer: Answer) -> None:
    [tool_call_id] = answer.pending
    await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))


async def test_the_answer_says_what_the_turn_has_said_and_used(world: World) -> None:
    conversation = await world.start(ECHO)
    answer = await conversation.ask("hello", principal="eve")
    assert str(answer) == answer.text == "You said hello."
    assert (answer.turn, answer.outcome, answer.output, answer.pending) == (1, "completed", None, {})
    assert answer.usage["output_tokens"] > 0
    assert answer.cost is None, "this model has no price"
    assert [event.principal for event in await world.events() if isinstance(event, UserMsg)] == ["eve"]


async def test_without_a_principal_the_owner_asks(world: World) -> None:
    conversation = await world.start(ECHO)
    await conversation.ask([{"type": "text", "text": "hello"}])
    assert conversation.history.facts.principal == "ada"


async def test_the_usage_is_that_of_all_model_calls_of_the_turn(world: World) -> None:
    bench = Bench()
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    answer = await conversation.ask("go")
    assert answer.text == "done"
    assert answer.usage == conversation.history.facts.usage


async def test_structured_output_is_an_object_of_its_class(world: World) -> None:
    model = ScriptedModel([Step.json({"name": "Ulm", "people": 126_000})])
    conversation = await world.start(Agent(name="a", model=model, output=City))
    answer = await conversation.ask("Which city?")
    assert answer.output == City(name="Ulm", people=126_000)


async def test_a_turn_that_fails_raises_its_reason(world: World) -> None:
    failure = ModelError("invalid_request", "This cannot be answered.")
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step(failure=failure)])))
    with pytest.raises(TurnError, match="This cannot be answered") as failed:
        await conversation.ask("hello")
    assert (failed.value.reason, failed.value.turn) == ("invalid_request", 1)


async def test_what_is_refused_is_raised(world: World) -> None:
    conversation = await world.start(ECHO)
    with pytest.raises(Refused) as refused:
        await conversation.ask("hello", model="unknown")
    assert refused.value.code == "unknown_model"


async def test_a_question_to_people_comes_back_at_once_and_the_rest_after_their_answer(world: World) -> None:
    steps = [Step("I shall send it.", calls=[Call("send", {"text": "hi"})]), Step("Sent.")]
    conversation = await world.start(Agent(name="a", model=ScriptedModel(steps), tools=TOOLS))

    answer = await conversation.ask("send it")
    assert (answer.text, answer.outcome) == ("I shall send it.", None)
    [waiting] = answer.pending.values()
    assert (waiting["kind"], waiting["prompt"], waiting["name"]) == ("approval", "Send a text.", "send")
    assert (await conversation.answer()).pending == answer.pending, "nothing has changed"

    await approve(conversation, answer)
    answer = await conversation.answer()
    assert (answer.text, answer.outcome, answer.pending) == ("Sent.", "completed", {})


async def test_one_question_after_another(world: World) -> None:
    steps = [Step(calls=[Call("send", {"text": "one"})]), Step(calls=[Call("send", {"text": "two"})]), Step("Both.")]
    conversation = await world.start(Agent(name="a", model=ScriptedModel(steps), tools=TOOLS))
    answer = await conversation.ask("send both")
    asked = []
    while answer.pending:
        asked.extend(answer.pending)
        await approve(conversation, answer)
        answer = await conversation.answer(answer.turn)
    assert len(set(asked)) == 2
    assert answer.text == "Both."


async def test_messages_that_queue_get_the_answer_of_their_own_turn(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    first = asyncio.create_task(conversation.ask("one"))
    await bench.begun()
    second = asyncio.create_task(conversation.ask("two", on_busy="queue"))
    await until(lambda: conversation.history.facts.queued)
    bench.finish.set()
    assert [(answer.turn, answer.text) for answer in await asyncio.gather(first, second)] == [(1, "done"), (2, "done")]


async def test_a_message_that_queues_behind_a_question_does_not_hang(world: World) -> None:
    steps = [Step(calls=[Call("send", {"text": "hi"})]), Step("Sent."), Step("And that.")]
    conversation = await world.start(Agent(name="a", model=ScriptedModel(steps), tools=TOOLS))
    first = await conversation.ask("send it")
    second = await conversation.ask("and then?", on_busy="queue")
    assert (second.turn, second.text, second.pending) == (2, "", first.pending)
    await approve(conversation, second)
    assert [(await conversation.answer(turn)).text for turn in (1, 2)] == ["Sent.", "And that."]


async def test_a_turn_that_is_cancelled_leaves_what_it_has_said(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("Once upon", hangs="after")])))
    asking = asyncio.create_task(conversation.ask("a story"))
    await until(lambda: (conversation.inspect().streaming or {}).get("text") == "Once upon")
    await conversation.cancel("ada")
    answer = await asking
    assert (answer.text, answer.outcome) == ("Once upon", "cancelled")


async def test_a_message_sent_twice_has_one_answer(world: World) -> None:
    conversation = await world.start(ECHO)
    first = await conversation.ask("one", client_id="x")
    await conversation.ask("two")
    assert await conversation.ask("one", client_id="x") == first


class Forgetful(Middleware):
    """Has everything but the last turn summarised."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        if context.quiescent_turns:
            context.summarise(SummaryText("They talked.", context.quiescent_turns[-1]))
        return request


async def test_an_answer_that_the_working_set_has_forgotten_is_read_from_the_log(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel(echo), middleware=(Forgetful(),))
    conversation = await world.start(agent)
    first = await conversation.ask("one", client_id="x")
    for words in ("two", "three"):
        await conversation.ask(words)
    await until(lambda: conversation.history.is_partial and conversation.history.summary.through_turn >= 1)
    assert await conversation.answer(1) == first
    assert await conversation.ask("one", client_id="x") == first


async def test_the_next_incarnation_knows_the_answer(world: World) -> None:
    conversation = await world.start(ECHO)
    first = await conversation.ask("one")
    await world.crash(conversation)
    conversation = await world.open(ECHO)
    assert await conversation.answer() == first


async def test_the_next_incarnation_gives_the_answer_that_was_under_way(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("never", hangs="before")])))
    asking = asyncio.create_task(conversation.ask("hello"))
    await until(lambda: conversation.inspect().waits_for)
    await world.crash(conversation)
    with pytest.raises(Superseded):
        await asking
    conversation = await world.open(Agent(name="a", model=ScriptedModel([Step("Here I am.")])))
    assert (await conversation.answer()).text == "Here I am."


async def test_before_the_first_message_there_is_no_answer(world: World) -> None:
    conversation = await world.start(ECHO)
    await rest(conversation)
    with pytest.raises(LookupError):
        await conversation.answer()
