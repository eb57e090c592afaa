"""Who may decide is checked where a decision is accepted, on whatever way it has come there."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent, Catalog
from agents.conversation import Conversation, Receipt
from agents.conversation.acceptance import accepting
from agents.errors import MiddlewareDefinitionError, Refused, ToolDefinitionError
from agents.interrupt import Interrupt
from agents.middleware.ask_user import AskUser
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call
from agents.services import Services
from agents.tools import ToolContext, tool
from agents.turn.events import Resolution, Suspension
from agents.turn.inputs import Resolve
from tests.support.answering import only, waiting
from tests.support.conversation_workbench import worker
from tests.support.conversations import World, ends, rest, results, say

ADMIN = ("admin",)


@tool(approval="required", approvers="admin")
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


@tool
def work() -> str:
    """Work."""
    return "worked"


PAYS = (Call("pay", {"amount": 7}),)


def decision(conversation: Conversation, principal: str, *standing: Any, **more: Any) -> Resolve:
    tool_call_id, _ = only(conversation)
    wanted = {"decision": "approve", "principal": principal, "standing": standing, **more}
    return Resolve(tool_call_id=tool_call_id, **wanted)


async def refusal(decide: Awaitable[Receipt]) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        await decide
    return refused.value.code, refused.value.detail


async def test_a_live_conversation_checks(world: World) -> None:
    conversation = await waiting(world, worker(pay, calls=PAYS))
    _, shown = only(conversation)
    assert (shown["approvers"], shown["asked_by"]) == (["admin"], [])
    for principal, standing in (("ada", ("owner", "members")), ("boss", ())):
        code, detail = await refusal(conversation.resolve(decision(conversation, principal, *standing)))
        assert (code, detail) == ("not_an_approver", "This waits for an admin of the tenant.")
    resolve = decision(conversation, "boss", "admin")
    receipt = await conversation.resolve(resolve)
    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("ok", "paid 7")]
    assert await conversation.resolve(resolve) == replace(receipt, duplicate=True)
    [resolution] = [event for event in await world.events() if isinstance(event, Resolution)]
    assert (resolution.principal, resolution.standing) == ("boss", ["admin"])


@pytest.mark.parametrize("messages", [True, False])
async def test_one_that_hibernates_checks(world: World, messages: bool) -> None:
    conversation = await waiting(world, worker(pay, calls=PAYS))
    forbidden, allowed = decision(conversation, "ada", "owner"), decision(conversation, "boss", "admin")
    await world.crash(conversation)

    async def accept(command: Callable[[Conversation], Awaitable[Receipt]]) -> Receipt:
        services = Services(store=world.store, conversations=world.doors, cluster="here")
        meta = await world.store.registry.get("c")
        catalog = Catalog(world.agents, default="worker")
        async with accepting(services, catalog, meta, messages=messages) as sleeping:
            return await command(sleeping)

    before = await world.log()
    assert (await refusal(accept(lambda one: one.resolve(forbidden))))[0] == "not_an_approver"
    assert await world.log() == before
    await accept(lambda one: one.resolve(allowed))
    assert await rest(await world.revive("c")) == "idle"
    assert results(await world.events()) == [("ok", "paid 7")]


async def test_the_next_incarnation_checks(world: World) -> None:
    conversation = await waiting(world, worker(pay, calls=PAYS))
    await world.crash(conversation)
    conversation = await world.revive("c")
    await rest(conversation)
    assert (await refusal(conversation.resolve(decision(conversation, "ada"))))[0] == "not_an_approver"
    await conversation.cancel("ada")


class Careless(Middleware):
    """Wants everything to run at once, and to be decided by all."""

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        return replace(reply, calls=[replace(call, approval="auto", approvers=()) for call in reply.calls])


class Curious(Middleware):
    """Asks before the first call of the model."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        if not context.answered_interrupts and context.step == 1:
            raise Interrupt("May I?", approvers="another")
        return request


@tool
def book(context: ToolContext) -> str:
    """Book."""
    if not context.interrupted:
        raise Interrupt("Book?", approvers=["owner", "another"])
    return "booked"


