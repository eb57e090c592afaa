"""Trust: which calls people must approve, who may change that, and what exactly has been approved by whom."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent
from agents.context import current_context
from agents.conversation import Receipt
from agents.conversation.approval_policy import approval_preference
from agents.errors import Refused
from agents.middleware.pipeline.exchange import Reply
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, ScriptedModel, Step
from agents.tools import Tool, ToolContext, tool
from agents.turn.events import Resolution, Suspension, arguments_hash
from agents.turn.inputs import Resolve
from tests.support.answering import only, resolve, waiting
from tests.support.conversation_workbench import worker
from tests.support.conversations import World, ends, rest, results, say, until

CHOICE = approval_preference("act")


class Deeds:
    """A tool named `act` that notes who it acted for."""

    def __init__(self, **options: Any) -> None:
        self.principals: list[tuple[str | None, str | None]] = []

        async def act(context: ToolContext, what: str = "this") -> str:
            """Act."""
            self.principals.append((context.principal, current_context().principal))
            return f"{what} done"

        self.tool: Tool = tool(**options)(act)

    def agent(self, *calls: Call, **options: Any) -> Agent:
        return worker(self.tool, calls=calls or [Call("act", {"what": "that"})], **options)


async def state_after(world: World, agent: Agent) -> str:
    conversation = await world.start(agent)
    await say(conversation)
    return await rest(conversation)


ASKED, RUN = "awaiting_input", "idle"


@pytest.mark.parametrize(
    ("definition", "choice", "state"),
    [
        ({}, None, RUN),
        ({}, "required", RUN),  # trusted by its definition: there is nothing to choose
        ({"approval": "required"}, None, ASKED),
        ({"approval": "required"}, "auto", ASKED),
        ({"trust": "requires_approval"}, "auto", ASKED),
        ({"trust": "user_configurable"}, None, RUN),
        ({"trust": "user_configurable"}, "auto", RUN),
        ({"trust": "user_configurable"}, "required", ASKED),
        ({"trust": "user_configurable", "approval": "required"}, None, ASKED),
        ({"trust": "user_configurable", "approval": "required"}, "auto", RUN),
        ({"trust": "user_configurable", "approval": "required"}, "required", ASKED),
        ({"trust": "user_configurable"}, "whatever", ASKED),
    ],
)
async def test_tiers_and_choices(world: World, definition: dict[str, Any], choice: str | None, state: str) -> None:
    deeds = Deeds(**definition)
    await world.store.preferences.set("ada", CHOICE, choice)
    assert await state_after(world, deeds.agent()) == state
    assert len(deeds.principals) == (state == RUN)


async def test_the_choice_is_that_of_the_sender(world: World) -> None:
    await world.store.preferences.set("bob", CHOICE, "auto")
    deeds = Deeds(trust="user_configurable", approval="required")
    assert await state_after(world, deeds.agent()) == ASKED


@pytest.mark.parametrize(("role", "state"), [(None, ASKED), ("writer", ASKED), ("approver", RUN)])
async def test_who_may_not_decide_does_not_do_without_a_decision(world: World, role: str | None, state: str) -> None:
    await world.store.preferences.set("bob", CHOICE, "auto")
    deeds = Deeds(trust="user_configurable", approval="required")
    conversation = await world.start(deeds.agent())
    if role is not None:
        await world.store.members.set("c", "bob", role, 1)
    await say(conversation, principal="bob")
    assert await rest(conversation) == state
    assert [acted for acted, _ in deeds.principals] == ["bob"] * (state == RUN)


async def test_who_speaks_in_the_turn_of_another_gains_nothing_by_its_rights(world: World) -> None:
    """What a member steers or queues runs in a turn of its own, where its own choices count alone."""
    await world.store.preferences.set("ada", CHOICE, "auto")
    deeds, gate = Deeds(trust="user_configurable", approval="required"), asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        await gate.wait()
        return "waited"

    model = ScriptedModel([Step(calls=[Call("wait")]), Step("hi"), *[Step(calls=[Call("act")]), Step("done")] * 3])
    conversation = await world.start(Agent(name="worker", model=model, tools=(wait, deeds.tool)))
    await say(conversation)
    steered = await say(conversation, "and act", principal="bob", on_busy="steer")
    assert (steered.turn, steered.steered) == (2, False)
    await say(conversation, "and that", principal="ada", on_busy="queue")
    await say(conversation, "and so on", principal="bob", on_busy="queue")
    gate.set()
    await until(lambda: conversation.inspect().turn == 2)
    assert await rest(conversation) == ASKED, "bob has not chosen, and may not"
    assert deeds.principals == []
    await resolve(conversation, "approve")
    await until(lambda: conversation.inspect().turn == 4)
    assert await rest(conversation) == ASKED
    assert [name for name, _ in deeds.principals] == ["bob", "ada"], "of ada's turn nothing was asked"


async def test_a_choice_holds_from_the_next_answer_on(world: World) -> None:
    deeds = Deeds(trust="user_configurable", approval="required")
    conversation = await waiting(world, deeds.agent())
    await world.store.preferences.set("ada", CHOICE, "auto")
    assert only(conversation)[1]["kind"] == "approval", "what waits goes on waiting"
    await resolve(conversation, "approve")
    await say(conversation)
    assert await rest(conversation) == RUN
    assert len(deeds.principals) == 2


async def test_a_choice_that_cannot_be_looked_up_gates(world: World) -> None:
    preferences = world.store.preferences
    await preferences._client.redis.set(preferences._keys.preferences("ada"), "no choices")
    deeds = Deeds(trust="user_configurable")
    conversation = await world.start(deeds.agent())
    await say(conversation)
    assert await rest(conversation) == ASKED
    assert deeds.principals == []
    await resolve(conversation, "approve")
    assert [status for status, _ in results(await world.events())] == ["ok"]


class Lenient(Middleware):
    """Wants nothing to be gated."""

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        return replace(reply, calls=[replace(call, approval="auto") for call in reply.calls])


@pytest.mark.parametrize("lowered", [{"approval": "required"}, {"trust": "requires_approval"}])
async def test_no_middleware_lowers_what_requires_an_approval(world: World, lowered: dict[str, Any]) -> None:
    deeds = Deeds(**lowered)
    assert await state_after(world, deeds.agent(middleware=(Lenient(),))) == ASKED
    assert deeds.principals == []


async def test_a_name_that_no_tool_has_runs_nothing(world: World) -> None:
    deeds = Deeds()
    assert await state_after(world, deeds.agent(Call("Act"), Call("act "), Call("act"))) == RUN
    statuses = [status for status, _ in results(await world.events())]
    assert sorted(statuses) == ["error", "error", "ok"]
    assert len(deeds.principals) == 1


@pytest.mark.parametrize(
    ("allowed", "decision", "more"),
    [
        (["approve"], "approve", {}),
        (["edit"], "edit", {"arguments": {"what": "it"}}),
        (["reject"], "reject", {}),
        (["respond"], "respond", {"answer": "did it myself"}),
    ],
)
async def test_only_what_the_tool_allows_can_be_decided(
    world: World, allowed: list[Any], decision: str, more: dict[str, Any]
) -> None:
    conversation = await waiting(world, Deeds(approval="required", decisions=allowed).agent())
    assert only(conversation)[1]["decisions"] == allowed
    others = {"approve": {}, "edit": {"arguments": {}}, "reject": {}, "respond": {"answer": "x"}}
    del others[decision]
    for other, its in others.items():
        with pytest.raises(Refused) as refused:
            await resolve(conversation, other, **its)
        assert refused.value.code == "invalid_decision"
        assert decision in refused.value.detail
    await resolve(conversation, decision, **more)
    assert len(results(await world.events())) == 1


async def test_a_decision_is_bound_to_what_was_shown(world: World) -> None:
    deeds = Deeds(approval="required")
    calls = [Call("act", {"what": what}) for what in ("one", "two")]
    conversation = await waiting(world, deeds.agent(*calls))
    (first, shown), (second, also_shown) = conversation.inspect().pending.items()
    assert shown["arguments_hash"] == arguments_hash({"what": "one"})
    before = await world.events()

    for seen in (also_shown["arguments_hash"], arguments_hash({"what": "ONE"}), "", "x"):
        with pytest.raises(Refused) as refused:
            await conversation.resolve(Resolve(tool_call_id=first, decision="approve", arguments_hash=seen))
        assert refused.value.code == "arguments_changed"
    assert await world.events() == before

    for call, its in ((first, shown), (second, also_shown)):
        resolution = Resolve(tool_call_id=call, decision="approve", arguments_hash=its["arguments_hash"])
        await conversation.resolve(resolution)
    assert await rest(conversation) == "idle"
    assert sorted(results(await world.events())) == [("ok", "one done"), ("ok", "two done")]


async def test_the_hash_is_kept_with_the_suspension(world: World) -> None:
    agent = Deeds(approval="required").agent()
    conversation = await waiting(world, agent)
    await world.crash(conversation)
    conversation = await world.open(agent)
    await rest(conversation)
    [suspension] = [event for event in await world.events() if isinstance(event, Suspension)]
    assert suspension.arguments_hash == only(conversation)[1]["arguments_hash"] == arguments_hash({"what": "that"})


async def test_of_many_decisions_at_once_one_is_carried_out(world: World) -> None:
    deeds = Deeds(approval="required")
    conversation = await waiting(world, deeds.agent())
    call, _ = only(conversation)
    wishes = [
        Resolve(tool_call_id=call, decision="approve", principal="bob"),
        Resolve(tool_call_id=call, decision="reject", principal="eve"),
        Resolve(tool_call_id=call, decision="edit", arguments={"what": "it"}, principal="dan"),
        Resolve(tool_call_id=call, decision="respond", answer="done", principal="fay"),
    ] * 5

    ends_of = await asyncio.gather(*(conversation.resolve(wish) for wish in wishes), return_exceptions=True)

    refusals = [end for end in ends_of if isinstance(end, BaseException)]
    assert len(refusals) == len(wishes) * 3 // 4, "the others are the one that counts"
    receipts = [end for end in ends_of if isinstance(end, Receipt)]
    assert receipts == [replace(receipts[0], duplicate=number > 0) for number in range(5)]
    assert {(type(refusal), getattr(refusal, "code", None)) for refusal in refusals} == {(Refused, "stale_resolution")}
    assert await rest(conversation) == "idle"
    events = await world.events()
    [resolution] = [event for event in events if isinstance(event, Resolution)]
    accepted = wishes[next(place for place, end in enumerate(ends_of) if not isinstance(end, BaseException))]
    assert (resolution.decision, resolution.principal) == (accepted.decision, accepted.principal)
    assert len(results(events)) == 1
    assert len(deeds.principals) == (accepted.decision in ("approve", "edit"))


async def test_two_incarnations_cannot_both_carry_out_a_decision(world: World) -> None:
    deeds = Deeds(approval="required")
    agent = deeds.agent()
    old = await waiting(world, agent)
    call, _ = only(old)
    new = await world.open(agent)
    click = Resolve(tool_call_id=call, decision="approve", principal="bob")
    done = await asyncio.gather(old.resolve(click), new.resolve(click), return_exceptions=True)
    assert isinstance(done[0], BaseException), "it is fenced off"
    assert not isinstance(done[1], BaseException)
    assert await rest(new) == "idle"
    assert deeds.principals == [("bob", "bob")]


@pytest.mark.parametrize(("decision", "more"), [("approve", {}), ("edit", {"arguments": {"what": "it"}})])
async def test_the_tool_acts_for_the_approver(world: World, decision: str, more: dict[str, Any]) -> None:
    deeds = Deeds(approval="required")
    conversation = await waiting(world, deeds.agent())
    await resolve(conversation, decision, **more)
    assert deeds.principals == [("bob", "bob")]


async def test_without_a_gate_the_tool_acts_for_the_sender(world: World) -> None:
    deeds = Deeds()
    assert await state_after(world, deeds.agent()) == RUN
    assert deeds.principals == [("ada", "ada")]


async def test_the_resolution_is_durable_before_the_turn_goes_on(world: World) -> None:
    deeds = Deeds(approval="required")
    agent = deeds.agent()
    conversation = await waiting(world, agent)
    call, _ = only(conversation)
    await conversation.resolve(Resolve(tool_call_id=call, decision="approve", principal="bob"))
    await world.crash(conversation)  # acknowledged, and gone at once
    assert [event.principal for event in await world.events() if isinstance(event, Resolution)] == ["bob"]

    conversation = await world.open(agent)

    assert await rest(conversation) == "idle"
    assert set(deeds.principals) == {("bob", "bob")}
    assert ends(await world.events()) == [("completed", None)]


async def test_an_approval_holds_for_one_call_only(world: World) -> None:
    deeds = Deeds(approval="required")
    conversation = await waiting(world, deeds.agent())
    await resolve(conversation, "approve")
    await say(conversation, "and again")
    assert await rest(conversation) == ASKED
    assert len(deeds.principals) == 1
