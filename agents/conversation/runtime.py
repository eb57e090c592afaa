"""What all the work of one incarnation shares: its log, agent, tools and services, and the contexts it hands out."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from agents.agent import Agent
from agents.codec import LIVE_TYPES
from agents.context import AgentContext, in_context
from agents.conversation.history import History
from agents.conversation.interrupts import find_answers
from agents.conversation.journal import Journal
from agents.conversation.left_out import LeftOut
from agents.errors import UnstorableValue
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.stack import Stack
from agents.middleware.pipeline.turn_context import SummaryText, TurnContext
from agents.services import Services
from agents.storable import storable_text, storage_problem
from agents.tools import Tool, ToolContext
from agents.turn.commands import RunTool
from agents.turn.events import Event
from agents.turn.inputs import Input, ModelRef, Patch, Patched, Summarised
from agents.turn.live import LiveEvent
from agents.turn.snapshot import take_snapshot

log = structlog.get_logger(__name__)


class ConversationRuntime:
    """Of one incarnation; `default_context` is for a turn whose caller has sent no context along."""

    def __init__(
        self,
        journal: Journal,
        agent: Agent,
        history: History,
        services: Services,
        default_context: AgentContext,
        post: Callable[[Input], None],
    ) -> None:
        self.journal = journal
        self.agent = agent
        self.history = history
        self.services = services
        self.toolset = Toolset(agent, services)
        self.stack = Stack(agent.middleware)
        self._default_context = default_context
        self._context_of_turn: dict[int, AgentContext] = {}
        self._post = post
        self._background: set[asyncio.Task[None]] = set()

    def start_middleware(self) -> None:
        """Tell the middleware that there is a new incarnation, in the background."""
        for middleware in self.stack.with_on_start():
            started = self.stack.on_start(middleware, self.turn_context(middleware))
            self.run_in_background(middleware.name, started)

    @property
    def shown_events(self) -> Sequence[Event]:
        """The events since the last summary, without what a provider has refused."""
        return LeftOut.of(self.history.facts.state).shown(self.history.events)

    def contexts(self, ref: ModelRef | None = None) -> "TurnContexts":
        """The contexts for the middleware in one model call, or outside of any."""
        return TurnContexts(self, ref)

    def turn_context(self, middleware: Middleware, ref: ModelRef | None = None) -> TurnContext:
        """What `middleware` sees now."""
        facts, name = self.history.facts, middleware.name
        turn, step = (ref.turn, ref.step) if ref else (facts.turn, 0)
        events, summary = self.shown_events, self.history.summary
        return TurnContext(
            conversation_id=self.journal.conversation_id,
            agent=self.agent,
            meta=self.journal.meta,
            facts=facts,
            turn=turn,
            step=step,
            principal=facts.principal,
            events=events,
            summary=summary.text if summary else None,
            quiescent_turns=[point.turn for point in self.history.quiescent_points],
            state=facts.state.get(name, {}),
            services=self.services,
            tell=self._tell,
            background=lambda work: self.run_in_background(name, work),
            patch_later=lambda changes: self._patch_later(name, changes),
            summarise=self._summarise,
            answered_interrupts=find_answers(events, name, turn, step),
        )

    def tool_context(
        self, command: RunTool, progress: Callable[[Any], None], patch: Callable[[Mapping[str, Any]], None]
    ) -> ToolContext:
        """What a call of a tool sees."""
        source = self.toolset.source(command.call.name)
        return ToolContext(
            conversation_id=self.journal.conversation_id,
            tool_call_id=command.call.tool_call_id,
            turn=command.call.turn,
            principal=command.principal,
            progress=progress,
            context=self.agent_context(command.principal),
            resolution=command.resolution,
            interrupted=command.interrupted,
            state=self.history.facts.state.get(source, {}) if source else {},
            patch=patch,
            tell=self._tell,
            meta=self.journal.meta,
            services=self.services,
        )

    def agent_context(self, principal: str | None) -> AgentContext:
        """The context of the current turn, with the principal who acts now."""
        context = self._context_of_turn.get(self.history.facts.turn, self._default_context)
        return replace(context, principal=principal)

    def keep_context(self, turn: int, context: AgentContext) -> None:
        """Use this context for the turn, unless an earlier caller has sent one; drop those of earlier turns."""
        current = self.history.facts.turn
        self._context_of_turn = {kept: known for kept, known in self._context_of_turn.items() if kept >= current}
        self._context_of_turn.setdefault(turn, context)

    def run_in_background(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as a task of its own; an error is logged under `name`."""
        task = asyncio.create_task(self._log_errors(name, work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(lambda _: work.close())  # a task that is cancelled at once never begins its work
        return task

    def cancel_background(self) -> None:
        """Stop what runs in the background."""
        for task in tuple(self._background):
            task.cancel()

    async def _log_errors(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            with in_context(self.agent_context(self.history.facts.principal)):
                await work
        except Exception:
            log.exception("background_work_failed", source=name, conversation_id=self.journal.conversation_id)

    def _tell(self, event: LiveEvent) -> None:
        """Broadcast an event of foreign code; one that is no JSON is dropped, or it would spoil the others."""
        problem = storage_problem(event) if type(event) in LIVE_TYPES.values() else f"{type(event).__name__} is none"
        if problem is None:
            self.journal.publish(event)
        else:
            log.warning("live_event_dropped", conversation_id=self.journal.conversation_id, cause=problem)

    def _patch_later(self, source: str, changes: Mapping[str, Any]) -> None:
        if (problem := storage_problem(changes)) is not None:
            raise UnstorableValue(f"the state of {source}", problem)
        self._post(Patched(patch=Patch(source=source, changes=changes)))

    def _summarise(self, made: SummaryText) -> None:
        points = self.history.quiescent_points
        point = next((point for point in points if point.turn == made.through_turn), None)
        if point is None:
            log.warning("summary_dropped", conversation_id=self.journal.conversation_id, through=made.through_turn)
            return
        base = take_snapshot(point.facts)
        self._post(Summarised(text=storable_text(made.text), through_turn=point.turn, after=point.seq, base=base))


class TurnContexts:
    """One context for each middleware, made when it is first needed, and the patches that middleware leaves in them."""

    def __init__(self, runtime: ConversationRuntime, ref: ModelRef | None) -> None:
        self._runtime = runtime
        self._ref = ref
        self._made: dict[str, TurnContext] = {}

    def __call__(self, middleware: Middleware) -> TurnContext:
        if middleware.name not in self._made:
            self._made[middleware.name] = self._runtime.turn_context(middleware, self._ref)
        return self._made[middleware.name]

    @property
    def patches(self) -> list[Patch]:
        return [Patch(source=name, changes=made.patches) for name, made in self._made.items() if made.patches]


class Toolset:
    """The agent's own tools, those of its middleware and those of its MCP servers, which are asked when needed."""

    def __init__(self, agent: Agent, services: Services) -> None:
        self._servers = agent.mcp
        self._pool = services.mcp
        self._known = {tool.name: (tool, source) for tool, source in agent.sourced_tools()}

    async def offered(self) -> Sequence[Tool]:
        """All that the model may call now."""
        own = [tool for tool, _ in self._known.values()]
        return [*own, *await self._pool.tools(self._servers)] if self._servers else own

    async def find(self, name: str) -> Tool | None:
        """The tool of that name, if it (still) exists."""
        if name in self._known:
            return self._known[name][0]
        return await self._pool.find(self._servers, name) if self._servers else None

    def source(self, name: str) -> str | None:
        """The middleware that brought the tool."""
        return self._known[name][1] if name in self._known else None
