"""Spells the keys of work without a person, with their rows of the table: jobs, schedules, batches, replays."""

import hashlib
from abc import abstractmethod

from store.key_groups import BatchKeys, ChatKeys, FeedKeys, ScheduleKeys, SendKeys
from store.key_row import KeyRow


class WorkKeys:
    """What is kept of jobs, schedules, batches and replays."""

    prefix: str

    @abstractmethod
    def partition(self, conversation_id: str) -> int:
        """The partition that an id belongs to."""

    @abstractmethod
    def feed(self, partition: int) -> FeedKeys:
        """The feed of a partition."""

    def job(self, job_id: str) -> str:
        """Hash: the record of a job."""
        return f"{self.prefix}:{{jobs}}:job:{job_id}"

    @property
    def jobs(self) -> str:
        """Sorted set: the ids of all jobs, by when they were made (ms)."""
        return f"{self.prefix}:{{jobs}}:all"

    def jobs_of(self, owner: str) -> str:
        """Sorted set: the ids of a principal's jobs, by when they were made (ms)."""
        return f"{self.prefix}:{{jobs}}:owner:{owner}"

    def jobs_of_tenant(self, tenant: str) -> str:
        """Sorted set: the same for all principals of a tenant; `-` is for the ones without."""
        return f"{self.prefix}:{{jobs}}:tenant:{tenant}"

    @property
    def open_jobs(self) -> str:
        """Sorted set: the ids of jobs that are not over, by when they are due (ms)."""
        return f"{self.prefix}:{{jobs}}:open"

    @property
    def job_names(self) -> str:
        """Hash: a unique name -> the id of the open job that has it."""
        return f"{self.prefix}:{{jobs}}:names"

    def batch(self, batch_id: str) -> BatchKeys:
        """The record of a batch, which of its rows are finished, and what else is known of rows."""
        stem = f"{self.prefix}:{{batch:{batch_id}}}:"
        names = ("record", "finished", "failed", "waiting", "rounds", "again", "provider", "changed")
        return BatchKeys(*(stem + name for name in names))

    @property
    def batches(self) -> str:
        """Sorted set: the ids of all batches, by when they were made (ms)."""
        return f"{self.prefix}:{{batches}}:all"

    @property
    def open_batches(self) -> str:
        """Sorted set: the ids of batches that are not over, by when they were last begun (ms)."""
        return f"{self.prefix}:{{batches}}:open"

    def batches_of(self, owner: str) -> str:
        """Sorted set: the ids of a principal's batches, by when they were made (ms)."""
        return f"{self.prefix}:{{batches}}:owner:{owner}"

    def batches_of_tenant(self, tenant: str) -> str:
        """Sorted set: the same for all principals of a tenant; `-` is for the ones without."""
        return f"{self.prefix}:{{batches}}:tenant:{tenant}"

    @property
    def failures(self) -> str:
        """Stream: the failed attempts of jobs."""
        return f"{self.prefix}:{{jobs}}:failures"

    @property
    def worker_supply(self) -> str:
        """String: which replica of the ingress says how many workers there should be."""
        return f"{self.prefix}:{{jobs}}:supply"

    def schedule(self, schedule_id: str) -> ScheduleKeys:
        """Hash: the record of a schedule; hash and sorted set: its runs that are over, by when they ended (ms)."""
        partition = self.partition(schedule_id)
        stem = f"{self.prefix}:{{{partition}}}:schedule:{schedule_id}"
        return ScheduleKeys(stem, self.schedules_due(partition), f"{stem}:runs", f"{stem}:ended", self.feed(partition))

    def send_slots(self, channel: str, chat: str) -> SendKeys:
        """Hashes: the next place of all that a channel sends, and of a chat; list: its last places, of a group."""
        stem = f"{self.prefix}:{{send:{channel}}}"
        of_chat = f"{stem}:chat:{hashlib.sha256(chat.encode()).hexdigest()[:32]}"
        return SendKeys(f"{stem}:all", of_chat, f"{of_chat}:recent")

    def schedules_due(self, partition: int) -> str:
        """Sorted set: ids of schedules, by when they are to be looked at (ms)."""
        return f"{self.prefix}:{{{partition}}}:schedules_due"

    @property
    def schedules(self) -> str:
        """Sorted set: the ids of all schedules, by when they were made (ms)."""
        return f"{self.prefix}:{{schedules}}:all"

    def schedules_of(self, owner: str) -> str:
        """Sorted set: the ids of a principal's schedules, by when they were made (ms)."""
        return f"{self.prefix}:{{schedules}}:owner:{owner}"

    def schedules_of_tenant(self, tenant: str) -> str:
        """Sorted set: the same for all principals of a tenant; `-` is for the ones without."""
        return f"{self.prefix}:{{schedules}}:tenant:{tenant}"

    @property
    def standing(self) -> str:
        """Hash: a conversation -> the schedules whose runs are messages to it."""
        return f"{self.prefix}:{{schedules}}:standing"

    @property
    def scheduler(self) -> str:
        """String: which replica of the ingress looks for what is due."""
        return f"{self.prefix}:{{schedules}}:scheduler"

    def replay(self, replay_id: str) -> str:
        """Hash: what a replay was asked, and of which conversations."""
        return f"{self.prefix}:{{replay:{replay_id}}}:order"

    def replay_results(self, replay_id: str) -> str:
        """Hash: the place of a conversation among those of a replay -> its results."""
        return f"{self.prefix}:{{replay:{replay_id}}}:results"

    @property
    def replays(self) -> str:
        """Sorted set: the ids of all replays, by when they were ordered (ms)."""
        return f"{self.prefix}:{{replays}}:all"

    def replays_of(self, owner: str) -> str:
        """Sorted set: the ids of a principal's replays, by when they were ordered (ms)."""
        return f"{self.prefix}:{{replays}}:owner:{owner}"

    def replays_of_tenant(self, tenant: str) -> str:
        """Sorted set: the same for all principals of a tenant; `-` is for the ones without."""
        return f"{self.prefix}:{{replays}}:tenant:{tenant}"

    def chat_id(self, channel: str, chat: str) -> str:
        """The id of a channel's chat: a digest, for a channel may name its chats by anything."""
        return hashlib.sha256(f"{channel}\0{chat}".encode()).hexdigest()[:32]

    def chat(self, chat_id: str) -> ChatKeys:
        """Hash: the record of a chat; sorted set: the updates that it knows, by when they were accepted (ms)."""
        stem = f"{self.prefix}:{{chat:{chat_id}}}"
        return ChatKeys(f"{stem}:record", f"{stem}:seen")

    @property
    def chats(self) -> str:
        """Sorted set: the ids of all chats of channels, by when they were first heard of (ms)."""
        return f"{self.prefix}:{{chats}}:all"

    def queue(self, priority: str) -> str:
        """The stem of the keys of docket's queue of a priority."""
        return f"{self.prefix}:{{queue:{priority}}}"


