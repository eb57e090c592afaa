"""The whole content of a Redis as one text, in which a test looks for what must not be there."""

from redis.asyncio import Redis


async def dump_contents(url: str, pattern: str = "*") -> str:
    """The names and contents of all keys that match."""
    parts: list[object] = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter(match=pattern, count=1000):
            parts += (key, await _content(redis, key))
    return repr(parts)


async def _content(redis: Redis, key: bytes) -> object:
    match await redis.type(key):
        case b"stream":
            return await redis.xrange(key)
        case b"hash":
            return await redis.hgetall(key)
        case b"zset":
            return await redis.zrange(key, 0, -1, withscores=True)
        case b"set":
            return sorted(await redis.smembers(key))
        case b"list":
            return await redis.lrange(key, 0, -1)
        case b"string":
            return await redis.get(key)
        case b"none":
            return None  # gone since it was listed
        case kind:
            raise AssertionError(f"{key!r} is a {kind!r}, which this function cannot read")
