"""Opens redis-py's client for a URL: one server, a cluster, or the primary that Sentinels know."""

from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from store.client.connection import LeanConnection, LeanUnixConnection
from store.client.multiplexed import MultiplexedRedis

SENTINEL_PORT = 26379

OPTIONS: dict[str, Any] = {
    "health_check_interval": 30,
    # Calls are repeated in one place, store/client/client.py; here their attempts would only multiply.
    "retry": Retry(NoBackoff(), 0),
    # A feature of one vendor's cloud; redis-py would ask every other server for it, in vain, on each connection.
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}


class SentinelConnection(LeanConnection, SentinelManagedConnection):
    """A lean connection that asks the Sentinels for the primary whenever it connects."""


def open_redis(
    url: str, *, cluster: bool = False, socket_timeout: float = 5.0, connect_timeout: float = 2.0
) -> MultiplexedRedis | RedisCluster:
    """A client for a `redis://`, `rediss://`, `unix://` or `sentinel://` URL; nothing is sent yet.

    With `cluster` the URL names any node of a Redis Cluster. Raises ValueError for a URL that is none of these.
    """
    options = {**OPTIONS, "socket_timeout": socket_timeout, "socket_connect_timeout": connect_timeout}
    if cluster:
        return RedisCluster.from_url(url, **options)
    if urlsplit(url).scheme == "sentinel":
        return _behind_sentinels(url, options)
    # The URL's scheme overrules the class: TLS and Unix sockets have connections of their own.
    client: MultiplexedRedis = MultiplexedRedis.from_url(url, connection_class=LeanConnection, **options)  # type: ignore[assignment]
    if urlsplit(url).scheme == "unix":
        client.connection_pool.connection_class = LeanUnixConnection
    return client


def _behind_sentinels(url: str, options: dict[str, Any]) -> MultiplexedRedis:
    """`sentinel://[[user]:password@]host[:port],host[:port]/service[/database]`; user and password are the server's."""
    parts = urlsplit(url)
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not parts.netloc:
        raise ValueError("it must be sentinel://host:port,host:port/service")
    addresses = [_address(address) for address in parts.netloc.rpartition("@")[2].split(",")]
    timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        addresses, sentinel_kwargs={**timeouts, "retry": options["retry"]}
    )
    primary: MultiplexedRedis = sentinel.master_for(
        service,
        redis_class=MultiplexedRedis,
        connection_class=SentinelConnection,
        db=int(database or 0),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        **options,
    )
    return primary


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if text.rpartition(":")[2].isdecimal() else (text, "", str(SENTINEL_PORT))
    return host.strip("[]"), int(port)