WORK_ROWS = (
    KeyRow(
        "job", "{jobs}:job:<id>", "hash", "until a month after the job's end, or as long as its type says", expires=None
    ),
    KeyRow("jobs", "{jobs}:all", "zset", "an entry until 366 days after the job was made"),
    KeyRow("jobs_of", "{jobs}:owner:<principal>", "zset", "as jobs"),
    KeyRow("jobs_of_tenant", "{jobs}:tenant:<tenant>", "zset", "as jobs"),
    KeyRow("open_jobs", "{jobs}:open", "zset", "an entry until the job is over"),
    KeyRow("job_names", "{jobs}:names", "hash", "an entry until the job that has the name is over"),
    KeyRow("send_slots", "{send:<channel>}:all", "hash", "two minutes after the last place in it", expires=True),
    KeyRow("send_slots_chat", "{send:<channel>}:chat:<chat>", "hash", "as send_slots", expires=True),
    KeyRow("send_slots_recent", "{send:<channel>}:chat:<chat>:recent", "list", "as send_slots", expires=True),
    KeyRow("schedule", "{p}:schedule:<schedule>", "hash", "until it is deleted: a person has made it"),
    KeyRow(
        "schedule_runs", "{p}:schedule:<schedule>:runs", "hash", "an entry until 200 later runs are over, as schedule"
    ),
    KeyRow("schedule_ended", "{p}:schedule:<schedule>:ended", "zset", "as schedule_runs"),
    KeyRow("schedules_due", "{p}:schedules_due", "zset", "an entry until its schedule is over, paused or deleted"),
    KeyRow("schedules", "{schedules}:all", "zset", "an entry until its schedule is deleted"),
    KeyRow("schedules_of", "{schedules}:owner:<principal>", "zset", "as schedules"),
    KeyRow("schedules_of_tenant", "{schedules}:tenant:<tenant>", "zset", "as schedules"),
    KeyRow("standing", "{schedules}:standing", "hash", "an entry until no schedule speaks to its conversation"),
    KeyRow(
        "scheduler", "{schedules}:scheduler", "string", "seconds after its replica has last renewed it", expires=True
    ),
    KeyRow("worker_supply", "{jobs}:supply", "string", "seconds after its replica has last said so", expires=True),
    KeyRow(
        "queue",
        "{queue:<priority>}:<own>",
        "any",
        "docket's own keys: until the job is done, its worker has left, or for seconds",
        expires=None,
    ),
    KeyRow(
        "batch",
        "{batch:<batch>}:record",
        "hash",
        "until a month after the batch's end, or its owner deletes it",
        expires=None,
    ),
    KeyRow("batch_finished", "{batch:<batch>}:finished", "string", "as batch: a bit for each row", expires=None),
    KeyRow("batch_failed", "{batch:<batch>}:failed", "hash", "as batch", expires=None),
    KeyRow("batch_waiting", "{batch:<batch>}:waiting", "set", "as batch", expires=None),
    KeyRow("batch_rounds", "{batch:<batch>}:rounds", "hash", "as batch", expires=None),
    KeyRow("batch_again", "{batch:<batch>}:again", "hash", "as batch", expires=None),
    KeyRow("batch_provider", "{batch:<batch>}:provider", "hash", "as batch", expires=None),
    KeyRow("batches", "{batches}:all", "zset", "an entry until its batch is gone, and is looked for in the list"),
    KeyRow("open_batches", "{batches}:open", "zset", "an entry until its batch is over, and a replica looks"),
    KeyRow("batches_of", "{batches}:owner:<principal>", "zset", "as batches"),
    KeyRow("batches_of_tenant", "{batches}:tenant:<tenant>", "zset", "as batches"),
    KeyRow("replay", "{replay:<replay>}:order", "hash", "a month after the last write to its keys", expires=True),
    KeyRow("replay_results", "{replay:<replay>}:results", "hash", "as replay", expires=True),
    KeyRow("replays", "{replays}:all", "zset", "an entry until its replay is gone, and is looked for in the list"),
    KeyRow("replays_of", "{replays}:owner:<principal>", "zset", "as replays"),
    KeyRow("replays_of_tenant", "{replays}:tenant:<tenant>", "zset", "as replays"),
    KeyRow("failures", "{jobs}:failures", "stream", "a month, an entry as well", expires=True),
    KeyRow("chat", "{chat:<chat>}:record", "hash", "366 days after its last change", expires=True),
    KeyRow("chat_seen", "{chat:<chat>}:seen", "zset", "an entry 3 days, and all as long after the last", expires=True),
    KeyRow("chats", "{chats}:all", "zset", "an entry until its chat is gone, and is looked for in the list"),
)
