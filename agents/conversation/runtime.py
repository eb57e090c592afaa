"""What all the work of one incarnation shares: its log, agent and services, and the contexts it hands out."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import structlog

from agents.agent import Agent
from agents.context import AgentContext, in_context
from agents.conversation.history import History
from agents.conversation.interrupts import answered
from agents.conversation.journal import Journal
from agents.conversation.toolset import Toolset
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.stack import Stack
from agents.middleware.pipeline.turn_context import SummaryText, TurnContext
from agents.services import Services
from agents.tools import ToolContext
from agents.turn.commands import RunTool
from agents.turn.inputs import Input, ModelRef, Patch, Patched, Summarised
from agents.turn.snapshot import take_snapshot

log = structlog.get_logger(__name__)


class ConversationRuntime:
    """Of one incarnation; `absent` is the context of work that no caller has sent one with."""

    def __init__(
        self,
        journal: Journal,
        agent: Agent,
        history: History,
        services: Services,
        absent: AgentContext,
        post: Callable[[Input], None],
    ) -> None:
        self.journal = journal
        self.agent = agent
        self.history = history
        self.services = services
        self._absent = absent
        self._contexts: dict[int, AgentContext] = {}
        self.toolset = Toolset(agent, services)
        self.stack = Stack(agent.middleware)
        self._post = post
        self._background: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Let the middleware know, beside the work."""
        for middleware in self.stack.with_on_start():
            started = self.stack.on_start(middleware, self.turn_context(middleware))
            self.in_background(middleware.name, started)

    def contexts(self, ref: ModelRef | None = None) -> "Contexts":
        """The contexts of one model call, or of something outside of any."""
        return Contexts(self, ref)

    def turn_context(self, middleware: Middleware, ref: ModelRef | None = None) -> TurnContext:
        """What `middleware` sees now."""
        facts, name = self.history.facts, middleware.name
        turn, step = (ref.turn, ref.step) if ref else (facts.turn, 0)
        events, summary = self.history.events, self.history.summary
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
            quiescent_turns=[rest.turn for rest in self.history.rests],
            state=facts.state.get(name, {}),
            services=self.services,
            tell=self.journal.publish,
            background=lambda work: self.in_background(name, work),
            patch_later=lambda changes: self._post(Patched(patch=Patch(source=name, changes=changes))),
            summarise=self._summarise,
            answered_interrupts=answered(events, name, turn, step),
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
            context=self.acting(command.principal),
            resolution=command.resolution,
            interrupted=command.interrupted,
            state=self.history.facts.state.get(source, {}) if source else {},
            patch=patch,
            tell=self.journal.publish,
            meta=self.journal.meta,
            services=self.services,
        )

    def adopt(self, context: AgentContext | None, turn: int) -> None:
        """A caller has sent this along for the turn; the first one counts, and those of earlier turns are over."""
        if context is not None:
            over = self.history.facts.turn
            self._contexts = {number: known for number, known in self._contexts.items() if number >= over}
            self._contexts.setdefault(turn, context)

    def acting(self, principal: str | None) -> AgentContext:
        """The context of the turn at hand, with the principal who acts now."""
        return replace(self._contexts.get(self.history.facts.turn, self._absent), principal=principal)

    def in_background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside everything; whatever goes wrong with it is logged under `name`."""
        task = asyncio.create_task(self._guarded(name, work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(lambda _: work.close())  # it never began, if the task was cancelled at once

    def drop(self) -> None:
        """Stop what runs in the background."""
        for task in tuple(self._background):
            task.cancel()

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            with in_context(self.acting(self.history.facts.principal)):
                await work
        except Exception:
            log.exception("background_work_failed", source=name, conversation_id=self.journal.conversation_id)

    def _summarise(self, made: SummaryText) -> None:
        rest = next((rest for rest in self.history.rests if rest.turn == made.through_turn), None)
        if rest is None:
            log.warning("summary_dropped", conversation_id=self.journal.conversation_id, through=made.through_turn)
            return
        base = take_snapshot(rest.facts)
        self._post(Summarised(text=made.text, through_turn=rest.turn, after=rest.seq, base=base))


class Contexts:
    """One context for each middleware, made when it is first needed, and what they want to be remembered."""

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
