"""Opens the store: one object for each process, with the logs, the live channels and everything kept beside them."""

from redis.asyncio import RedisCluster

from store.apart import KeysApart
from store.audit.audit_log import AuditLog
from store.client.client import Client
from store.client.multiplexed import MultiplexedRedis
from store.client.observer import StoreObserver
from store.client.redis_url import open_redis
from store.client.replication import Replication
from store.feed.feed import Feed
from store.files.files import FileLimits, Files
from store.keys import Keys
from store.live.client_tools import ClientTools
from store.live.publisher import LivePublisher
from store.live.subscriber import LiveSubscriber
from store.log.archive import Archive
from store.log.archive_index import ArchiveIndex
from store.log.log import Log
from store.registries.admitted import Admitted
from store.registries.api_keys import ApiKeys
from store.registries.batches import Batches
from store.registries.chats import Chats
from store.registries.clusters import Clusters
from store.registries.code_versions import CodeVersions
from store.registries.conversations import Registry
from store.registries.copies import Copies
from store.registries.counters import Counters
from store.registries.endpoints import Endpoints
from store.registries.failures import Failures
from store.registries.hosts import Hosts
from store.registries.jobs import Jobs
from store.registries.limits import Limits
from store.registries.lists import Lists
from store.registries.mcp_servers import McpServers
from store.registries.members import Members
from store.registries.memories import Memories
from store.registries.model_calls import ModelCallLog
from store.registries.page_sessions import PageSessions
from store.registries.personal_feeds import PersonalFeeds
from store.registries.preferences import Preferences
from store.registries.projects import Projects
from store.registries.relayed_metrics import RelayedMetrics
from store.registries.replays import Replays
from store.registries.schedules import Schedules
from store.registries.send_slots import SendSlots
from store.registries.starts import Starts
from store.registries.texts import Texts
from store.registries.usage import UsageRecord
from store.reindex import Reindex

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
        observer: StoreObserver | None = None,
    ) -> None:
        self._client = Client(redis, patience=patience, replication=replication, observer=observer)
        self.keys = keys
        self.archive = archive
        archive_index = ArchiveIndex(self._client, keys, archive)
        self.log = Log(self._client, keys, archive_index)
        self.lists = Lists(self._client, keys)
        self.registry = Registry(self._client, keys, archive_index, self.lists)
        self.copies = Copies(self._client, keys, self.registry, self.lists)
        self.reindex = Reindex(self._client, keys, self.registry, self.lists)
        self.clusters = Clusters(self._client, keys)
        self.starts = Starts(self._client, keys)
        self.send_slots = SendSlots(self._client, keys)
        self.code_versions = CodeVersions(self._client, keys)
        self.hosts = Hosts(self._client, keys)
        self.endpoints = Endpoints(self._client, keys)
        self.files = Files(self._client, keys, file_limits)
        self.usage = UsageRecord(self._client, keys)
        self.limits = Limits(self._client, keys)
        self.counters = Counters(self._client, keys)
        self.admitted = Admitted(self._client, keys)
        self.memories = Memories(self._client, keys)
        self.preferences = Preferences(self._client, keys)
        self.api_keys = ApiKeys(self._client, keys)
        self.page_sessions = PageSessions(self._client, keys)
        self.texts = Texts(self._client, keys)
        self.members = Members(self._client, keys, self.registry, self.lists)
        self.projects = Projects(self._client, keys)
        self.audit = AuditLog(self._client, keys)
        self.model_calls = ModelCallLog(self._client, keys)
        self.mcp_servers = McpServers(self._client, keys)
        self.jobs = Jobs(self._client, keys)
        self.chats = Chats(self._client, keys)
        self.schedules = Schedules(self._client, keys)
        self.failures = Failures(self._client, keys)
        self.relayed_metrics = RelayedMetrics(self._client, keys)
        self.replays = Replays(self._client, keys)
        self.live = LivePublisher(self._client, keys)
        self.client_tools = ClientTools(self._client, keys)
        self.subscriptions = LiveSubscriber(self._client, keys)
        self.feed = Feed(self._client, keys, self.subscriptions)
        self.batches = Batches(self._client, keys, self.subscriptions)
        self.personal_feeds = PersonalFeeds(self._client, keys, self.subscriptions)

    async def ping(self) -> None:
        """Return when Redis answers and takes writes. Raises StoreUnavailable when it does not."""
        await self._client.retry(lambda: self._client.redis.set(self.keys.ping, 1, px=PING_MS))

    async def load_scripts(self) -> None:
        """Make the server know all scripts, so that no call has to send one's text. Raises StoreUnavailable."""
        await self._client.load_scripts()

    async def aclose(self) -> None:
        """Send what is published and used and not yet sent, and close every connection."""
        await self.live.aclose()
        await self.usage.aclose()
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
    apart: str | None = None,
    observer: StoreObserver | None = None,
) -> Store:
    """A store on the server behind a URL: `redis://`, `rediss://`, `unix://` or `sentinel://`.

    With `cluster` the URL names any node of a Redis Cluster. `replication` says how many replicas must confirm a
    change; without it the answer of the one server counts. `archive` takes the records that no replay needs, and the
    `observer` is told what the store does. With a name, `apart` is a store of its own beside the service's, see
    `store/apart.py`.
    Nothing is sent yet: the first call connects.
    """
    if replication is not None:  # a WAIT may take so long to be answered
        socket_timeout += replication.seconds
    redis = open_redis(url, cluster=cluster, socket_timeout=socket_timeout, connect_timeout=connect_timeout)
    keys = Keys(prefix) if apart is None else KeysApart(Keys(prefix), apart)
    return Store(
        redis,
        keys,
        patience=patience,
        replication=replication,
        archive=archive,
        file_limits=file_limits,
        observer=observer,
    )