@tool(approval="required", approvers="owner")
def sign(context: ToolContext) -> str:
    """Sign, and ask again."""
    if not context.interrupted:
        raise Interrupt("Really?")
    return "signed"


QUESTION = Call("ask_user", {"questions": [{"id": "q", "prompt": "Which?"}]})


@pytest.mark.parametrize(
    ("agent", "approvers"),
    [
        (worker(pay, calls=PAYS, middleware=(Careless(),)), ["admin"]),
        (worker(work, middleware=(HumanInTheLoop({"work": True}, approvers="members"),)), ["members"]),
        (worker(pay, calls=PAYS, middleware=(HumanInTheLoop({"pay": True}, "another"),)), ["admin", "another"]),
        (worker(calls=[QUESTION], middleware=(AskUser(approvers="owner"),)), ["owner"]),
        (worker(calls=[QUESTION], middleware=(AskUser(),)), []),
        (worker(work, middleware=(Curious(),)), ["another"]),
        (worker(book, calls=[Call("book")]), ["owner", "another"]),
    ],
)
async def test_what_asks_says_who_decides(world: World, agent: Agent, approvers: list[str]) -> None:
    conversation = await waiting(world, agent)
    _, shown = only(conversation)
    assert (shown["approvers"], shown["asked_by"]) == (approvers, ["ada"] if "another" in approvers else [])
    if approvers:
        assert (await refusal(conversation.resolve(decision(conversation, "ada"))))[0] == "not_an_approver"
    await conversation.cancel("ada")


async def test_what_a_gated_tool_asks_itself_is_decided_by_the_same(world: World) -> None:
    conversation = await waiting(world, worker(sign, calls=[Call("sign")]))
    await conversation.resolve(decision(conversation, "ada", "owner"))
    assert await rest(conversation) == "awaiting_input"
    asked = [event for event in await world.events() if isinstance(event, Suspension)]
    assert [list(event.approvers) for event in asked] == [["owner"], ["owner"]]
    assert (await refusal(conversation.resolve(decision(conversation, "bob"))))[0] == "not_an_approver"
    await conversation.resolve(decision(conversation, "ada", "owner"))
    await rest(conversation)
    assert results(await world.events()) == [("ok", "signed")]


async def test_the_one_who_asked_is_told_apart_by_name_alone(world: World) -> None:
    conversation = await waiting(world, worker(work, middleware=(HumanInTheLoop({"work": True}, "another"),)))
    for standing in ((), ("owner", "members", "admin")):
        assert (await refusal(conversation.resolve(decision(conversation, "ada", *standing))))[0] == "not_an_approver"
    await conversation.resolve(decision(conversation, "bob"))
    await rest(conversation)
    assert results(await world.events()) == [("ok", "worked")]


def test_mistakes_in_a_definition() -> None:
    with pytest.raises(ToolDefinitionError, match="not 'all'"):
        tool(approval="required", approvers="all")(work.function)  # type: ignore[call-overload]
    for options in ({}, {"trust": "user_configurable"}, {"executor": "client"}):
        with pytest.raises(ToolDefinitionError, match="always wait for people"):
            tool(approvers="owner", **options)(work.function)  # type: ignore[call-overload]
    for make in (lambda: HumanInTheLoop({"work": True}, "all"), lambda: AskUser("all")):  # type: ignore[arg-type]
        with pytest.raises(MiddlewareDefinitionError, match="not 'all'"):
            make()


class Mistaken(Middleware):
    """Asks persons whom there are not."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        raise Interrupt("May I?", approvers="all")  # type: ignore[arg-type]


@tool
def mistake() -> str:
    """Ask persons whom there are not."""
    raise Interrupt("May I?", approvers="all")  # type: ignore[arg-type]


async def test_a_question_to_unknown_persons_is_not_asked(world: World) -> None:
    conversation = await world.start(worker(mistake, calls=[Call("mistake")]))
    await say(conversation)
    assert await rest(conversation) == "idle"
    [(status, content)] = results(await world.events())
    assert (status, "internal error" in content) == ("error", True)
    conversation = await world.start(worker(work, middleware=(Mistaken(),)), "d")
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert ends(await world.events("d")) == [("failed", "middleware_failed")]
