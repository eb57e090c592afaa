"""Finds keys that the table in store/keys.py does not declare, or that have another type or end than it says."""

from redis.asyncio import Redis, RedisCluster

from store.keys import Keys

PERSISTENT, GONE = -1, -2
"""How a server answers when it is asked for the lifetime of a key that has none, and of a key that is not there."""


async def all_keys(redis: Redis | RedisCluster) -> set[bytes]:
    """Every key of the server, or of all nodes of the cluster."""
    return {key async for key in redis.scan_iter(count=1000)}


async def find_problems(redis: Redis | RedisCluster, keys: Keys, found: set[bytes]) -> list[str]:
    """The problems of the keys in `found`, a sentence each."""
    wrong = []
    for name in sorted(found):
        row = keys.row(name.decode())
        if row is None:
            wrong.append(f"{name.decode()} is not in the table")
            continue
        kind, left = (await redis.type(name)).decode(), await redis.ttl(name)
        if left == GONE:  # its lifetime has ended since it was listed
            continue
        if row.type not in (kind, "any"):
            wrong.append(f"{name.decode()} is a {kind}, not a {row.type}")
        if row.expires is not None and (left != PERSISTENT) != row.expires:
            ends = "never expires" if row.expires else "expires"
            wrong.append(f"{name.decode()} {ends}, but its lifetime is: {row.lifetime}")
    return wrong
