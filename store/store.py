"""Opens the store: one object for each process, with the logs, the live channels and everything kept beside them."""

from redis.asyncio import RedisCluster

from store.client.client import Client
from store.client.multiplexed import MultiplexedRedis
from store.client.redis_url import open_redis
from store.client.replication import Replication
from store.files.files import FileLimits, Files
from store.keys import Keys
from store.live.publisher import LivePublisher
from store.live.subscriber import LiveSubscriber
from store.log.archive import Archive
from store.log.archive_index import ArchiveIndex
from store.log.log import Log
from store.registries.clusters import Clusters
from store.registries.code_versions import CodeVersions
from store.registries.conversations import Registry
from store.registries.hosts import Hosts
from store.registries.model_calls import ModelCallLog
from store.registries.preferences import Preferences
from store.registries.usage import UsageRecord

PING_MS = 1000


class Store:
    """Everything durable, an attribute for each subject; `live` publishes live events, `subscriptions` receives them.

    Belongs to the event loop that first uses it. `patience` is for how many seconds a call other than an append is
    repeated while Redis is away, before it raises StoreUnavailable.
    """

    def __init__(
        self,
        redis: MultiplexedRedis | RedisCluster,
        keys: Keys,
        *,
        patience: float = 2.0,
        replication: Replication | None = None,
        archive: Archive | None = None,
        file_limits: FileLimits | None = None,
    ) -> None:
        self._client = Client(redis, patience=patience, replication=replication)
        self.keys = keys
        self.archive = archive
        archive_index = ArchiveIndex(self._client, keys, archive)
        self.log = Log(self._client, keys, archive_index)
        self.registry = Registry(self._client, keys, archive_index)
        self.clusters = Clusters(self._client, keys)
        self.code_versions = CodeVersions(self._client, keys)
        self.hosts = Hosts(self._client, keys)
        self.files = Files(self._client, keys, file_limits)
        self.usage = UsageRecord(self._client, keys)
        self.preferences = Preferences(self._client, keys)
        self.model_calls = ModelCallLog(self._client, keys)
        self.live = LivePublisher(self._client, keys)
        self.subscriptions = LiveSubscriber(self._client, keys)

    async def ping(self) -> None:
        """Return when Redis answers and takes writes. Raises StoreUnavailable when it does not."""
        await self._client.retry(lambda: self._client.redis.set(self.keys.ping, 1, px=PING_MS))

    async def aclose(self) -> None:
        """Send what the live publisher still has, and close every connection."""
        await self.live.aclose()
        await self.subscriptions.aclose()
        await self._client.aclose()
        if self.archive is not None:
            self.archive.close()


def connect(
    url: str,
    *,
    prefix: str = "raylogue",
    cluster: bool = False,
    patience: float = 2.0,
    socket_timeout: float = 5.0,
    connect_timeout: float = 2.0,
    replication: Replication | None = None,
    archive: Archive | None = None,
    file_limits: FileLimits | None = None,
) -> Store:
    """A store on the server behind a URL: `redis://`, `rediss://`, `unix://` or `sentinel://`.

    With `cluster` the URL names any node of a Redis Cluster. `replication` says how many replicas must confirm a
    change; without it the answer of the one server counts. `archive` takes the records that no replay needs.
    Nothing is sent yet: the first call connects.
    """
    if replication is not None:  # a WAIT may take so long to be answered
        socket_timeout += replication.seconds
    redis = open_redis(url, cluster=cluster, socket_timeout=socket_timeout, connect_timeout=connect_timeout)
    return Store(
        redis, Keys(prefix), patience=patience, replication=replication, archive=archive, file_limits=file_limits
    )
