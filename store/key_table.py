"""The one table of Redis keys: of which type each is, and how long it lives; store/keys.py spells them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A row of the table; `lifetime` says when the key goes away, or why it never does, `expires` whether by time.

    `expires` is None for a key that does so in a part of its life only; `type` is "any" for keys of a library.
    """

    name: str
    pattern: str
    type: str
    lifetime: str
    expires: bool | None = False


COPY_LIFETIME = "until the copy is complete and becomes a conversation, or an hour after the last write to it"

# What records a person's work never expires by time: only its owner may delete it. `<files>` is the stem of a file
# system: `{p}:conversation:<id>` for a conversation's, `{files:<kind>:<id>}` for any other.
TABLE = (
    KeyRow(
        "log",
        "{p}:conversation:<id>:log",
        "stream",
        "until the conversation is deleted; its oldest records until they are in the archive, if there is one",
    ),
    KeyRow("meta", "{p}:conversation:<id>:meta", "hash", "until the conversation is deleted"),
    KeyRow(
        "clients",
        "{p}:conversation:<id>:clients",
        "hash",
        "until the conversation is deleted: a client may repeat a message after any time; or until the archive has it",
    ),
    KeyRow(
        "segments",
        "{p}:conversation:<id>:segments",
        "hash",
        "until the conversation is deleted: it says which files of the archive are part of the log",
    ),
    KeyRow(
        "unfinished",
        "{p}:unfinished",
        "zset",
        "an entry until its turn ends or the conversation is deleted; the empty key goes by itself",
    ),
    KeyRow("feed", "{p}:feed", "stream", "an entry until every group has it; the empty stream until there is no group"),
    KeyRow("feed_groups", "{p}:feed_groups", "hash", "an entry until its group has had no consumer for a week"),
    KeyRow("feed_aside", "{p}:feed_aside", "stream", "a month after the last entry was put aside", expires=True),
    KeyRow("feed_lease", "feed_lease:<range>", "string", "seconds after its reader has renewed it", expires=True),
    KeyRow(
        "updated",
        "<list>:conversations",
        "zset",
        "an entry until the conversation is deleted; a leftover entry until the next listing",
    ),
    KeyRow(
        "relayed_metrics",
        "{metrics}:relayed",
        "list",
        "an entry until a replica has it; all ten minutes after the last one",
        expires=True,
    ),
    KeyRow("metrics_lease", "{metrics}:lease", "string", "seconds after its holder has renewed it", expires=True),
    KeyRow("lists_made", "{all}:lists_made", "string", "never: without it they are made again"),
    KeyRow("created", "<list>:conversations_by_creation", "zset", "as updated"),
    KeyRow("titles", "<list>:conversations_by_title", "zset", "as updated"),
    KeyRow("hosts", "{hosts}:loads", "hash", "an entry until its host leaves, or has not reported for ten seconds"),
    KeyRow("busy", "{hosts}:busy", "hash", "an entry until its host has less to do, or has left"),
    KeyRow(
        "endpoint",
        "endpoint:<actor>",
        "string",
        "until its host leaves, or an hour after it has said last that it listens",
        expires=True,
    ),
    KeyRow("clusters", "{clusters}:seen", "zset", "an entry until its cluster has not reported for a minute"),
    KeyRow("code_version", "{releases}:current", "hash", "never: the next deployment is numbered after it"),
    KeyRow("deployments", "{releases}:deployments", "zset", "an entry until a thousand others have been deployed"),
    KeyRow(
        "prestart",
        "{hosts}:prestart:<node>",
        "string",
        "seconds, in which the processes may start that one replica of the ingress asked a node for",
        expires=True,
    ),
    KeyRow(
        "line",
        "{starts:<cluster>}:line",
        "hash",
        "seconds after the last process has renewed its entries; an entry until its actor is there",
        expires=True,
    ),
    KeyRow("started", "{starts:<cluster>}:started", "zset", "a minute after the last start", expires=True),
    KeyRow("ping", "ping", "string", "a second; it only shows that Redis takes writes", expires=True),
    KeyRow(
        "children",
        "{p}:conversation:<id>:children",
        "hash",
        "an entry until that child or the conversation is deleted",
    ),
    KeyRow(
        "usage",
        "{p}:conversation:<id>:usage",
        "hash",
        "until the conversation is deleted: its budget is for its whole life",
    ),
    KeyRow("spent", "{usage:<scope>}:usage", "hash", "as long as each record asks for", expires=True),
    KeyRow("limits", "{limits:<tenant>}:set", "hash", "an entry until an admin takes it back"),
    KeyRow(
        "turns",
        "{limits:<tenant>}:turns:<subject>",
        "zset",
        "an entry until its turn is over, or is found to be; all a month after the last one has begun",
        expires=True,
    ),
    KeyRow(
        "streams",
        "{limits:<tenant>}:streams:<subject>",
        "zset",
        "seconds after a replica has last renewed an entry; an entry until its stream ends",
        expires=True,
    ),
    KeyRow(
        "counted",
        "{limits:<tenant>}:counted:<kind>:<window>:<subject>",
        "string",
        "until the window after its own is over",
        expires=True,
    ),
    KeyRow(
        "model_calls",
        "{p}:conversation:<id>:model_calls",
        "stream",
        "as long as each record asks for; at most until the conversation is deleted",
        expires=True,
    ),
    KeyRow(
        "client_tools",
        "{p}:conversation:<id>:client_tools",
        "zset",
        "seconds after the last watcher that runs client tools has left; at most until the conversation is deleted",
        expires=True,
    ),
    KeyRow(
        "text",
        "{p}:conversation:<id>:text",
        "string",
        "a week after it was searched last; at most until the conversation is deleted",
        expires=True,
    ),
    KeyRow(
        "preferences",
        "{owner:<principal>}:preferences",
        "hash",
        "an entry until its person takes it back: it is a standing choice",
    ),
    KeyRow(
        "personal_feed",
        "{owner:<principal>}:feed",
        "stream",
        "a day after its person's page has last followed it; an entry until about a thousand newer ones",
        expires=True,
    ),
    KeyRow("told", "{owner:<principal>}:told", "hash", "as personal_feed", expires=True),
    KeyRow("api_key", "api_key:<key>", "hash", "until it is revoked: an expired one is still listed"),
    KeyRow(
        "page_session",
        "page_session:<session>",
        "string",
        "until the person signs out, or has not used the page for twelve hours",
        expires=True,
    ),
    KeyRow("api_keys", "{tenant:<tenant>}:api_keys", "zset", "an entry until its key is revoked"),
    KeyRow(
        "project",
        "{project:<project>}:members",
        "hash",
        "an entry until its membership ends; its owner's stays, since the files of the project do",
    ),
    KeyRow(
        "audit_lines",
        "{audit:<tenant>}:lines",
        "stream",
        "a line until it is as old as RAYLOGUE_AUDIT_DAYS says: it outlives what it speaks of",
    ),
    KeyRow("audit_head", "{audit:<tenant>}:head", "hash", "never: the next line follows the one that it names"),
    KeyRow(
        "audit_known",
        "{audit:<tenant>}:known",
        "zset",
        "an entry thirty days, in which its event may come again; all of them that long after the last line",
        expires=True,
    ),
    KeyRow("audit_tenants", "audit_tenants", "set", "never: a chain is listed as long as there is one"),
    KeyRow(
        "mcp_servers",
        "{mcp}:servers",
        "hash",
        "an entry until its server is listed anew; all a month after the last one was",
        expires=True,
    ),
    KeyRow(
        "files",
        "<files>:files",
        "hash",
        "an entry until the file is deleted; all until the scope is dropped, a conversation's with it",
    ),
    KeyRow("contents", "<files>:contents", "hash", "as files"),
    KeyRow(
        "file_totals",
        "<files>:file_totals",
        "hash",
        "until the scope is dropped, also without files: it knows which versions were used",
    ),
    KeyRow(
        "file_receipts",
        "<files>:file_receipts",
        "zset",
        "a day after the last change, or until the scope is dropped: by it the receipts are found",
        expires=True,
    ),
    KeyRow(
        "file_receipt",
        "<files>:file_receipt:<change>",
        "string",
        "a minute, in which a change whose answer was lost may be repeated; a day if its caller named the change",
        expires=True,
    ),
    KeyRow("copy_head", "{p}:copy:<copy>:head", "hash", COPY_LIFETIME, expires=True),
    KeyRow("copy_log", "{p}:copy:<copy>:log", "stream", COPY_LIFETIME, expires=True),
    KeyRow("copy_clients", "{p}:copy:<copy>:clients", "hash", COPY_LIFETIME, expires=True),
    KeyRow("copy_files", "{p}:copy:<copy>:files", "hash", COPY_LIFETIME, expires=True),
    KeyRow("copy_contents", "{p}:copy:<copy>:contents", "hash", COPY_LIFETIME, expires=True),
    KeyRow("copy_totals", "{p}:copy:<copy>:file_totals", "hash", COPY_LIFETIME, expires=True),
    KeyRow(
        "imports",
        "{imports}:under_way",
        "hash",
        "an entry until its conversations are all there, or two hours, after which what there is of them is removed",
    ),
    KeyRow(
        "job", "{jobs}:job:<id>", "hash", "until a month after the job's end, or as long as its type says", expires=None
    ),
    KeyRow("jobs", "{jobs}:all", "zset", "an entry until 366 days after the job was made"),
    KeyRow("jobs_of", "{jobs}:owner:<principal>", "zset", "as jobs"),
    KeyRow("jobs_of_tenant", "{jobs}:tenant:<tenant>", "zset", "as jobs"),
    KeyRow("open_jobs", "{jobs}:open", "zset", "an entry until the job is over"),
    KeyRow("job_names", "{jobs}:names", "hash", "an entry until the job that has the name is over"),
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
    KeyRow("batches_of", "{batches}:owner:<principal>", "zset", "as batches"),
    KeyRow("batches_of_tenant", "{batches}:tenant:<tenant>", "zset", "as batches"),
    KeyRow("replay", "{replay:<replay>}:order", "hash", "a month after the last write to its keys", expires=True),
    KeyRow("replay_results", "{replay:<replay>}:results", "hash", "as replay", expires=True),
    KeyRow("failures", "{jobs}:failures", "stream", "a month, an entry as well", expires=True),
    KeyRow(
        "confirmed",
        "{<tag>}:confirmed",
        "string",
        "a minute: it only marks a position in the replication stream, see store/client/replication.py",
        expires=True,
    ),
)


PLACEHOLDERS = {
    "<files>": r"(?:\{\d+\}:conversation:.+|\{files:(?:user|project):.+\})",
    "<list>": r"\{(?:owner:.*|tenant:.+|all)\}",
    "{p}": r"\{\d+\}",
    "<id>": ".+",
    "<principal>": ".*",
    "<project>": ".+",
    "<scope>": ".+",
    "<key>": "[a-z2-7]+",
    "<session>": "[0-9a-f]+",
    "<tenant>": "[^}]+",
    "<subject>": ".+",
    "<kind>": "[a-z]+",
    "<window>": "[0-9]+",
    "<node>": "[0-9a-f]+",
    "<cluster>": "[^}]+",
    "<range>": "[0-9]+",
    "<actor>": "[0-9a-f]+",
    "<change>": "[0-9a-f-]+",
    "<replay>": "[0-9a-f]+",
    "<copy>": "[0-9a-f]+",
    "<batch>": "[0-9A-Za-z._-]+",
    "<priority>": "[a-z]+",
    "<schedule>": "[0-9a-f]+",
    "<own>": ".+",
    "<tag>": "[^}]+",
}
"""What the placeholders of a pattern may stand for."""
