"""Compaction: reduces each request as far as its size demands, and has the oldest turns summarised meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import structlog

from agents.definition_checks import check_middleware, count_problems, model_problems, shown
from agents.errors import AgentDefinitionError, ModelError
from agents.middleware.compaction.context_limit import ContextLimit
from agents.middleware.compaction.estimate import Size, tokens_by_turn, tokens_to_send, tokens_used
from agents.middleware.compaction.reducers import Reduction, shorten_window, stub_further
from agents.middleware.compaction.summarise import SummaryRequest, longest_transcript, write_summary
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import SummaryText, TurnContext
from agents.models import Model
from store import StoreError

if TYPE_CHECKING:
    from agents.agent import Agent

MIN_SUMMARISED_SHARE = 0.25
"""A summary is worth its call if it covers at least this part of the threshold."""

MAX_TURNS_BETWEEN_TRIES = 32
"""How many turns pass at most before a summary is tried again that has failed again and again."""
MAX_REMEMBERED = 10_000
"""How many conversations' failures a process remembers."""

DEFAULTS_ARE_FOR = 200_000
"""How many tokens the model reads for which the default thresholds are."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The size of the context, in tokens, at which each kind of compaction begins.

    The defaults are for a model that reads 200,000. Over `stub` the content of old tool results is left out, over
    `window` the oldest turns are: both cost nothing. Over `summary` the oldest turns are summarised. `working_set`
    bounds what is kept after the last summary with nothing left out, and so the cost of opening a conversation again.
    """

    stub: int = 60_000
    summary: int = 100_000
    window: int = 150_000
    working_set: int = 300_000

    def within(self, limit: ContextLimit | None) -> "Thresholds":
        """The thresholds for a model that has refused what is over the `limit`: at most the share of it that the
        defaults have of what their model reads.
        """
        if limit is None:
            return self
        share, most = limit.tokens / DEFAULTS_ARE_FOR, Thresholds()
        return replace(
            self,
            stub=min(self.stub, int(most.stub * share)),
            summary=min(self.summary, int(most.summary * share)),
            window=min(self.window, int(most.window * share)),
        )


def _threshold_problems(thresholds: object) -> Iterator[str]:
    if thresholds is None:
        return
    if not isinstance(thresholds, Thresholds):
        yield f"thresholds are Thresholds(...), not {shown(thresholds)}"
        return
    for threshold in fields(Thresholds):
        yield from count_problems(f"thresholds: {threshold.name}", getattr(thresholds, threshold.name), 0)


