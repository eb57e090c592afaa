"""What the send stage asks of a chat's record: the bubbles of a chain, how far they are, and whether it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agents.turn.inputs import RecordDelivery
from deployments.channels.sending.bubbles import Outgoing

Unsent = Literal["refused", "unknown", "cancelled", "chat_gone"]
"""Why a bubble was not sent; `unknown`: it was tried as often as it may be, and none of its tries was answered."""


class ChainCancelled(Exception):
    """The chain is over before its end, as when the person has written again: send nothing more, and record it."""


class RunSuperseded(Exception):
    """A later run of the stage has taken the chain over: do nothing more, and record nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a bubble: it was sent `at` (ms) and has the channel's `id`, or it was not, for a `reason`."""

    at: int | None = None
    id: str | None = None
    reason: Unsent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What there is to send: the bubbles of the answers of a `turn` of a conversation, and to which chat."""

    id: str
    chat: str
    conversation_id: str
    turn: int
    items: Sequence[Outgoing]
    is_group: bool = False
    principal: str | None = None


class Outbox(Protocol):
    """One chain's part of a chat's record, for one run of the stage; each write is durable when it returns.

    A run fences the ones before it: every call of theirs raises RunSuperseded from then on.
    """

    chain: Chain

    async def outcomes(self) -> Sequence[Outcome]:
        """What came of the first bubbles, in order; the cursor is behind them."""

    async def is_cancelled(self) -> bool:
        """Whether the chain is to end before its end."""

    async def begin(self, index: int) -> int:
        """This bubble is about to be sent; how many tries it has with this one. Raises ChainCancelled."""

    async def withdraw(self, index: int) -> None:
        """The try that has begun was refused for now: nothing was sent, and it does not count."""

    async def settle(self, index: int, outcome: Outcome) -> None:
        """The bubble at the cursor has come to this: the cursor moves on.

        Taken of a chain that was cancelled meanwhile, too: the bubble was on its way.
        """

    async def note_gone(self) -> None:
        """The chat is closed: nothing is sent to it until it is back."""

    async def record(self, delivery: RecordDelivery) -> None:
        """Through the door, into the log of the conversation; to record it again changes nothing."""


def delivery_of(
    chain: Chain, outcomes: Sequence[Outcome], channel: str, reason: Unsent = "cancelled"
) -> RecordDelivery:
    """What the log is to say of a chain that is over; bubbles behind the cursor are unsent for the `reason`."""
    settled = [*outcomes, *[Outcome(reason=reason)] * (len(chain.items) - len(outcomes))]
    incomplete = {item.message_id for item, outcome in zip(chain.items, settled, strict=True) if outcome.at is None}
    bubbles, unsent = [], []
    for item, outcome in zip(chain.items, settled, strict=True):
        told = {"guid": item.bubble.guid, "message_id": item.message_id}
        if outcome.at is None:
            unsent.append({**told, "reason": outcome.reason or reason})
        else:
            text = {"text": item.bubble.text} if item.message_id in incomplete else {}
            bubbles.append({**told, "at": outcome.at, **text})
    return RecordDelivery(
        chain=chain.id,
        channel=channel,
        turn=chain.turn,
        principal=chain.principal,
        bubbles=bubbles,
        unsent=unsent,
    )
