"""Finds keys that the table in store/keys.py does not declare, or that have another type or end than it says."""

from redis.asyncio import Redis, RedisCluster

from store.keys import Keys

PERSISTENT = -1


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
        kind = (await redis.type(name)).decode()
        if kind != row.type:
            wrong.append(f"{name.decode()} is a {kind}, not a {row.type}")
        if (await redis.ttl(name) != PERSISTENT) != row.expires:
            ends = "never expires" if row.expires else "expires"
            wrong.append(f"{name.decode()} {ends}, but its lifetime is: {row.lifetime}")
    return wrong
