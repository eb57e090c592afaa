"""Spells every Redis key; store/key_table.py says what each is and how long it lives."""

import re
import zlib
from functools import lru_cache

from store.key_groups import (
    AuditKeys,
    ConversationKeys,
    CopyKeys,
    FeedKeys,
    FileKeys,
    ListKeys,
    file_keys,
)
from store.key_row import KeyRow
from store.key_table import PLACEHOLDERS, TABLE
from store.people_keys import PeopleKeys
from store.work_keys import WorkKeys

PARTITIONS = 64


class Keys(PeopleKeys, WorkKeys):
    """Spells every key below one prefix.

    A conversation's hash tag is its partition and not its id: so the partition's index of unfinished turns
    sits in the same slot, and one script updates both.
    """

    def __init__(self, prefix: str = "raylogue") -> None:
        if not prefix or "{" in prefix or "}" in prefix:
            raise ValueError(f"a key prefix is a non-empty text without braces, not {prefix!r}")
        self.prefix = prefix
        self.conversation = lru_cache(maxsize=4096)(self._conversation)
        self._spellings = [(row, self._spelling(row)) for row in TABLE]

    def partition(self, conversation_id: str) -> int:
        """The partition of a conversation, 0 to 63."""
        return zlib.crc32(conversation_id.encode()) % PARTITIONS

    def unfinished(self, partition: int) -> str:
        """Sorted set: ids of conversations with an unfinished turn, by the time they are due (ms)."""
        return f"{self.prefix}:{{{partition}}}:unfinished"

    def feed(self, partition: int) -> FeedKeys:
        """Stream: what the rest of the system must hear of; hash: how far each group has read; stream: put aside."""
        stem = f"{self.prefix}:{{{partition}}}:feed"
        return FeedKeys(stem, f"{stem}_groups", f"{stem}_aside")

    def feed_lease(self, lease: int) -> str:
        """String: which process reads this range of the feed's partitions."""
        return f"{self.prefix}:feed_lease:{lease}"

    @property
    def feed_channel(self) -> str:
        """The channel (which is no key) that says which partition has a new entry."""
        return f"{self.prefix}:feed"

    @property
    def hosts(self) -> str:
        """Hash: the name of a shared host -> how many conversations live in it, and when it said so (ms)."""
        return f"{self.prefix}:{{hosts}}:loads"

    @property
    def busy(self) -> str:
        """Hash: the name of a shared host that has work for a whole core -> when it said so (ms)."""
        return f"{self.prefix}:{{hosts}}:busy"

    def prestart(self, node_id: str) -> str:
        """String: set while a node has just been asked for warm workers."""
        return f"{self.prefix}:{{hosts}}:prestart:{node_id}"

    def line(self, cluster: str) -> str:
        """Hash: a conversation whose own actor is to be started -> who does it, since when, whether it has begun."""
        return f"{self.prefix}:{{starts:{cluster}}}:line"

    def started(self, cluster: str) -> str:
        """Sorted set: the starts of dedicated actors that have begun lately, by their time (ms)."""
        return f"{self.prefix}:{{starts:{cluster}}}:started"

    def endpoint(self, actor: str) -> str:
        """String: where the host with this actor's id takes direct connections, and its secret."""
        return f"{self.prefix}:endpoint:{actor}"

    @property
    def access(self) -> str:
        """The channel (which is no key) that says whose access to a conversation has changed."""
        return f"{self.prefix}:access"

    @property
    def ping(self) -> str:
        """String: written to find out whether Redis takes writes."""
        return f"{self.prefix}:ping"

    @property
    def clusters(self) -> str:
        """Sorted set: the clusters that share this store, by the time of their last report (ms)."""
        return f"{self.prefix}:{{clusters}}:seen"

    @property
    def code_version(self) -> str:
        """Hash: the number of the newest code version, and its code."""
        return f"{self.prefix}:{{releases}}:current"

    @property
    def deployments(self) -> str:
        """Sorted set: what has been deployed, by the number of its code version."""
        return f"{self.prefix}:{{releases}}:deployments"

    @property
    def mcp_servers(self) -> str:
        """Hash: what an MCP server offered when it was last listed, by its name."""
        return f"{self.prefix}:{{mcp}}:servers"

    def list(self, name: str) -> ListKeys:
        """Sorted sets: ids of conversations by their last activity and by their creation (ms); titles with ids."""
        stem = f"{self.prefix}:{{{name}}}:conversations"
        return ListKeys(updated=stem, created=f"{stem}_by_creation", titles=f"{stem}_by_title")

    @property
    def lists_made(self) -> str:
        """String: how often the lists were made of all conversations, which earlier code had not entered."""
        return f"{self.prefix}:{{all}}:lists_made"

    @property
    def audit_tenants(self) -> str:
        """Set: the tenants that have an audit."""
        return f"{self.prefix}:audit_tenants"

    def audit(self, tenant: str) -> AuditKeys:
        """The keys of a tenant's audit."""
        stem = f"{self.prefix}:{{audit:{tenant}}}"
        return AuditKeys(lines=f"{stem}:lines", head=f"{stem}:head", known=f"{stem}:known")

    @property
    def relayed_metrics(self) -> str:
        """List: what short-lived processes have counted."""
        return f"{self.prefix}:{{metrics}}:relayed"

    @property
    def metrics_lease(self) -> str:
        """String: which replica of the ingress takes that, and looks at the whole cluster."""
        return f"{self.prefix}:{{metrics}}:lease"

    def spent(self, scope: str) -> str:
        """Hash: what was used in a scope that is not a conversation, such as a person's day."""
        return f"{self.prefix}:{{usage:{scope}}}:usage"

    def files(self, kind: str, scope_id: str) -> FileKeys:
        """The file system of a user, a project or a conversation."""
        if kind == "conversation":
            return self.conversation(scope_id).files
        return file_keys(f"{self.prefix}:{{files:{kind}:{scope_id}}}", None)

    def copy(self, conversation_id: str, copy_id: str) -> CopyKeys:
        """A copy that will be the conversation with that id."""
        stem = f"{self.prefix}:{{{self.partition(conversation_id)}}}:copy:{copy_id}"
        return CopyKeys(f"{stem}:head", f"{stem}:log", f"{stem}:clients", file_keys(stem, None))

    @property
    def imports(self) -> str:
        """Hash: several conversations that are imported together -> which they are, and since when."""
        return f"{self.prefix}:{{imports}}:under_way"

    def row(self, key: str) -> KeyRow | None:
        """The row that a key belongs to, or None for a key that the table does not declare."""
        return next((row for row, spelling in self._spellings if spelling.fullmatch(key)), None)

    def _conversation(self, conversation_id: str) -> ConversationKeys:
        partition = self.partition(conversation_id)
        stem = f"{self.prefix}:{{{partition}}}:conversation:{conversation_id}"
        return ConversationKeys(
            log=f"{stem}:log",
            meta=f"{stem}:meta",
            clients=f"{stem}:clients",
            segments=f"{stem}:segments",
            unfinished=self.unfinished(partition),
            feed=self.feed(partition),
            children=f"{stem}:children",
            usage=f"{stem}:usage",
            model_calls=f"{stem}:model_calls",
            client_tools=f"{stem}:client_tools",
            text=f"{stem}:text",
            files=file_keys(stem, f"{stem}:meta"),
            live=f"{stem}:live",
        )

    def _spelling(self, row: KeyRow) -> re.Pattern[str]:
        pattern = re.escape(f"{self.prefix}:{row.pattern}")
        for placeholder, content in PLACEHOLDERS.items():
            pattern = pattern.replace(re.escape(placeholder), content)
        return re.compile(pattern, re.DOTALL)


def marker_beside(key: str) -> str:
    """The marker in the slot of `key`, one of ours: below the same prefix, with the same hash tag."""
    return f"{key[: key.index('}')]}}}:confirmed"
