"""When the next bubble may go: the limits of a channel, over all workers, and what its server has asked for.

Nothing is dropped because of them: who has to wait waits. Chats get places in the order in which they ask, one bubble
each, so a chat with a hundred holds up no other.
"""

from typing import Protocol

from deployments.channels.channel import Channel
from deployments.channels.errors import TryLater
from store import Store
from store.registries.send_slots import Slot

MIN_CLOSED_SECONDS, MAX_CLOSED_SECONDS = 0.5, 86_400.0
"""Between these, a server's `retry_after` counts: it is not asked at once, and after a day whatever it said."""


class Rates(Protocol):
    """Times are ms since 1970."""

    async def take(self, channel: Channel, chat: str, now: int, *, is_group: bool) -> Slot:
        """The place of one bubble to the chat, or when to ask again."""

    async def obey(self, channel: Channel, chat: str, now: int, later: TryLater) -> None:
        """The server has refused a bubble for now: give no place before it takes them again."""


class SharedRates:
    """Of all processes that use the store. Every call may raise StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._slots = store.send_slots

    async def take(self, channel: Channel, chat: str, now: int, *, is_group: bool) -> Slot:
        rates = channel.capabilities.rates
        per_minute = int(rates.per_group_minute or 0) if is_group else 0
        between = [1000 / rate if rate else 0.0 for rate in (rates.in_all, rates.per_chat)]
        return await self._slots.take(
            channel.name, chat, now, in_all_ms=between[0], per_chat_ms=between[1], per_minute=per_minute
        )

    async def obey(self, channel: Channel, chat: str, now: int, later: TryLater) -> None:
        until = now + round(1000 * min(max(later.seconds, MIN_CLOSED_SECONDS), MAX_CLOSED_SECONDS))
        await self._slots.close(channel.name, None if later.for_all else chat, now, until)
