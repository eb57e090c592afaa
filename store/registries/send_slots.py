"""The places in time of what a channel sends, over all processes: in all, for a chat, and for a group a minute."""

from typing import NamedTuple

from store.client.client import Client, Reply
from store.client.script import CLOSE_SEND_SLOTS, TAKE_SEND_SLOT, Argument
from store.keys import Keys

LIFETIME_MS = 120_000
"""How long the last place is remembered; longer than any of the bounds looks back."""


class Slot(NamedTuple):
    """A place was given, `wait_ms` from now; or none was, and it is asked for again after `wait_ms`."""

    is_given: bool
    wait_ms: int


class SendSlots:
    """Every call may raise StoreUnavailable. Times are ms since 1970, and the caller's."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def take(
        self, channel: str, chat: str, now: int, *, in_all_ms: float, per_chat_ms: float, per_minute: int
    ) -> Slot:
        """The next place of a message to the chat: so many ms after the last one of all, and of the chat; 0: no bound.

        Chats get places in the order in which they ask, one at a time each.
        """
        own = self._keys.send_slots(channel, chat)
        arguments: list[Argument] = [now, repr(in_all_ms), repr(per_chat_ms), per_minute, LIFETIME_MS]
        names = [own.channel, own.chat, own.recent]
        given: Reply = await self._client.retry(lambda: self._client.run(TAKE_SEND_SLOT, names, arguments))
        return Slot(bool(given[0]), int(given[1]))

    async def close(self, channel: str, chat: str | None, now: int, until: int) -> None:
        """Give no place before `until`: to this chat, or to any (None)."""
        own = self._keys.send_slots(channel, chat or "")
        key = own.channel if chat is None else own.chat
        arguments: list[Argument] = [until, max(until - now, 0) + LIFETIME_MS]
        await self._client.retry(lambda: self._client.run(CLOSE_SEND_SLOTS, [key], arguments))