class Compaction(Middleware):
    """Results of tools become stubs first, then the oldest turns are left out; a summary is written in the background.

    `model`, by default the agent's own, summarises all turns but the last `keep_turns`, up to a point at which nothing
    was running. If that fails, everything stays as it is until the next turn; after further failures in a
    row it is tried again two turns later, then four, up to `MAX_TURNS_BETWEEN_TRIES`. The tool results of the last
    `keep_steps` model calls that had any are never stubbed. Put it before middleware that adds or removes messages.
    What a provider's refusal of the size has taught about its model (see `context_limit.py`) bounds the thresholds.
    State: how far the reducers have gone, `{"stubbed": [turn, step], "first_turn": turn}`.
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
        check_middleware(
            "Compaction",
            model_problems("model", model) if model is not None else (),
            _threshold_problems(thresholds),
            count_problems("keep_turns", keep_turns),
            count_problems("keep_steps", keep_steps),
            count_problems("summary_tokens", summary_tokens, 1),
        )
        self._model = model
        self._thresholds = thresholds or Thresholds()
        self._keep_turns = keep_turns
        self._keep_steps = keep_steps
        self._summary_tokens = summary_tokens
        self._failures: dict[str, tuple[int, int]] = {}  # in a row, and the turn from which on it is tried again
        self._summarising: set[str] = set()  # in this process, so that each conversation has one attempt at a time

    def init(self, agent: "Agent") -> None:
        if self._keep_turns < 1 or self._keep_steps < 1:
            raise AgentDefinitionError(agent.name, "compaction keeps at least the last turn and the last results")

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        """Leave out what was left out before, and more if the request is still too large."""
        reduction = before = Reduction.of(context.state)
        events, learned = context.events, _learned(context, context.model)
        limits = self._thresholds.within(learned)
        reduced = reduction.apply(request, events)
        size, scale = learned.size(reduced, events) if learned else Size(tokens_to_send(reduced, events))
        if size > limits.stub:
            reduction, freed = stub_further(
                reduction, request, events, keep_steps=self._keep_steps, threshold=limits.stub
            )
            size -= round(freed * scale)
        if size > limits.window:
            excess, threshold = round((size - limits.window) / scale), round(limits.window / scale)
            reduction = shorten_window(reduction, events, turn=context.turn, excess=excess, threshold=threshold)
        if reduction == before:
            return reduced
        context.patch(**reduction.patch_since(before))
        return reduction.apply(request, events)

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        """Start a summary if there is too much; checked at the first and at the last answer of a turn."""
        ends = not reply.calls and not reply.feedback
        if (context.step == 1 or ends) and self._is_too_much(reply, context):
            candidates = self._candidates(context)
            if candidates:
                context.background(self._summarise(context, candidates))
        return reply

    def _is_too_much(self, reply: Reply, context: TurnContext) -> bool:
        """Whether the context or the working set is too large, or turns have been left out that no summary covers."""
        sizes = tokens_by_turn(context.events)
        whole, limits = sum(sizes.values()), self._thresholds.within(_learned(context, context.model))
        shown = tokens_used(reply.usage) or whole
        left_out = Reduction.of(context.state).first_turn > min(sizes, default=context.turn)
        return shown > limits.summary or whole > limits.working_set or left_out

    def _candidates(self, context: TurnContext) -> Sequence[int]:
        """The turns up to which the summary may reach; none if there would be too little to summarise."""
        candidates = [turn for turn in context.quiescent_turns if turn <= context.turn - self._keep_turns]
        sizes = tokens_by_turn(context.events).items()
        covered = sum(size for turn, size in sizes if candidates and turn <= candidates[-1])
        limits = self._thresholds.within(_learned(context, context.model))
        enough = int(min(limits.summary, limits.working_set) * MIN_SUMMARISED_SHARE)
        return candidates if candidates and covered >= enough else ()

    async def _summarise(self, context: TurnContext, candidates: Sequence[int]) -> None:
        name = context.conversation_id
        if name in self._summarising or context.turn < self._failures.get(name, (0, 0))[1]:
            return
        self._summarising.add(name)
        try:
            if not await _is_outdated(context):
                context.summarise(await self._summary(context, candidates))
                self._failures.pop(name, None)
        except (ModelError, StoreError, TimeoutError) as error:
            # Nothing is lost: the turns stay in the context, and a later turn tries again.
            again = self._note_failure(name, context.turn)
            log.warning("summary_failed", conversation_id=name, cause=str(error), again_at_turn=again)
        finally:
            self._summarising.discard(name)

    def _note_failure(self, name: str, turn: int) -> int:
        """The turn from which on it is tried again: each try is paid for."""
        failures = self._failures.pop(name, (0, 0))[0] + 1
        again = turn + min(1 << min(failures - 1, 10), MAX_TURNS_BETWEEN_TRIES)
        self._failures[name] = (failures, again)
        if len(self._failures) > MAX_REMEMBERED:
            del self._failures[next(iter(self._failures))]
        return again

    async def _summary(self, context: TurnContext, candidates: Sequence[int]) -> SummaryText:
        learned = _learned(context, self._model or context.agent.model)
        window = self._thresholds.within(learned).window / (learned.ratio if learned else 1)
        through, transcript = longest_transcript(context.events, candidates, int(window))
        request = SummaryRequest(before=context.summary, transcript=transcript, tokens=self._summary_tokens)
        if self._model is not None:
            return SummaryText(await write_summary(self._model, request, self._summary_tokens), through)
        # The agent's own model may think first: leave it as much room as its answers have.
        room = max(self._summary_tokens, context.agent.max_tokens)
        return SummaryText(await write_summary(context.agent.model, request, room), through)


def _learned(context: TurnContext, model: Model) -> ContextLimit | None:
    return ContextLimit.of(context.facts.state, model.name)


async def _is_outdated(context: TurnContext) -> bool:
    """Whether a summary has been logged since the context was made at the beginning of the model call."""
    meta = await context.services.store.registry.get(context.conversation_id)
    return meta.summary_seq is not None and meta.summary_seq > context.facts.last_seq
