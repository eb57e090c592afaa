"""What all the work of one incarnation shares: its log, agent, tools and services, and the contexts it hands out."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars

from agents.agent import Agent
from agents.codec import EVENT_NAMES, LIVE_TYPES
from agents.context import AgentContext, current_context, in_context
from agents.conversation.foreign_answers import readable_by
from agents.conversation.history import History
from agents.conversation.interrupts import find_answers
from agents.conversation.journal import Journal
from agents.conversation.left_out import LeftOut
from agents.conversation.turn_span import TurnSpan
from agents.conversation.usage_meter import UsageMeter
from agents.errors import UnstorableValue
from agents.mcp.definition import name_beside
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.stack import Stack
from agents.middleware.pipeline.turn_context import SummaryText, TurnContext
from agents.models import Model
from agents.models.metering import metered
from agents.models.provider import provider_of
from agents.projection import as_seen
from agents.services import Services
from agents.storable import storable_text, storage_problem
from agents.tools import Tool, ToolContext
from agents.tracing import NO_SPAN, Span, Tracer
from agents.turn import StepResult
from agents.turn.commands import Append, RunTool
from agents.turn.events import Event
from agents.turn.inputs import Input, ModelRef, Patch, Patched, Summarised, UserMessage
from agents.turn.live import LiveEvent
from agents.turn.snapshot import take_snapshot

log = structlog.get_logger(__name__)


class ConversationRuntime:
    """Of one incarnation; `default_context` makes that of a principal whose message has brought no context along."""

    def __init__(
        self,
        journal: Journal,
        agent: Agent,
        history: History,
        services: Services,
        default_context: Callable[[str | None], AgentContext],
        post: Callable[[Input], None],
    ) -> None:
        self.journal = journal
        self.agent = agent
        self.history = history
        self.services = services
        self.toolset = Toolset(agent, services)
        self.stack = Stack(agent.middleware)
        self.turn_span = self.make_turn_span(services.tracer)
        self._default_context = default_context
        self._sent: dict[int, dict[str | None, AgentContext]] = {}
        self._post = post
        self._background: set[asyncio.Task[None]] = set()

    def make_turn_span(self, tracer: Tracer) -> TurnSpan:
        """The span of the work of its turns."""
        facts = self.history.facts
        return TurnSpan(tracer, self.journal.meta, self.agent.name, unfinished=facts.turn if facts.running else None)

    def append_span(self, decided: StepResult, context: AgentContext | None) -> Span:
        """The span of the append of these events, for a caller with this context, if there is one."""
        parent = self.turn_span.traceparent if context is None else context.traceparent
        if not self.services.tracer.is_on or parent is None:
            return NO_SPAN
        told = [type(event) for command in decided.commands if isinstance(command, Append) for event in command.events]
        if not told:
            return NO_SPAN
        attributes = {
            "db.system.name": "redis",
            "db.operation.name": "append",
            "gen_ai.conversation.id": self.journal.conversation_id,
            "raylogue.seq": decided.machine.facts.last_seq,
            "raylogue.events": [EVENT_NAMES[each] for each in told],
        }
        return self.services.tracer.span("append", attributes, parent, kind="client")

    def start_middleware(self, coming: AgentContext | None = None) -> None:
        """Tell the middleware that there is a new incarnation, in the background.

        It acts for the turn that is unfinished, else for the message whose context is `coming`, else for the owner.
        """
        running = self.history.facts.running
        principal = self.history.facts.principal if running else coming.principal if coming is not None else None
        principal = principal or self.journal.meta.principal
        context = partial(self.agent_context if running else partial(self._acting, coming), principal)
        for middleware in self.stack.with_on_start():
            started = self.stack.on_start(middleware, self.turn_context(middleware, principal))
            self.run_in_background(middleware.name, started, context)

    @property
    def shown_events(self) -> Sequence[Event]:
        """The events since the last summary, without what a provider has refused, or could not read.

        Of the turns that are over, with what people have seen of them.
        """
        history, facts = self.history, self.history.facts
        shown = LeftOut.of(facts.state).shown(history.events)
        shown = as_seen(shown, before=facts.turn if facts.running else facts.turn + 1)
        provider = provider_of(self.model_of(history.facts.turn))
        return shown if provider is None or history.providers <= {provider} else readable_by(provider, shown)

    def model_of(self, turn: int) -> Model:
        """The model that the newest message of the turn with a choice has chosen, or else the agent's own."""
        facts = self.history.facts
        return self.agent.model_named(facts.model if turn == facts.turn else None)

    def contexts(self, principal: str | None, ref: ModelRef | None = None) -> "TurnContexts":
        """The contexts for the middleware in one model call, or outside of any; see `turn_context`."""
        return TurnContexts(self, principal, ref)

    def turn_context(self, middleware: Middleware, principal: str | None, ref: ModelRef | None = None) -> TurnContext:
        """What `middleware` sees now; `principal` acts."""
        facts, name = self.history.facts, middleware.name
        turn, step = (ref.turn, ref.step) if ref else (facts.turn, 0)
        events, summary = self.shown_events, self.history.summary
        return TurnContext(
            conversation_id=self.journal.conversation_id,
            agent=self.agent,
            model=self.model_of(turn),
            meta=self.journal.meta,
            facts=facts,
            turn=turn,
            step=step,
            principal=principal,
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
            sender=self._sender(command.call.turn, command.principal),
            progress=progress,
            context=self.agent_context(command.principal, command.call.turn),
            resolution=command.resolution,
            interrupted=command.interrupted,
            state=self.history.facts.state.get(source, {}) if source else {},
            patch=patch,
            tell=self._tell,
            meta=self.journal.meta,
            services=self.services,
        )

    def agent_context(self, principal: str | None, turn: int | None = None) -> AgentContext:
        """The context of a turn (None: the current one), with the principal who acts now.

        It is the one that came with the message of the turn's sender, or is made for that person: never an approver's.
        """
        wanted = self.history.facts.turn if turn is None else turn
        sender = self._sender(wanted, principal)
        context = self.context_sent(wanted, sender) or self._default_context(sender)
        return self._acting(self.turn_span.applied(context, wanted), principal)

    def _sender(self, turn: int, otherwise: str | None) -> str | None:
        """Whose messages the turn has, if it is the current one."""
        facts = self.history.facts
        return facts.principal if turn == facts.turn else otherwise

    def context_sent(self, turn: int, sender: str | None) -> AgentContext | None:
        """What came along with the message of the turn's sender, if this incarnation has seen it."""
        sent = self._sent.get(turn, {})
        return sent.get(sender) or sent.get(None)

    def message_context(self, message: UserMessage, context: AgentContext | None) -> AgentContext:
        """The context of a message that is not in the log yet; `context` is what came with it."""
        return self._acting(context, message.principal)

    @contextmanager
    def acting_in(self, context: AgentContext) -> Iterator[UsageMeter]:
        """Run foreign code in this context; what models use counts for its principal."""
        meter = UsageMeter(self.services, self.journal.meta, context.principal)
        with in_context(context), metered(meter):
            yield meter

    def keep_context(self, turn: int, context: AgentContext, principal: str | None) -> None:
        """Note what the principal has sent along to the turn, unless it has before; forget what is long over."""
        current = self.history.facts.turn
        # The calls of the turn before may still have to be told that they are over.
        self._sent = {kept: known for kept, known in self._sent.items() if kept >= current - 1}
        self._sent.setdefault(turn, {}).setdefault(principal, context)

    def run_in_background(
        self, name: str, work: Coroutine[Any, Any, None], context: Callable[[], AgentContext] = current_context
    ) -> asyncio.Task[None]:
        """Run `work` as a task of its own, in this context or that of the caller; an error is logged under `name`."""
        task = asyncio.create_task(self._log_errors(name, work, context))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(lambda _: work.close())  # a task that is cancelled at once never begins its work
        return task

    @property
    def has_background(self) -> bool:
        """Whether something runs in the background."""
        return bool(self._background)

    def cancel_background(self) -> None:
        """Stop what runs in the background."""
        for task in tuple(self._background):
            task.cancel()

    async def _log_errors(
        self, name: str, work: Coroutine[Any, Any, None], context: Callable[[], AgentContext]
    ) -> None:
        bind_contextvars(conversation_id=self.journal.conversation_id, turn=self.history.facts.turn)
        try:
            acting = context()
            bind_contextvars(trace_id=acting.trace_id)
            with self.acting_in(acting) as meter:
                try:
                    await work
                finally:
                    meter.settle_soon()
        except Exception:
            log.exception("background_work_failed", source=name, conversation_id=self.journal.conversation_id)

    def _acting(self, context: AgentContext | None, principal: str | None) -> AgentContext:
        return replace(context or self._default_context(principal), principal=principal)

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

    def __init__(self, runtime: ConversationRuntime, principal: str | None, ref: ModelRef | None) -> None:
        self._runtime = runtime
        self._ref = ref
        self._principal = principal
        self._made: dict[str, TurnContext] = {}

    def __call__(self, middleware: Middleware) -> TurnContext:
        if middleware.name not in self._made:
            self._made[middleware.name] = self._runtime.turn_context(middleware, self._principal, self._ref)
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
        """All that the model may call now, each under a name of its own."""
        own = [tool for tool, _ in self._known.values()]
        if not self._servers:
            return own
        offered = {tool.name: tool for tool in own}
        for tool in await self._pool.tools(self._servers):
            named = replace(tool, name=name_beside(tool.name)) if tool.name in self._known else tool
            offered.setdefault(named.name, named)
        return list(offered.values())

    async def find(self, name: str) -> Tool | None:
        """The tool of that name, if it (still) exists."""
        if name in self._known:
            return self._known[name][0]
        if not self._servers:
            return None
        hidden = next((known for known in self._known if name_beside(known) == name), name)
        tool = await self._pool.find(self._servers, hidden)
        return tool if tool is None or hidden == name else replace(tool, name=name)

    async def away(self) -> Sequence[str]:
        """A sentence on each MCP server that cannot be reached, for the model."""
        return await self._pool.away(self._servers) if self._servers else ()

    def problem_of(self, name: str) -> str | None:
        """Why no tool is called `name`, if it is that its MCP server cannot be reached: a sentence."""
        return self._pool.problem_of(self._servers, name)

    def source(self, name: str) -> str | None:
        """The middleware that brought the tool."""
        return self._known[name][1] if name in self._known else None
