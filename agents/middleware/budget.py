"""Budget: limits what a conversation, and a person on one day, may use of a model, in tokens and in money.

It compares; what is used is counted for every conversation, whether it has a budget or not.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.definition_checks import check_middleware, count_problems
from agents.errors import AgentDefinitionError, Refused, TurnStopped
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.store_retry import retry_while_store_is_away
from agents.middleware.pipeline.turn_context import TurnContext
from agents.turn.inputs import UserMessage
from store.registries.usage import UsageTotal, conversation_scope, day_of, person_scope

if TYPE_CHECKING:
    from agents.agent import Agent

EXHAUSTED = "budget_exhausted"
MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class UsageLimit:
    """The limits of one scope of usage, None: no limit. `label` names it for people."""

    scope: str
    label: str
    tokens: int | None
    cost: int | None

    @property
    def is_limited(self) -> bool:
        return self.tokens is not None or self.cost is not None

    def exceeded(self, used: UsageTotal) -> str | None:
        """A sentence for people if a limit has been reached, else None."""
        if self.tokens is not None and used.tokens >= self.tokens:
            return f"{self.label} of {self.tokens:,} tokens is used up."
        if self.cost is not None and used.cost >= self.cost:
            return f"{self.label} of {_dollars(self.cost)} is used up."
        return None


class Budget(Middleware):
    """Bounds tokens of input (cached or not) and of output; costs are in millionths of a US dollar.

    All counts that providers bill: answers that were finished, cut off or made again, titles and summaries. What
    sub-agents use counts for the conversation they work for, whose budget binds them besides their own. The person is
    the one who asks, its owner or a member; the day is the one in UTC on which a call began. A call whose price is
    unknown counts only its tokens.
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
        given = {
            "conversation_tokens": conversation_tokens,
            "conversation_cost": conversation_cost,
            "person_tokens_a_day": person_tokens_a_day,
            "person_cost_a_day": person_cost_a_day,
        }
        check_middleware("Budget", *(count_problems(name, limit) for name, limit in given.items() if limit is not None))
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
        exceeded = await retry_while_store_is_away(lambda: self._exceeded(context))
        if exceeded is not None:
            raise Refused(EXHAUSTED, exceeded)
        return message

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        """End a turn when nothing of the budget is left."""
        exceeded = await retry_while_store_is_away(lambda: self._exceeded(context))
        if exceeded is not None:
            raise TurnStopped(EXHAUSTED, exceeded)
        return request

    async def _exceeded(self, context: TurnContext) -> str | None:
        limits = [limit for limit in self._limits(context) if limit.is_limited]
        totals = await asyncio.gather(*(context.services.store.usage.total(limit.scope) for limit in limits))
        sentences = (limit.exceeded(used) for limit, used in zip(limits, totals, strict=True))
        return next((exceeded for exceeded in sentences if exceeded is not None), None)

    def _limits(self, context: TurnContext) -> tuple[UsageLimit, UsageLimit]:
        person, day = context.principal or context.meta.principal, day_of(context.services.clock())
        return (
            UsageLimit(
                conversation_scope(context.meta.root),
                "The budget of this conversation",
                self.conversation_tokens,
                self.conversation_cost,
            ),
            UsageLimit(
                person_scope(person, day), "Your budget for today", self.person_tokens_a_day, self.person_cost_a_day
            ),
        )


def _dollars(cost: int) -> str:
    """With two decimals, and more only where there are fractions of a cent."""
    whole, _, fraction = f"{cost / MILLIONTHS:,.6f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
