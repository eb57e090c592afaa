"""Whose context work has: that of the message at hand, made anew by the catalog where the message has gone."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.agent import Agent, Catalog
from agents.context import AgentContext, current_context
from agents.conversation import Conversation
from agents.conversation.acceptance import accepting
from agents.local import LocalConversations
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ScriptedModel, Step
from agents.services import Services
from agents.tools import ToolContext, tool
from agents.turn.inputs import Resolve, UserMessage
from store import ConversationMeta
from tests.support.conversations import World, rest, text, until

Seen = tuple[str, str | None, AgentContext]


def remade(tenant: str | None, principal: str | None, conversation: ConversationMeta) -> AgentContext:
    return AgentContext(tenant, principal, "again", {"made": f"{principal} in {conversation.id}"})


def again(principal: str) -> AgentContext:
    return AgentContext("acme", principal, "again", {"made": f"{principal} in c"})


def sent(principal: str, **values: Any) -> AgentContext:
    return AgentContext("acme", principal, f"trace of {principal}", {"by": principal, **values})


@dataclass
class Watching(Middleware):
    """Notes what each callback, its work in the background and the tool see."""

    seen: list[Seen] = field(default_factory=list)

    async def later(self, where: str, principal: str | None) -> None:
        self.seen.append((where, principal, current_context()))

    async def on_start(self, context: TurnContext) -> None:
        await self.later("on_start", context.principal)

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        await self.later("handle_message", context.principal)
        context.background(self.later("background of handle_message", context.principal))
        return message

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        await self.later("before_model", context.principal)
        context.background(self.later("background of before_model", context.principal))
        return request

    def at(self, where: str) -> list[AgentContext]:
        """The contexts there, of which each agrees with the principal that was handed in."""
        found = [(principal, context) for place, principal, context in self.seen if place == where]
        assert all(principal == context.principal for principal, context in found)
        return [context for _, context in found]


@dataclass
class Place:
    """A conversation of Ada's that can be opened again and again, as by processes that die."""

    world: World
    watching: Watching
    agent: Agent

    @property
    def services(self) -> Services:
        return Services(store=self.world.store, conversations=self.world.doors, mcp=self.world.mcp)

    @property
    def catalog(self) -> Catalog:
        return Catalog([self.agent], context=remade)

    async def open(self, sent: tuple[str | int | None, AgentContext] | None = None) -> Conversation:
        return await Conversation.open(self.services, "c", self.catalog, sent)


@pytest.fixture
async def place(world: World) -> Place:
    watching = Watching()

    @tool(approval="required")
    async def act(context: ToolContext) -> str:
        """Act."""
        await watching.later("act", context.principal)
        return "done"

    steps = [Step(calls=[Call("act")]), Step("over")] * 5
    agent = Agent(name="a", model=ScriptedModel(steps), tools=(act,), middleware=(watching,))
    await world.store.registry.create("c", agent="a", principal="acme/ada", now=1)
    return Place(world, watching, agent)


def said(principal: str | None, client_id: str = "m", **more: Any) -> UserMessage:
    return UserMessage(content=text("go"), principal=principal, client_id=client_id, **more)


async def approve(conversation: Conversation, principal: str, context: AgentContext | None = None) -> None:
    [call] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=call, decision="approve", principal=principal), context)
    await rest(conversation)


async def test_the_message_that_opens_it_is_the_one_at_hand(place: Place) -> None:
    bob = sent("acme/bob")
    conversation = await place.open(("m", bob))
    await conversation.send(said("acme/bob"), bob)
    await rest(conversation)
    seen = place.watching
    for where in ("on_start", "handle_message", "before_model", "background of handle_message"):
        await until(lambda where=where: seen.at(where))
        assert seen.at(where) == [bob], where
    await conversation.cancel("acme/bob")
    await conversation.stop()


async def test_without_a_message_it_is_the_owners(place: Place) -> None:
    conversation = await place.open()
    await until(lambda: place.watching.at("on_start"))
    assert place.watching.at("on_start") == [again("acme/ada")]
    await conversation.send(said("acme/bob"))
    assert place.watching.at("handle_message") == [again("acme/bob")], "a message without a context"
    await rest(conversation)
    assert place.watching.at("before_model") == [again("acme/bob")]
    await conversation.cancel(None)
    await conversation.send(said(None, "n"))
    assert place.watching.at("handle_message")[-1].principal is None, "not the one of the turn before"
    await rest(conversation)
    await conversation.stop()


