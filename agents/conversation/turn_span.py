"""The span of a turn's work, and the trace that its contexts and its log lines name.

A span lasts from what sets the turn going, a message or an answer, to rest: it does not stay open for the hours in
which people think. What goes on from there is a span of its own, with a link to the one before and to the request that
answered. It is in the trace of the turn's message, whose context the turn has; a later incarnation, which does not know
that, is in the trace of the answer, or begins one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from structlog.contextvars import bind_contextvars, unbind_contextvars

from agents.context import AgentContext
from agents.conversation.span_attributes import agent_attributes, usage_attributes
from agents.tracing import NO_SPAN, Span, Tracer, trace_id_of
from agents.turn import Event, Machine, State
from agents.turn.events import AssistantMsg, TurnEnded
from store import ConversationMeta

_AT_REST = frozenset({State.IDLE, State.AWAITING_INPUT, State.TERMINATING})
FORGET = ""
"""What the store is told in the place of a span when no turn is unfinished any more."""


def _nothing() -> None:
    """There is nothing to undo."""


class _Stretch:
    """The work of `turn` under way."""

    def __init__(self, turn: int, span: Span) -> None:
        self.turn = turn
        self.span = span
        self._usage: dict[str, int] = {}
        self._cost = 0

    def note(self, event: Event) -> None:
        """An event of the turn has become durable."""
        match event:
            case AssistantMsg(usage=usage, cost=cost):
                self._usage = {name: self._usage.get(name, 0) + usage.get(name, 0) for name in {*self._usage, *usage}}
                self._cost += cost or 0
            case TurnEnded(outcome=outcome, reason=reason, detail=detail):
                self.span.set({"raylogue.outcome": outcome})
                if outcome == "failed":
                    self.span.fail(reason or outcome, detail or "")

    def end(self, state: str) -> None:
        self.span.set({"raylogue.state": state, **usage_attributes(self._usage, self._cost or None)})
        self.span.end()


class TurnSpan:
    """Of one incarnation. `unfinished` is whether its log ends in a turn that is not over."""

    def __init__(self, tracer: Tracer, meta: ConversationMeta, agent: str, *, unfinished: int | None) -> None:
        self._tracer = tracer
        self._meta = meta
        self._agent = agent
        self._stretch: _Stretch | None = None
        self._ending: _Stretch | None = None
        self._turn = 0
        self._traceparent: str | None = None
        self._stored = meta.trace
        self._former = {} if unfinished is None or meta.trace is None else {unfinished: meta.trace}
        self._undo: Callable[[], None] = _nothing

    @property
    def traceparent(self) -> str | None:
        """The span of the work under way; None if nothing is recorded of it."""
        return self._stretch.span.traceparent if self._stretch is not None else None

    def applied(self, context: AgentContext, turn: int) -> AgentContext:
        """The context of work of that turn, in its span, if one is recorded."""
        if turn != self._turn or self._traceparent is None:
            return context
        return replace(context, trace_id=trace_id_of(self._traceparent), traceparent=self._traceparent)

    def begin(self, machine: Machine, sent: AgentContext | None, known: AgentContext | None) -> str | None:
        """The machine is about to become this one: begin a span if its work begins.

        `sent` is the context of what set it going now, `known` that of the turn's message, if it came before. Returns
        what the store should keep as the span of the unfinished turn, None for what it has.
        """
        self._undo = _nothing
        turn = machine.facts.turn
        if machine.state in _AT_REST:
            ends = not machine.facts.running and self._stored is not None
            return FORGET if ends else None
        if self._stretch is not None and self._stretch.turn == turn:
            return None
        self._undo = partial(self._restore, dict(vars(self)))
        self._ending, self._stretch = self._stretch, None
        span = self._start(turn, [None if one is None else one.traceparent for one in (known, sent)])
        self._stretch = _Stretch(turn, span)
        self._turn, self._traceparent = turn, span.traceparent
        self._name_trace(known or sent)
        return span.traceparent

    def withdraw(self) -> None:
        """What was about to be has not come to be."""
        undo, self._undo = self._undo, _nothing
        undo()

    def note_committed(self, machine: Machine, events: Sequence[Event], kept: str | None) -> None:
        """The machine has become this one, its events are durable, and the store keeps `kept`."""
        if kept is not None:
            self._stored = kept or None
        if (ending := self._ending) is None and self._stretch is None:
            return
        for event in events:
            for stretch in (ending, self._stretch):
                if stretch is not None and stretch.turn == event.turn:
                    stretch.note(event)
        if ending is not None:
            ending.end(State.IDLE)
            self._ending = None
        if machine.state in _AT_REST:
            self._rest(machine)

    def abandon(self) -> None:
        """This incarnation is over, whatever it was doing."""
        for stretch in (self._ending, self._stretch):
            if stretch is not None:
                stretch.span.fail("superseded")
                stretch.end("gone")
        self._ending = self._stretch = None

    def _start(self, turn: int, above: Sequence[str | None]) -> Span:
        if not self._tracer.is_on:
            return NO_SPAN
        attributes = {
            **agent_attributes(self._agent, self._meta.id, turn),
            "raylogue.epoch": self._meta.epoch,
            "raylogue.place": self._meta.place or None,
            "raylogue.parent": self._meta.parent,
        }
        parent = next(filter(None, above), None)
        links = [link for link in (self._former.get(turn), *above) if link is not None and link != parent]
        return self._tracer.span(f"invoke_agent {self._agent}", attributes, parent, links=links)

    def _name_trace(self, context: AgentContext | None) -> None:
        """What the work logs from here on has the turn, and the trace as far as it is known."""
        if self._traceparent is not None:
            trace_id: str | None = trace_id_of(self._traceparent)
        else:
            trace_id = None if context is None else context.trace_id
        bind_contextvars(turn=self._turn, trace_id=trace_id)

    def _restore(self, before: Mapping[str, Any]) -> None:
        if self._stretch is not None:
            self._stretch.end("not_begun")
        vars(self).update(before)

    def _rest(self, machine: Machine) -> None:
        stretch, self._stretch = self._stretch, None
        if stretch is not None:
            if machine.facts.running and stretch.span.traceparent is not None:
                self._former = {stretch.turn: stretch.span.traceparent}
            stretch.end(machine.state.value)
        if not machine.facts.running:
            unbind_contextvars("turn", "trace_id")
