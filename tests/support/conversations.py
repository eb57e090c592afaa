"""A small world for conversations: incarnations that can crash, watchers, and a check of every log at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

from agents.agent import Agent, Catalog
from agents.arrivals import Arrivals
from agents.clock import now_ms
from agents.codec import decode
from agents.conversation import Conversation, Receipt
from agents.mcp.pool import McpPool
from agents.ports import Metrics, NoLimits, NoMetrics, TurnLimits
from agents.services import Services
from agents.tracing import NoTracer, Tracer
from agents.turn import Event, Logged, fold, fsm_state
from agents.turn.events import AssistantMsg, ToolResult, TurnEnded
from agents.turn.inputs import OnBusy, UserMessage
from agents.turn.snapshot import restore_snapshot
from store import Archive, ConversationMeta, Store, connect
from store.live.subscription import Subscription
from store.registries.lists import of_principal
from tests.support.doors import Doors
from tests.support.invariants import check_log, check_speakers

PATIENCE = 10.0
"""Seconds after which a condition that should have come is given up; no test waits for time to pass."""


class World:
    """Conversations of one test under one key prefix; every incarnation has a store of its own, as a process has.

    `doors` reaches any of them by id and starts it if need be, on an agent that was opened before.
    """

    def __init__(self, url: str, prefix: str, *, archive: Callable[[], Archive | None] = lambda: None) -> None:
        self._url = url
        self._prefix = prefix
        self._archive = archive
        self._stores: list[Store] = []
        self._of: dict[Conversation, Store] = {}
        self.agents: dict[str, Agent] = {}
        self.mcp = McpPool()
        self.arrivals = Arrivals()
        self.limits: TurnLimits = NoLimits()
        self.metrics: Metrics = NoMetrics()
        self.tracer: Tracer = NoTracer()
        self.store = self.connect()
        self.doors = Doors(self.store, self.revive)

    def connect(self) -> Store:
        """A store as another process would open it."""
        store = connect(self._url, prefix=self._prefix, archive=self._archive())
        self._stores.append(store)
        return store

    async def create(self, agent: Agent, conversation_id: str = "c") -> None:
        await self.store.registry.create(conversation_id, agent=agent.name, principal="ada", now=now_ms())

    async def open(
        self,
        agent: Agent,
        conversation_id: str = "c",
        *,
        store: Store | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> Conversation:
        """A new incarnation of a conversation that exists."""
        self.agents[agent.name] = agent
        return await self.revive(conversation_id, store=store, clock=clock)

    async def revive(
        self, conversation_id: str, *, store: Store | None = None, clock: Callable[[], int] = now_ms
    ) -> Conversation:
        """The same on an agent that is known by now."""
        own = store or self.connect()
        services = Services(
            store=own,
            conversations=self.doors,
            mcp=self.mcp,
            clock=clock,
            arrivals=self.arrivals,
            limits=self.limits,
            metrics=self.metrics,
            tracer=self.tracer,
        )
        catalog = Catalog(self.agents, default=next(iter(self.agents)))
        conversation = await Conversation.open(services, conversation_id, catalog)
        self._of[conversation] = own
        self.doors.live[conversation_id] = conversation
        return conversation

    async def start(self, agent: Agent, conversation_id: str = "c") -> Conversation:
        """Create a conversation and open its first incarnation."""
        await self.create(agent, conversation_id)
        return await self.open(agent, conversation_id)

    async def crash(self, conversation: Conversation) -> None:
        """The process dies: nothing more is written, published or executed."""
        check_incarnation(conversation)
        conversation.abandon()
        await self._of.pop(conversation).aclose()

    async def log(self, conversation_id: str = "c") -> list[Logged]:
        return [decode(record) for record in await self.store.log.read(conversation_id)]

    async def events(self, conversation_id: str = "c") -> list[Event]:
        return [entry.event for entry in await self.log(conversation_id)]

    async def close(self) -> None:
        """End every incarnation, then check what they left behind."""
        for conversation in self._of:
            check_incarnation(conversation)
            conversation.abandon()
        await self.mcp.aclose()
        metas, _ = await self.store.registry.list(of_principal("ada"), limit=100)
        for meta in metas:
            await self._check_tree(meta)
        for store in self._stores:
            await store.aclose()

    async def _check_tree(self, meta: ConversationMeta) -> None:
        for child in await self.store.registry.children(meta.id):
            await self._check_tree(child)
        await self._check(meta.id)

    async def _check(self, conversation_id: str) -> None:
        await self.store.log.claim(conversation_id)  # no incarnation can write from here on
        meta = await self.store.registry.get(conversation_id)
        log = await self.log(conversation_id)
        check_speakers(log)
        facts = check_log(log)
        assert meta.last_seq == facts.last_seq
        if facts.last_seq:
            assert meta.state is not None
            assert orjson.loads(meta.state) == fsm_state(facts), "the cached state is not what the log says"
        unfinished = await self.store.registry.unfinished(2**60, 1000)
        assert (conversation_id in unfinished) == facts.running, "the index of unfinished turns is wrong"


def check_incarnation(conversation: Conversation) -> None:
    """The live state of an incarnation is the fold of its log, and can be packed and unpacked."""
    history = conversation.history
    base = restore_snapshot(history.summary.base, history.summary.after) if history.summary else None
    assert fold(history.logged, base) == conversation._driver.machine.facts
    seen = (history.logged, history.quiescent_points, history.tool_call_ids, history.facts)
    history.pack()
    assert (history.logged, history.quiescent_points, history.tool_call_ids, history.facts) == seen


def text(words: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": words}]


async def say(
    conversation: Conversation,
    words: str = "hello",
    *,
    on_busy: OnBusy = "reject",
    client_id: str | None = None,
    principal: str = "ada",
) -> Receipt:
    """Send a text."""
    message = UserMessage(content=text(words), on_busy=on_busy, client_id=client_id, principal=principal)
    return await conversation.send(message)


async def rest(conversation: Conversation) -> str:
    """Wait until the conversation is at rest; its state then."""
    async with asyncio.timeout(PATIENCE):
        return (await conversation.rest()).state


async def until(condition: Callable[[], object]) -> None:
    """Let other tasks run until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the conversation has no event for everything a test asks
            await asyncio.sleep(0.001)


