"""The one table of metrics: docs/metrics.md, the Grafana dashboard and the alert rules are written from it.

A label is never an id, and has a known set of values; any other value counts as `other`. The values are in the table,
or come from code: the names of agents, models, tools, job types, problems and the feed's consumers.
"""

from dataclasses import dataclass
from typing import Literal

from agents.turn import State
from agents.turn.states import ExitReason

PREFIX = "raylogue_"
OTHER = "other"

Kind = Literal["counter", "gauge", "histogram"]
Subject = Literal["Turns", "Models and tools", "Conversations", "Log and feed", "Jobs, schedules, batches", "Requests"]


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """`values` is None where the process that records says what is known: then `meaning` says where from."""

    name: str
    meaning: str
    values: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One row. `bounds` are the upper ends of a histogram's buckets, in its unit.

    `of_cluster`: one process says it for all, so the series of several processes are not added up.
    """

    name: str
    kind: Kind
    subject: Subject
    unit: str
    meaning: str
    labels: tuple[Label, ...] = ()
    bounds: tuple[float, ...] = ()
    of_cluster: bool = False

    @property
    def exported(self) -> str:
        """The name that Ray is given; in Prometheus it has `ray_` in front, and a histogram has three series."""
        return f"{PREFIX}{self.name}"


FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds, for what takes milliseconds."""
SLOW = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Seconds, for what a model or people have a part in."""


def _of(name: str, meaning: str, *values: str) -> Label:
    return Label(name, meaning, frozenset(values) or None)


def _counter(name: str, subject: Subject, unit: str, meaning: str, *labels: Label) -> Metric:
    return Metric(name, "counter", subject, unit, meaning, labels)


def _gauge(name: str, subject: Subject, unit: str, meaning: str, *labels: Label, of_cluster: bool = False) -> Metric:
    return Metric(name, "gauge", subject, unit, meaning, labels, of_cluster=of_cluster)


def _histogram(name: str, subject: Subject, bounds: tuple[float, ...], meaning: str, *labels: Label) -> Metric:
    return Metric(name, "histogram", subject, "seconds", meaning, labels, bounds)


AGENT = _of("agent", "the agents of the catalog, and their named sub-agents")
MODEL = _of("model", "the models of the catalog's agents")
TOOL = _of("tool", "the tools of the catalog's agents; those of MCP servers are `other`")
JOB = _of("job", "the job types")
GROUP = _of("group", "the consumers of the feed")
PROBLEM = _of("problem", "the problem types of the API (docs/api.md)")
TURN_OUTCOME = _of("outcome", "how the turn ended", "completed", "cancelled", "failed")
WAITED = _of("waited", "whether the turn has asked people or a client", "yes", "no")
CALL_OUTCOME = _of(
    "outcome",
    "`completed`, `cancelled`, or why it failed",
    *("completed", "cancelled", "rate_limited", "overloaded", "unavailable", "invalid_request", "authentication"),
    *("stream_broken", "malformed_stream", "timeout", "stopped", "internal"),
)
STATUS = _of(
    "status",
    "the HTTP status of the provider; `none` if there was no answer",
    *("200", "400", "401", "402", "403", "404", "408", "409", "413", "422", "429", "500", "502", "503", "504", "529"),
    "none",
)
TOKEN_KIND = _of("kind", "what the tokens were", "input", "output", "cache_read", "cache_creation")
TOOL_OUTCOME = _of(
    "outcome",
    "the status of the result; `interrupted` if the call asked people",
    *("ok", "error", "denied", "timeout", "cancelled", "unknown", "interrupted"),
)
STATE = _of("state", "what it is doing; `hibernating` keeps its place without memory", *State, "hibernating")
PLACE = _of("place", "a host of many conversations, or an actor of its own", "shared", "dedicated")
ACTIVATION = _of(
    "kind",
    "`warm`: where it hibernated; `moved`: handed over; `recovered`: its process had died; else `cold`",
    *("cold", "warm", "moved", "recovered"),
)
REASON = _of("reason", "why the incarnation ended (`ExitReason`)", *ExitReason)
APPEND_OUTCOME = _of(
    "outcome",
    "`written`, or why not",
    *("written", "fenced", "conflict", "duplicate", "gone", "unavailable"),
)
TROUBLE = _of(
    "kind",
    "`retried`: a call had no answer and was made again; `gave_up`: its caller got an error; `demoted`: the server had "
    "become a replica; `listener_lost`: the connection for live events broke",
    *("retried", "gave_up", "demoted", "listener_lost"),
)
RECOVERY_OUTCOME = _of("outcome", "whether the conversation could be started", "woken", "failed")
QUEUE = _of(
    "queue",
    "jobs that are due, by priority; conversations in the line of starts; turns that are not over",
    *("jobs_high", "jobs_normal", "jobs_low", "starts", "unfinished_turns"),
)
JOB_OUTCOME = _of(
    "outcome",
    "how the attempt ended; after `retried` another one follows",
    *("succeeded", "failed", "expired", "cancelled", "retried", "handed_back", "claim_lost"),
)
RUN_OUTCOME = _of(
    "outcome",
    "how the run ended; `skipped`: the due time was left out",
    *("succeeded", "failed", "cancelled", "skipped"),
)
ROW_OUTCOME = _of("outcome", "what came of a row", "succeeded", "failed")
BATCH_STATE = _of("state", "of the batch", "queued", "running", "waiting", "paused")

TURNS = _counter("turns_total", "Turns", "turns", "Turns that have ended.", AGENT, TURN_OUTCOME)
TURN_SECONDS = _histogram(
    "turn_seconds", "Turns", SLOW, "From a turn's message in the log to its end in the log.", AGENT, WAITED
)
FIRST_TOKEN_SECONDS = _histogram(
    "first_token_seconds",
    "Turns",
    SLOW,
    "From a turn's message in the log to the first piece of the model's answer.",
    AGENT,
)
MODEL_CALLS = _counter(
    "model_calls_total",
    "Models and tools",
    "calls",
    "Calls of models in turns, with each try of `Retry` that another one followed.",
    MODEL,
    CALL_OUTCOME,
    STATUS,
)
MODEL_CALL_SECONDS = _histogram(
    "model_call_seconds", "Models and tools", SLOW, "How long a call of a model took, however it ended.", MODEL
)
TOKENS = _counter(
    "tokens_total", "Models and tools", "tokens", "What models have used, in turns and beside them.", MODEL, TOKEN_KIND
)
COST = _counter(
    "cost_dollars_total", "Models and tools", "US dollars", "What that has cost, where the model has a price.", MODEL
)
TOOL_CALLS = _counter(
    "tool_calls_total", "Models and tools", "calls", "Calls of server tools that have ended.", TOOL, TOOL_OUTCOME
)
TOOL_CALL_SECONDS = _histogram(
    "tool_call_seconds", "Models and tools", SLOW, "How long a call of a tool took, retries included.", TOOL
)
CONVERSATIONS = _gauge(
    "conversations", "Conversations", "conversations", "Conversations that live in an actor now.", STATE, PLACE
)
ACTIVATIONS = _counter("activations_total", "Conversations", "activations", "Incarnations that have begun.", ACTIVATION)
ACTIVATION_SECONDS = _histogram(
    "activation_seconds", "Conversations", FAST, "From the claim of a log to the replayed conversation.", ACTIVATION
)
EVICTIONS = _counter(
    "evictions_total", "Conversations", "incarnations", "Incarnations that have left, and said why.", REASON
)
RECOVERIES = _counter(
    "recoveries_total",
    "Conversations",
    "conversations",
    "Tries of the sweep to wake an unfinished turn.",
    RECOVERY_OUTCOME,
)
RECOVERY_SECONDS = _histogram(
    "recovery_seconds",
    "Conversations",
    SLOW,
    "From when the sweep found an unfinished turn that lived nowhere until it was taken up.",
)
APPEND_SECONDS = _histogram(
    "append_seconds",
    "Log and feed",
    FAST,
    "How long an append to a log took; its count is how many there were.",
    APPEND_OUTCOME,
)
FENCED_WRITES = _counter(
    "fenced_writes_total",
    "Log and feed",
    "writes",
    "Writes refused since a newer incarnation had claimed the log. A few come with each lost node.",
)
STORE_TROUBLE = _counter(
    "store_trouble_total", "Log and feed", "events", "Calls of Redis that did not go as they should.", TROUBLE
)
FEED_LAG = _gauge(
    "feed_lag_entries",
    "Log and feed",
    "entries",
    "What a consumer of the feed has not taken yet.",
    GROUP,
    of_cluster=True,
)
FEED_LAG_SECONDS = _gauge(
    "feed_lag_seconds", "Log and feed", "seconds", "How old the oldest of it is.", GROUP, of_cluster=True
)
QUEUE_LENGTH = _gauge(
    "queue_length", "Jobs, schedules, batches", "entries", "What waits in the cluster.", QUEUE, of_cluster=True
)
JOBS = _counter(
    "jobs_total", "Jobs, schedules, batches", "attempts", "Attempts to do a job that have ended.", JOB, JOB_OUTCOME
)
JOB_SECONDS = _histogram("job_seconds", "Jobs, schedules, batches", SLOW, "How long an attempt took.", JOB)
SCHEDULE_RUNS = _counter(
    "schedule_runs_total",
    "Jobs, schedules, batches",
    "runs",
    "Runs that are over, and due times without one.",
    RUN_OUTCOME,
)
SCHEDULE_LATE_SECONDS = _histogram(
    "schedule_late_seconds", "Jobs, schedules, batches", SLOW, "From a due time to its run."
)
SCHEDULES_LATE = _gauge(
    "schedules_late",
    "Jobs, schedules, batches",
    "schedules",
    "Schedules that the scheduler should have looked at more than a minute ago.",
    of_cluster=True,
)
BATCH_ROWS = _counter(
    "batch_rows_total", "Jobs, schedules, batches", "rows", "Rows of batches that are over.", ROW_OUTCOME
)
BATCHES = _gauge(
    "batches", "Jobs, schedules, batches", "batches", "Batches that are not over.", BATCH_STATE, of_cluster=True
)
STREAMS = _gauge("streams", "Requests", "streams", "Event streams that are open.")
REFUSALS = _counter("refusals_total", "Requests", "responses", "Requests that were answered with a problem.", PROBLEM)

TABLE = tuple(value for value in dict(globals()).values() if isinstance(value, Metric))
"""All of them, by subject."""
