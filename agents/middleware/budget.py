"""Budget: what a conversation, and a person on one day, may use of a model, in tokens and in money.

The log is the truth: what a turn has used is the sum over its answers, recorded under the name of the turn. To record
it again replaces it, so a crash neither counts anything twice nor loses more than the call under way.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agents.errors import AgentDefinitionError, Refused, TurnStopped
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.reply import Reply
from agents.middleware.pipeline.request import Request
from agents.middleware.pipeline.store_retry import wait_out
from agents.middleware.pipeline.turn_context import TurnContext
from agents.turn.events import AssistantMsg
from agents.turn.inputs import UserMessage
from store.registries.usage import UsageTotal

if TYPE_CHECKING:
    from agents.agent import Agent

EXHAUSTED = "budget_exhausted"
DAY_LIFETIME = 2 * 86_400
"""Seconds for which a person's day is kept."""
MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class Purse:
    """A scope of usage and its limits; None: no limit. `lifetime` is in seconds, None: as long as the conversation."""

    scope: str
    whose: str
    tokens: int | None
    cost: int | None
    lifetime: int | None = None

    def complaint(self, used: UsageTotal) -> str | None:
        """A sentence for people when it is used up."""
        if self.tokens is not None and used.tokens >= self.tokens:
            return f"{self.whose} of {self.tokens:,} tokens is used up."
        if self.cost is not None and used.cost >= self.cost:
            return f"{self.whose} of {_dollars(self.cost)} is used up."
        return None


class Budget(Middleware):
    """Tokens are those of input, cached or not, and output; costs are in millionths of a US dollar.

    A conversation's sub-agents count with it. The person is its owner; the day is that of UTC on which the turn
    began. A call whose price is unknown counts its tokens alone. State: `{"day": "YYYY-MM-DD"}`.
    """

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
        """Refuses a message when there is nothing left to answer it with."""
        if not context.facts.running and "day" in context.state:
            # Nothing is missing unless another middleware ended the last turn before we heard of its answer. While a
            # turn runs, the call under way is recorded before it is logged, and would be taken back here.
            await wait_out(lambda: self._record(context, context.facts.turn, context.state["day"], ()))
        complaint = await wait_out(lambda: self._complaint(context, _today(context)))
        if complaint is not None:
            raise Refused(EXHAUSTED, complaint)
        return message

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        """Ends a turn that has used up what was left."""
        day = _today(context) if context.step == 1 else context.state.get("day", _today(context))
        if context.state.get("day") != day:
            context.patch(day=day)
        complaint = await wait_out(lambda: self._complaint(context, day))
        if complaint is not None:
            raise TurnStopped(EXHAUSTED, complaint)
        return request

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        # Before the answer is logged: what was spent is known even if nothing of it can be used.
        spent = UsageTotal(sum(reply.usage.values()), reply.cost or 0)
        await wait_out(lambda: self._record(context, context.turn, context.state["day"], (spent,)))
        return reply

    async def _record(self, context: TurnContext, turn: int, day: str, unlogged: Iterable[UsageTotal]) -> None:
        """Set what the turn has used so far."""
        used = [*_answers(context, turn), *unlogged]
        if not used:
            return
        key = f"{context.conversation_id}:{turn}"
        tokens, cost = sum(use.tokens for use in used), sum(use.cost for use in used)
        usage = context.services.store.usage
        for purse in self._purses(context, day):
            await usage.record(purse.scope, key, tokens=tokens, cost=cost, lifetime=purse.lifetime)

    async def _complaint(self, context: TurnContext, day: str) -> str | None:
        purses = self._purses(context, day)
        totals = await asyncio.gather(*(context.services.store.usage.total(purse.scope) for purse in purses))
        complaints = (purse.complaint(used) for purse, used in zip(purses, totals, strict=True))
        return next((complaint for complaint in complaints if complaint is not None), None)

    def _purses(self, context: TurnContext, day: str) -> tuple[Purse, Purse]:
        meta = context.meta
        return (
            Purse(
                f"conversation:{meta.root}",
                "The budget of this conversation",
                self.conversation_tokens,
                self.conversation_cost,
            ),
            Purse(
                f"person:{meta.principal}:{day}",
                "Your budget for today",
                self.person_tokens_a_day,
                self.person_cost_a_day,
                DAY_LIFETIME,
            ),
        )


def _answers(context: TurnContext, turn: int) -> Iterator[UsageTotal]:
    """What each logged answer of the turn has used."""
    for event in context.events:
        if isinstance(event, AssistantMsg) and event.turn == turn and event.usage:
            yield UsageTotal(sum(event.usage.values()), event.cost or 0)


def _today(context: TurnContext) -> str:
    return datetime.fromtimestamp(context.services.clock() / 1000, UTC).date().isoformat()


def _dollars(cost: int) -> str:
    """With cents, and with what is smaller than a cent only if there is any."""
    whole, _, fraction = f"{cost / MILLIONTHS:,.6f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
