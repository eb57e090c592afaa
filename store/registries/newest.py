"""Pages through a sorted set of ids by time, the newest first."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from store.client.client import Client, Reply
from store.client.script import LIST_ENTRIES, Argument

T = TypeVar("T")

Place = tuple[int, str]
"""Where an entry stands: its time (ms), and its id."""


async def newest(client: Client, key: str, limit: int, before: Place | None) -> tuple[list[Place], Place | None]:
    """At most `limit` entries behind that place; and the place behind which the next page begins, None at the end."""
    arguments: list[Argument] = [limit + 1, 1, *(("", "") if before is None else before)]
    flat: Reply = await client.retry(lambda: client.run(LIST_ENTRIES, [key], arguments))
    entries = [(int(at), one.decode()) for one, at in zip(flat[::2], flat[1::2], strict=True)]
    page = entries[:limit]
    return page, page[-1] if len(entries) > limit else None


async def newest_kept(
    client: Client, key: str, limit: int, before: Place | None, get: Callable[[str], Awaitable[T | None]]
) -> tuple[list[T], Place | None]:
    """A page as `newest` has it, of what `get` finds for the ids; entries of what is no longer kept are removed."""
    page, following = await newest(client, key, limit, before)
    found = await asyncio.gather(*(get(one) for _, one in page))
    gone = [one for (_, one), record in zip(page, found, strict=True) if record is None]
    if gone:
        await client.retry(lambda: client.redis.zrem(key, *gone))
    return [record for record in found if record is not None], following
