"""The feeds of people: what happens in the conversations of each, kept for a while for those pages that look."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import orjson

from store.client.client import Client, Reply
from store.client.script import OPEN_PERSONAL_FEED, TELL_PERSON, Argument
from store.keys import Keys
from store.live.subscriber import LiveSubscriber
from store.live.subscription import Payload, Subscription

LIFETIME_MS = 24 * 3_600_000
"""How long a feed lives after the last page that follows it."""
MAX_ENTRIES = 1000
"""About so many are kept; a page that has missed more reads its list again."""
MAX_REMEMBERED = 2000
"""Of so many conversations it is known what was told last, so that nothing is told twice."""


class PersonalEvent(NamedTuple):
    """What is told; `entry_id` is that of the entry of the feed that tells it, which may be read again.

    `is_last`: the conversation is gone, for this person at least, and what was told of it before is not kept.
    """

    conversation_id: str
    entry_id: str
    event: Payload
    is_last: bool = False


class Told(NamedTuple):
    """An event, and the id under which it was told; ids of one person only rise."""

    id: str
    event: Payload


class PersonalFeeds:
    """Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, subscriber: LiveSubscriber) -> None:
        self._client = client
        self._keys = keys
        self._subscriber = subscriber

    def listen(self, principal: str) -> AbstractAsyncContextManager[Subscription]:
        """Hear of what is told from here on: `{"id", "event"}`; as `LiveSubscriber.subscribe`, with its gaps."""
        return self._subscriber.subscribe_to_person(principal)

    async def open(self, principal: str) -> str:
        """Have a feed for a day from now on; the id of its newest entry."""
        arguments: list[Argument] = [LIFETIME_MS]
        newest: Reply = await self._client.retry(
            lambda: self._client.run(OPEN_PERSONAL_FEED, self._keys_of(principal), arguments)
        )
        return str(newest.decode())

    async def tell(self, principal: str, events: Sequence[PersonalEvent]) -> int:
        """Tell the person, if there is a feed, what it has not been told yet; and how many events that were."""
        arguments: list[Argument] = [self._keys.personal_channel(principal), MAX_ENTRIES, MAX_REMEMBERED]
        for conversation_id, entry_id, event, is_last in events:
            arguments += [conversation_id, entry_id, orjson.dumps(event), "1" if is_last else ""]
        told: Reply = await self._client.retry(
            lambda: self._client.run(TELL_PERSON, self._keys_of(principal), arguments)
        )
        return int(told)

    async def read(self, principal: str, after: str, limit: int) -> list[Told] | None:
        """What was told after this id, oldest first; None: some of it is not kept any more, or there is no such id.

        `after` is an id of this person's feed, such as 1700000000000-0.
        """
        name = self._keys.personal_feed(principal)

        async def ask() -> Reply:
            pipeline = self._client.pipeline()
            pipeline.xrange(name, f"({after}", "+", count=limit)
            pipeline.xrange(name, count=1)
            pipeline.xrevrange(name, count=1)
            return await pipeline.execute()

        entries, oldest, newest = await self._client.retry(ask)
        place = _place(after.encode())
        if not oldest or place < _place(oldest[0][0]) or place > _place(newest[0][0]):
            return None
        return [Told(entry_id.decode(), orjson.loads(fields[b"event"])) for entry_id, fields in entries]

    def _keys_of(self, principal: str) -> list[str]:
        return [self._keys.personal_feed(principal), self._keys.told(principal)]


def _place(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)
