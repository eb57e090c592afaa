"""The middleware: reduces each request as far as its size demands, and has the oldest turns summarised meanwhile."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from agents.errors import AgentDefinitionError, ModelError
from agents.middleware.compaction.estimate import counted, tokens_by_turn, tokens_to_send
from agents.middleware.compaction.reducers import Reduction, further_stubs, further_window
from agents.middleware.compaction.summarise import Asked, readable, summarised
from agents.middleware.compaction.thresholds import Thresholds
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.reply import Reply
from agents.middleware.pipeline.request import Request
from agents.middleware.pipeline.turn_context import SummaryText, TurnContext
from agents.models import Model
from store import StoreError

if TYPE_CHECKING:
    from agents.agent import Agent

WORTH_A_SUMMARY = 4
"""What is summarised must be at least this part of what is too large."""

log = structlog.get_logger(__name__)


class Compaction(Middleware):
    """Results of tools become stubs first, then the oldest turns are left out; beside the work they are summarised.

    A summary is written by `model`, by default the agent's own, of all turns but the last `keep_turns`, and up to a
    point at which nothing was under way. Should that fail, everything stays as it is until the next turn. The
    results of the last `keep_steps` model calls that asked for any are never stubbed. It belongs in front of
    middleware that adds or removes messages. State: how far the reducers have gone,
    `{"stubbed": [turn, step], "first_turn": turn}`.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        thresholds: Thresholds | None = None,
        keep_turns: int = 4,
        keep_steps: int = 4,
        summary_tokens: int = 4_096,
    ) -> None:
        self._model = model
        self._thresholds = thresholds or Thresholds()
        self._keep_turns = keep_turns
        self._keep_steps = keep_steps
        self._summary_tokens = summary_tokens
        self._under_way: set[str] = set()  # of this process: one summary of a conversation at a time

    def init(self, agent: "Agent") -> None:
        if self._keep_turns < 1 or self._keep_steps < 1:
            raise AgentDefinitionError(agent.name, "compaction keeps at least the last turn and the last results")

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        """Leave out what was left out before, and more if that is still too large."""
        reduction = before = Reduction.of(context.state)
        limits, events = self._thresholds, context.events
        reduced = reduction.apply(request, events)
        size = tokens_to_send(reduced, events)
        if size > limits.stub:
            reduction, freed = further_stubs(
                reduction, request, events, keep_steps=self._keep_steps, threshold=limits.stub
            )
            size -= freed
        if size > limits.window:
            excess = size - limits.window
            reduction = further_window(reduction, events, turn=context.turn, excess=excess, threshold=limits.window)
        if reduction == before:
            return reduced
        context.patch(**reduction.changes(before))
        return reduction.apply(request, events)

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        """See whether there is too much, once when a turn begins and once when it comes to its end."""
        ends = not reply.calls and not reply.feedback
        if (context.step == 1 or ends) and self._is_too_much(reply, context):
            points = self._points(context)
            if points:
                context.background(self._summarise(context, points))
        return reply

    def _is_too_much(self, reply: Reply, context: TurnContext) -> bool:
        """Whether the context is, or all that would be in it, or if turns have been left out without a word."""
        sizes = tokens_by_turn(context.events)
        whole = sum(sizes.values())
        shown = counted(reply.usage) or whole
        forgotten = Reduction.of(context.state).first_turn > min(sizes, default=context.turn)
        return shown > self._thresholds.summary or whole > self._thresholds.working_set or forgotten

    def _points(self, context: TurnContext) -> Sequence[int]:
        """The turns up to which the summary may reach; none, if there would be too little to summarise."""
        points = [turn for turn in context.rests if turn <= context.turn - self._keep_turns]
        sizes = tokens_by_turn(context.events).items()
        covered = sum(size for turn, size in sizes if points and turn <= points[-1])
        worth = min(self._thresholds.summary, self._thresholds.working_set) // WORTH_A_SUMMARY
        return points if points and covered >= worth else ()

    async def _summarise(self, context: TurnContext, points: Sequence[int]) -> None:
        name = context.conversation_id
        if name in self._under_way:
            return
        self._under_way.add(name)
        try:
            if not await _is_outdated(context):
                context.summarise(await self._summary(context, points))
        except (ModelError, StoreError, TimeoutError) as error:
            # Nothing is lost: the turns stay in the context, and the next turn is the next try.
            log.warning("summary_failed", conversation_id=name, cause=str(error))
        finally:
            self._under_way.discard(name)

    async def _summary(self, context: TurnContext, points: Sequence[int]) -> SummaryText:
        through, transcript = readable(context.events, points, self._thresholds.window)
        asked = Asked(before=context.summary, transcript=transcript, tokens=self._summary_tokens)
        if self._model is not None:
            return SummaryText(await summarised(self._model, asked, self._summary_tokens), through)
        # The agent's own model may be one that thinks first; what it may write in all is what it is used to.
        room = max(self._summary_tokens, context.agent.max_tokens)
        return SummaryText(await summarised(context.agent.model, asked, room), through)


async def _is_outdated(context: TurnContext) -> bool:
    """Whether a summary has come since the context was made, at the beginning of the model call."""
    meta = await context.services.store.registry.get(context.conversation_id)
    return meta.summary_seq is not None and meta.summary_seq > context.facts.last_seq