class Watcher:
    """Listens to a conversation; `seen` keeps all that was published, in order."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.seen: list[dict[str, Any]] = []

    async def until(self, kind: str, **fields: object) -> list[dict[str, Any]]:
        """Listen until an event of this type, with these fields, has come; return all events since the start."""
        async with asyncio.timeout(PATIENCE):
            while not any(_is(event, kind, fields) for event in self.seen):
                payload = await self._subscription.get()
                self.seen.extend(payload["events"])
        return self.seen

    @property
    def types(self) -> list[str]:
        """The types in order, runs of deltas shortened to one."""
        types = [event["type"] for event in self.seen]
        return [kind for i, kind in enumerate(types) if i == 0 or kind != types[i - 1] or not kind.endswith("_delta")]


def _is(event: dict[str, Any], kind: str, fields: dict[str, object]) -> bool:
    return event["type"] == kind and fields.items() <= event.items()


@asynccontextmanager
async def watching(store: Store, conversation_id: str = "c") -> AsyncIterator[Watcher]:
    """Listen from here on."""
    async with store.subscriptions.subscribe(conversation_id) as subscription:
        yield Watcher(subscription)


def spoken(events: Sequence[Event]) -> list[tuple[str, str]]:
    """The answers: text and status."""
    answers = (event for event in events if isinstance(event, AssistantMsg))
    return [
        ("".join(block["text"] for block in answer.content if block["type"] == "text"), answer.status)
        for answer in answers
    ]


def results(events: Sequence[Event]) -> list[tuple[str, str]]:
    """The tools' results: status and content."""
    return [(event.status, str(event.content)) for event in events if isinstance(event, ToolResult)]


def ends(events: Sequence[Event]) -> list[tuple[str, str | None]]:
    """The ends of the turns: outcome and reason."""
    return [(event.outcome, event.reason) for event in events if isinstance(event, TurnEnded)]
