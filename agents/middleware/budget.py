"""Budget: limits what a conversation, and a person on one day, may use of a model, in tokens and in money.

The log is the truth: the usage of a turn is the sum over its answers, recorded under the number of the turn. Recording
it again replaces it, so a crash counts nothing twice and loses at most the call that was running.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agents.errors import AgentDefinitionError, Refused, TurnStopped
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.store_retry import retry_while_store_is_away
from agents.middleware.pipeline.turn_context import TurnContext
from agents.turn.events import AssistantMsg
from agents.turn.inputs import UserMessage
from store.registries.usage import UsageTotal

if TYPE_CHECKING:
    from agents.agent import Agent

EXHAUSTED = "budget_exhausted"
DAY_LIFETIME_SECONDS = 2 * 86_400
"""How long the usage of a person on one day is kept."""
MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class UsageLimit:
    """The limits of one scope of usage, None: no limit. `label` names it for people.

    `lifetime` is in seconds, None: as long as the conversation.
    """

    scope: str
    label: str
    tokens: int | None
    cost: int | None
    lifetime: int | None = None

    def exceeded(self, used: UsageTotal) -> str | None:
        """A sentence for people if a limit has been reached, else None."""
        if self.tokens is not None and used.tokens >= self.tokens:
            return f"{self.label} of {self.tokens:,} tokens is used up."
        if self.cost is not None and used.cost >= self.cost:
            return f"{self.label} of {_dollars(self.cost)} is used up."
        return None


class Budget(Middleware):
    """Counts tokens of input (cached or not) and of output; costs are in millionths of a US dollar.

    What sub-agents use counts for the conversation they work for, whose budget binds them besides their own. The person
    is its owner; the day is the one in UTC on which the turn began. A call whose price is unknown counts only its
    tokens. State: `{"day": "YYYY-MM-DD"}`.
    """

    inherited = True

    def __init__(
        self,
        *,
        conversation_tokens: int | None = None,
        conversation_cost: int | None = None,
        person_tokens_a_day: int | None = None,
        person_cost_a_day: int | None = None,
    ) -> None:
        self.conversation_tokens = conversation_tokens
        self.conversation_cost = conversation_cost
        self.person_tokens_a_day = person_tokens_a_day
        self.person_cost_a_day = person_cost_a_day

    def init(self, agent: "Agent") -> None:
        limits = (
            self.conversation_tokens,
            self.conversation_cost,
            self.person_tokens_a_day,
            self.person_cost_a_day,
        )
        if any(limit is not None and limit < 0 for limit in limits):
            raise AgentDefinitionError(agent.name, "a budget cannot be less than nothing")

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        """Refuse a message when nothing of the budget is left."""
        if not context.facts.running and "day" in context.state:
            # Record the last turn once more: other middleware may have ended it before its answer came here. Not while
            # a turn runs: the usage of its current call is recorded before it is logged, and would be removed here.
            await retry_while_store_is_away(lambda: self._record(context, context.facts.turn, context.state["day"], ()))
        exceeded = await retry_while_store_is_away(lambda: self._exceeded(context, _today(context)))
        if exceeded is not None:
            raise Refused(EXHAUSTED, exceeded)
        return message

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        """End a turn when nothing of the budget is left."""
        day = _today(context) if context.step == 1 else context.state.get("day", _today(context))
        if context.state.get("day") != day:
            context.patch(day=day)
        exceeded = await retry_while_store_is_away(lambda: self._exceeded(context, day))
        if exceeded is not None:
            raise TurnStopped(EXHAUSTED, exceeded)
        return request

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        # Recorded before the answer is logged: the usage counts even if the answer cannot be used.
        spent = UsageTotal(sum(reply.usage.values()), reply.cost or 0)
        await retry_while_store_is_away(lambda: self._record(context, context.turn, context.state["day"], (spent,)))
        return reply

    async def _record(self, context: TurnContext, turn: int, day: str, not_logged: Iterable[UsageTotal]) -> None:
        """Record what the turn has used so far."""
        used = [*_usage_by_answer(context, turn), *not_logged]
        if not used:
            return
        key = f"{context.conversation_id}:{turn}"
        tokens, cost = sum(use.tokens for use in used), sum(use.cost for use in used)
        usage = context.services.store.usage
        for limit in self._limits(context, day):
            await usage.record(limit.scope, key, tokens=tokens, cost=cost, lifetime=limit.lifetime)

    async def _exceeded(self, context: TurnContext, day: str) -> str | None:
        limits = self._limits(context, day)
        totals = await asyncio.gather(*(context.services.store.usage.total(limit.scope) for limit in limits))
        sentences = (limit.exceeded(used) for limit, used in zip(limits, totals, strict=True))
        return next((exceeded for exceeded in sentences if exceeded is not None), None)

    def _limits(self, context: TurnContext, day: str) -> tuple[UsageLimit, UsageLimit]:
        meta = context.meta
        return (
            UsageLimit(
                f"conversation:{meta.root}",
                "The budget of this conversation",
                self.conversation_tokens,
                self.conversation_cost,
            ),
            UsageLimit(
                f"person:{meta.principal}:{day}",
                "Your budget for today",
                self.person_tokens_a_day,
                self.person_cost_a_day,
                DAY_LIFETIME_SECONDS,
            ),
        )


def _usage_by_answer(context: TurnContext, turn: int) -> Iterator[UsageTotal]:
    """The usage of each logged answer of the turn."""
    for event in context.events:
        if isinstance(event, AssistantMsg) and event.turn == turn and event.usage:
            yield UsageTotal(sum(event.usage.values()), event.cost or 0)


def _today(context: TurnContext) -> str:
    return datetime.fromtimestamp(context.services.clock() / 1000, UTC).date().isoformat()


def _dollars(cost: int) -> str:
    """With two decimals, and more only where there are fractions of a cent."""
    whole, _, fraction = f"{cost / MILLIONTHS:,.6f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