async def test_after_a_crash_the_catalog_makes_it_for_the_sender(place: Place) -> None:
    bob = sent("acme/bob")
    conversation = await place.open(("m", bob))
    await conversation.send(said("acme/bob"), bob)
    await rest(conversation)
    conversation.abandon()
    place.watching.seen.clear()

    conversation = await place.open()
    await until(lambda: place.watching.at("on_start"))
    assert place.watching.at("on_start") == [again("acme/bob")]
    await approve(conversation, "acme/cy", sent("acme/cy", secret="of cy"))
    [acted] = place.watching.at("act")
    assert (acted.principal, dict(acted.values)) == ("acme/cy", {"made": "acme/bob in c"})
    assert place.watching.at("before_model") == [again("acme/bob")], "it is not the approver's"
    await conversation.stop()


async def test_the_sender_may_bring_it_back(place: Place) -> None:
    conversation = await place.open()
    await conversation.send(said("acme/bob"), sent("acme/bob"))
    await rest(conversation)
    conversation.abandon()
    place.watching.seen.clear()
    conversation = await place.open()
    await approve(conversation, "acme/bob", sent("acme/bob", again=True))
    assert place.watching.at("before_model") == [sent("acme/bob", again=True)]
    await conversation.stop()


async def test_an_answer_to_one_that_hibernates_does_not_lend_its_context(place: Place) -> None:
    conversation = await place.open()
    await conversation.send(said("acme/bob"), sent("acme/bob"))
    await rest(conversation)
    [call] = conversation.inspect().pending
    await conversation.stop()
    place.watching.seen.clear()
    meta = await place.world.store.registry.get("c")
    cy = sent("acme/cy")
    async with accepting(place.services, place.catalog, meta, messages=False) as sleeping:
        receipt = await sleeping.resolve(Resolve(tool_call_id=call, decision="approve", principal="acme/cy"), cy)
    conversation = await place.open((receipt.turn, cy))
    await rest(conversation)
    assert place.watching.at("act")[0].principal == "acme/cy"
    assert place.watching.at("before_model") == [again("acme/bob")]
    assert place.watching.at("on_start") == [again("acme/bob")]
    await conversation.stop()


async def test_messages_of_several_persons_that_wait_are_each_done_in_their_senders(place: Place) -> None:
    conversation = await place.open()
    await conversation.send(said("acme/ada", "1"), sent("acme/ada"))
    await rest(conversation)
    for principal, policy in (("acme/bob", "queue"), ("acme/cy", "steer"), ("acme/bob", "steer")):
        await conversation.send(said(principal, f"{principal} {policy}", on_busy=policy), sent(principal))
    for turn, principal in enumerate(("acme/ada", "acme/bob", "acme/cy", "acme/bob"), 1):
        assert await rest(conversation) == "awaiting_input"
        assert conversation.inspect().turn == turn
        assert place.watching.at("before_model")[-1] == sent(principal)
        await approve(conversation, "acme/ada")
    await conversation.stop()


async def test_what_a_cancelled_call_has_begun_is_stopped_in_its_own_context(place: Place) -> None:
    seen: list[AgentContext] = []

    async def stop(arguments: Any, context: ToolContext) -> None:
        assert context.context == current_context()
        seen.append(current_context())

    @tool(on_cancel=stop)
    async def act(context: ToolContext) -> str:
        """Act for ever."""
        place.watching.seen.append(("act", context.principal, current_context()))
        while True:
            await until(lambda: False)

    place.agent = Agent(name="a", model=ScriptedModel([Step(calls=[Call("act")]), Step("x")]), tools=(act,))
    conversation = await place.open()
    await conversation.send(said("acme/ada"), sent("acme/ada"))
    await until(lambda: place.watching.at("act"))
    await conversation.send(said("acme/bob", "2", on_busy="interrupt"), sent("acme/bob"))
    await until(lambda: seen)
    assert seen == [sent("acme/ada")]
    await rest(conversation)
    await conversation.stop()


async def test_a_sub_agent_is_opened_for_the_person_who_asked(world: World) -> None:
    watching = Watching()
    below = Agent(name="below", model=ScriptedModel([Step("done")]), middleware=(watching,))
    model = ScriptedModel([Step(calls=[Call("task", {"agent": "below", "prompt": "go"})]), Step("over")])
    above = Agent(name="above", model=model, middleware=(SubAgent([below], general=False),))
    conversations = LocalConversations(world.store, Catalog([above], context=remade))
    await world.store.registry.create("d", agent="above", principal="acme/ada", now=1)
    bob = sent("acme/bob")
    await conversations.send("d", said("acme/bob"), bob)
    assert await rest(await conversations.reach("d")) == "idle"
    assert [watching.at(where) for where in ("on_start", "handle_message", "before_model")] == [[bob]] * 3
    await conversations.aclose()
