"""How much a model reads, learned from its provider's refusals; the log keeps it, so that each is learned from once."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from agents.errors import PromptSize
from agents.middleware.compaction.estimate import (
    Size,
    after_last_answer,
    estimate_tokens,
    tokens_at_last_answer,
    tokens_by_turn,
)
from agents.middleware.pipeline.exchange import Request
from agents.models import ModelRequest
from agents.turn.events import Event
from agents.turn.inputs import ModelRef, Patch

SOURCE = "context_limit"

MAX_RATIO = 8
"""So many times an estimate may be wrong. Beyond it, the provider's counts at its answers are what is wrong."""


@dataclass(frozen=True, slots=True)
class ContextLimit:
    """A model reads `tokens`; an estimate times `ratio` is what its provider would count.

    `counts`: the counts at its answers can be relied on. `turn` and `step` are the call that it was learned from. It is
    kept as a `state_patch` of the source `context_limit`, by the name of the model.
    """

    tokens: int
    ratio: float = 1.0
    counts: bool = True
    turn: int = 0
    step: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Mapping[str, Any]], model: str) -> Self | None:
        """What is known of the model of that name, from the durable state of the conversation."""
        known = state.get(SOURCE, {}).get(model)
        return None if known is None else cls(**known)

    @classmethod
    def from_refusal(
        cls, refused: PromptSize | None, request: ModelRequest, events: Iterable[Event], ref: ModelRef
    ) -> Self:
        """From the refusal of a request for its size, with the provider's figures if it gave any."""
        whole, added, last = _parts(request, events)
        if refused is None:
            return cls(whole, counts=False, turn=ref.turn, step=ref.step)
        grown = refused.tokens - last
        is_plausible = _may_be_count(last, whole - added) and 0 <= grown <= MAX_RATIO * added
        ratio = grown / added if is_plausible else refused.tokens / whole
        counts = is_plausible or last == 0 or grown < 0
        return cls(refused.limit, round(min(max(ratio, 1.0), MAX_RATIO), 3), counts, ref.turn, ref.step)

    @classmethod
    def from_full_answer(cls, used: int, request: ModelRequest, ref: ModelRef) -> Self:
        """From an answer that ended because the window was full: the provider counted `used` tokens with it."""
        whole = _estimate(request)
        is_plausible = _may_be_count(used, whole)
        return cls(used if is_plausible else whole, counts=is_plausible, turn=ref.turn, step=ref.step)

    def joined(self, before: Self | None) -> Self:
        """With what was known before: no estimate is trusted again that has been too low."""
        if before is None:
            return self
        return replace(self, ratio=max(self.ratio, before.ratio), counts=self.counts and before.counts)

    def patch(self, model: str) -> Patch:
        """The change of the durable state that makes it last."""
        return Patch(source=SOURCE, changes={model: asdict(self)})

    def may_hold(self, turn: int, events: Iterable[Event]) -> bool:
        """Whether a request may fit without anything of the turns before; if not, no compaction can help."""
        sizes = tokens_by_turn(events)
        own = sizes.pop(turn, 0)
        return bool(sizes) and own * self.ratio < self.tokens

    def size(self, request: Request, events: Iterable[Event]) -> Size:
        """The size of a request by what has been learned; see `tokens_to_send`."""
        whole, added, last = _parts(request, events)
        earlier = max(whole - added, 1)
        if self.counts and _may_be_count(last, earlier):
            return Size(round(last + added * self.ratio), max(last / earlier, 1 / MAX_RATIO))
        return Size(round(whole * self.ratio), self.ratio)


def _parts(request: ModelRequest | Request, events: Iterable[Event]) -> tuple[int, int, int]:
    """The estimate of the request, that of what came after the last answer, and the provider's count at that answer."""
    added = estimate_tokens(after_last_answer(request.messages))
    return _estimate(request), added, tokens_at_last_answer(events)


def _may_be_count(tokens: int, estimate: int) -> bool:
    """Whether the provider may have counted so many tokens; some servers count nothing, or the answer alone."""
    return tokens > 0 and tokens * MAX_RATIO >= estimate


def _estimate(request: ModelRequest | Request) -> int:
    if isinstance(request, ModelRequest):
        return estimate_tokens([request.system, *request.messages, *request.tools])
    return estimate_tokens(request.parts())
