"""Opens the store: one object per process with the logs, the live channels and all that is kept beside them."""

from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from store.client import Client
from store.files import FileLimits, Files
from store.hosts import Hosts
from store.keys import Keys
from store.live import LivePublisher
from store.log import Log
from store.model_calls import ModelCalls
from store.preferences import Preferences
from store.registry import Registry
from store.subscriptions import Subscriptions
from store.usage import UsageRecord
from store.wire import LeanConnection


class Store:
    """Everything durable, a door for each subject; `live` and `subscriptions` are the ends of the live channels.

    Belongs to the event loop that first uses it. `patience` is how many seconds a call other than an append
    goes on trying while Redis is away, before it raises StoreUnavailable.
    """

    def __init__(
        self, redis: Redis | RedisCluster, keys: Keys, *, patience: float = 2.0, file_limits: FileLimits | None = None
    ) -> None:
        self._client = Client(redis, patience=patience)
        self.keys = keys
        self.log = Log(self._client, keys)
        self.registry = Registry(self._client, keys)
        self.hosts = Hosts(self._client, keys)
        self.files = Files(self._client, keys, file_limits)
        self.usage = UsageRecord(self._client, keys)
        self.preferences = Preferences(self._client, keys)
        self.model_calls = ModelCalls(self._client, keys)
        self.live = LivePublisher(self._client, keys)
        self.subscriptions = Subscriptions(self._client, keys)

    async def ping(self) -> None:
        """Return when Redis answers. Raises StoreUnavailable when it does not."""
        await self._client.ask(self._client.redis.ping)

    async def aclose(self) -> None:
        """Send what the live publisher still holds and close every connection."""
        await self.live.aclose()
        await self.subscriptions.aclose()
        await self._client.aclose()


def connect(
    url: str,
    *,
    prefix: str = "raylogue",
    cluster: bool = False,
    patience: float = 2.0,
    socket_timeout: float = 5.0,
    connect_timeout: float = 2.0,
    file_limits: FileLimits | None = None,
) -> Store:
    """A store on the server behind a `redis://`, `rediss://` or `unix://` URL (with password and database).

    With `cluster` the URL names any node of a Redis Cluster. Nothing is sent yet: the first call connects.
    """
    options: dict[str, Any] = {
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": connect_timeout,
        "health_check_interval": 30,
        # Repetition is decided in one place, store/client.py; here it would only multiply.
        "retry": Retry(NoBackoff(), 0),
        # A feature of one vendor's cloud, which every other server is asked for, in vain, on each connection.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    redis: Redis | RedisCluster
    if cluster:
        redis = RedisCluster.from_url(url, **options)
    else:  # the URL's scheme overrules the class: TLS and Unix sockets have connections of their own
        redis = Redis.from_url(url, connection_class=LeanConnection, **options)
    return Store(redis, Keys(prefix), patience=patience, file_limits=file_limits)
