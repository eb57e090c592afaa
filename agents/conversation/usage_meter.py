"""Counts what the models use that a conversation asks, and for whom it counts."""

from dataclasses import fields

import structlog

from agents.errors import ModelError, provider_status
from agents.middleware.pipeline.store_retry import retry_while_store_is_away
from agents.models import TokenUsage
from agents.models.metering import Meter
from agents.models.prices import cost_of
from agents.services import Services
from store import ConversationMeta
from store.principals import tenant_of
from store.registries.usage import UsageTotal, conversation_scope, day_of, person_scope, tenant_scope

log = structlog.get_logger(__name__)

KINDS = tuple(kind.name for kind in fields(TokenUsage))
NOTHING = UsageTotal(0, 0)


class UsageMeter(Meter):
    """Of one piece of work: a call of the model, a tool, or what runs in the background.

    It counts for the conversation that people see, and on the day (UTC) on which it began for the person who asked for
    it and for that person's tenant. An answer counts once, however often its usage is reported.
    """

    def __init__(self, services: Services, meta: ConversationMeta, principal: str | None) -> None:
        self._usage = services.store.usage
        self._scopes = scopes_of(meta.root, principal or meta.principal, day_of(services.clock()))
        self._others = self._scopes[1:] if meta.root == meta.id else self._scopes
        self._metrics = services.metrics
        self._answers: dict[object, UsageTotal] = {}
        self._counted: dict[object, dict[str, int]] = {}

    def count(self, answer: object, model: str, usage: TokenUsage) -> None:
        used = {name: count for name in KINDS if isinstance(count := getattr(usage, name), int) and count > 0}
        before = self._answers.get(answer, NOTHING)
        tokens = max(sum(used.values()), before.tokens)  # what foreign code reports may be less than before
        cost = max(cost_of(model, used) or 0, before.cost)
        self._answers[answer] = UsageTotal(tokens, cost)
        if tokens > before.tokens or cost > before.cost:
            self._usage.spend(self._scopes, tokens - before.tokens, cost - before.cost)
            counted = self._counted.get(answer, {})
            more = {kind: count - counted.get(kind, 0) for kind, count in used.items() if count > counted.get(kind, 0)}
            self._counted[answer] = {**counted, **used} if more else counted
            self._metrics.note_usage(model, more, cost - before.cost)

    def count_retry(self, model: str, error: ModelError, seconds: float) -> None:
        self._metrics.note_model_call(model, error.reason, provider_status(error), seconds)

    async def settle(self) -> None:
        """Return when nothing that is appended from now on can be there without all that was counted.

        What a conversation has used itself goes with the append. Never raises, however long the store is away.
        """
        if not self._answers or self._usage.send_along(self._others):
            return
        try:
            await retry_while_store_is_away(lambda: self._usage.settle(self._others))
        except Exception:
            log.exception("usage_not_written")

    def settle_soon(self) -> None:
        """Write it beside what the caller does."""
        if self._answers:
            self._usage.settle_soon(self._scopes)


def scopes_of(root: str, principal: str, day: str) -> tuple[str, ...]:
    """Where the use of a model counts that `principal` has asked for."""
    tenant = tenant_of(principal)
    scopes = (conversation_scope(root), person_scope(principal, day))
    return scopes if tenant is None else (*scopes, tenant_scope(tenant, day))
