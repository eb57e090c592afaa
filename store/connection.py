"""Opens the store: one object per process with the logs, the live channels and all that is kept beside them."""

from redis.asyncio import RedisCluster

from store.archive import Archive
from store.archived import ArchivedLogs
from store.client import Client
from store.clusters import Clusters
from store.files import FileLimits, Files
from store.hosts import Hosts
from store.keys import Keys
from store.live import LivePublisher
from store.log import Log
from store.model_calls import ModelCalls
from store.preferences import Preferences
from store.redis import LineRedis
from store.registry import Registry
from store.releases import Releases
from store.replicas import Replicas
from store.servers import open_redis
from store.subscriptions import Subscriptions
from store.usage import UsageRecord

PING_MS = 1000


class Store:
    """Everything durable, a door for each subject; `live` and `subscriptions` are the ends of the live channels.

    Belongs to the event loop that first uses it. `patience` is how many seconds a call other than an append
    goes on trying while Redis is away, before it raises StoreUnavailable.
    """

    def __init__(
        self,
        redis: LineRedis | RedisCluster,
        keys: Keys,
        *,
        patience: float = 2.0,
        replicas: Replicas | None = None,
        archive: Archive | None = None,
        file_limits: FileLimits | None = None,
    ) -> None:
        self._client = Client(redis, patience=patience, replicas=replicas)
        self.keys = keys
        self.archive = archive
        archived = ArchivedLogs(self._client, keys, archive)
        self.log = Log(self._client, keys, archived)
        self.registry = Registry(self._client, keys, archived)
        self.clusters = Clusters(self._client, keys)
        self.releases = Releases(self._client, keys)
        self.hosts = Hosts(self._client, keys)
        self.files = Files(self._client, keys, file_limits)
        self.usage = UsageRecord(self._client, keys)
        self.preferences = Preferences(self._client, keys)
        self.model_calls = ModelCalls(self._client, keys)
        self.live = LivePublisher(self._client, keys)
        self.subscriptions = Subscriptions(self._client, keys)

    async def ping(self) -> None:
        """Return when Redis answers and takes what is written. Raises StoreUnavailable when it does not."""
        await self._client.ask(lambda: self._client.redis.set(self.keys.ping, 1, px=PING_MS))

    async def aclose(self) -> None:
        """Send what the live publisher still holds and close every connection."""
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
    replicas: Replicas | None = None,
    archive: Archive | None = None,
    file_limits: FileLimits | None = None,
) -> Store:
    """A store on the server behind a `redis://`, `rediss://`, `unix://` or `sentinel://` URL (see store/servers.py).

    With `cluster` the URL names any node of a Redis Cluster. `replicas` must confirm what is changed; without them
    the one server's word counts. `archive` takes what no replay needs. Nothing is sent yet: the first call connects.
    """
    if replicas is not None:  # a WAIT may take so long to be answered
        socket_timeout += replicas.seconds
    redis = open_redis(url, cluster=cluster, socket_timeout=socket_timeout, connect_timeout=connect_timeout)
    return Store(redis, Keys(prefix), patience=patience, replicas=replicas, archive=archive, file_limits=file_limits)
