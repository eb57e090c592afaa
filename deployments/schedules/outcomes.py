"""How a run goes: read from the log of its conversation, or from the record of its job; nothing else counts."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from agents.agent import Catalog
from agents.conversation.running_turn import oldest_first
from agents.errors import UnknownAgent
from agents.turn.events import AssistantMsg, Suspension, ToolResult, TurnEnded, UserMsg
from agents.turn.facts import add_usage
from deployments.batches.client import RUN_BATCH
from deployments.schedules.definition import Definition
from deployments.schedules.state import Run, RunState, Schedule
from deployments.schedules.transitions import Outcome
from store import ConversationNotFound, Store
from store.registries.batches import BatchRecord, BatchState

MAX_RESULT_CHARACTERS: Final = 2_000
"""Of a longer answer the history has the beginning; the conversation has all of it."""
OWN_CONVERSATION: Final = re.compile(r"scheduled\.([0-9a-f]{32})\.")
OF_JOB: Final[Mapping[str, RunState]] = {
    "waiting": "running",
    "running": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "failed",
}
OF_BATCH: Final[Mapping[BatchState, RunState]] = {
    "queued": "running",
    "running": "running",
    "paused": "running",
    "waiting": "awaiting_input",
    "done": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}


class Outcomes:
    """Reads how runs go. Every call may raise StoreUnavailable."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    async def read(self, schedule: Schedule, run: Run) -> Outcome | None:
        """How it goes; None: its conversation or job does not have it yet."""
        if schedule.definition.job is not None or run.job is not None:
            return await self._of_job(job_id_of(schedule, run), has_begun=run.state != "starting")
        return await self._of_turn(schedule, run)

    async def _of_turn(self, schedule: Schedule, run: Run) -> Outcome | None:
        conversation_id = run.conversation or conversation_id_of(schedule, run)
        seq = run.seq or await self._store.log.seq_of(conversation_id, client_id_of(schedule, run))
        if seq is None:
            return None if run.state == "starting" else await self._without_log(conversation_id)
        turn, usage, words, waiting = 0, dict[str, int](), "", set[str]()
        async for entry in oldest_first(self._store, conversation_id, seq - 1):
            match event := entry.event:
                case UserMsg() if entry.seq == seq:
                    turn = event.turn
                case AssistantMsg() if event.turn == turn:
                    usage = dict(add_usage(usage, event))
                    words = _words_of(event) or words
                case Suspension() if event.turn == turn:
                    waiting.add(event.tool_call_id)
                case ToolResult() if event.turn == turn:
                    waiting.discard(event.tool_call_id)
                case TurnEnded() if event.turn == turn:
                    return await self._ended(schedule.definition, conversation_id, event, usage, words)
        if turn == 0:
            return await self._without_log(conversation_id)
        return Outcome("awaiting_input" if waiting else "running")

    async def _ended(
        self, definition: Definition, conversation_id: str, end: TurnEnded, usage: dict[str, int], words: str
    ) -> Outcome:
        cost = usage.pop("cost", None)
        if end.outcome != "completed":
            state: RunState = "cancelled" if end.outcome == "cancelled" else "failed"
            error = end.detail or end.reason
            return Outcome(state, _beginning(words) or None, error, usage=usage, cost=cost)
        quiet = definition.quiet or await self._quiet_token(conversation_id)
        is_quiet = quiet is not None and words.strip() == quiet.strip()
        return Outcome("succeeded", _beginning(words), quiet=is_quiet, usage=usage, cost=cost)

    async def _quiet_token(self, conversation_id: str) -> str | None:
        try:
            meta = await self._store.registry.get(conversation_id)
            return self._catalog.get(meta.agent).quiet_token
        except (ConversationNotFound, UnknownAgent):
            return None

    async def _without_log(self, conversation_id: str) -> Outcome:
        """The message was accepted, and is not there any more."""
        try:
            await self._store.registry.get(conversation_id)
        except ConversationNotFound:
            return Outcome("cancelled", error="its conversation has been deleted")
        return Outcome("failed", error="its message is not in the conversation any more")

    async def _of_job(self, job_id: str, *, has_begun: bool) -> Outcome | None:
        job = await self._store.jobs.get(job_id)
        if job is None:
            return Outcome("failed", error="its job is not kept any more") if has_begun else None
        if job.type == RUN_BATCH and job.state not in ("failed", "cancelled", "expired"):
            batch = await self._store.batches.get(job_id)
            if batch is not None:
                return _of_batch(batch)
        result = None if job.result is None else orjson.loads(job.result)
        usage, cost = _spent(result)
        shown = None if job.result is None else _beginning(job.result.decode())
        return Outcome(OF_JOB[job.state], shown, job.error if job.is_over else None, usage=usage, cost=cost)


def conversation_id_of(schedule: Schedule, run: Run) -> str:
    """The conversation of a run; the same however often it is asked, so that a repeated start finds it."""
    return schedule.definition.conversation or f"scheduled.{schedule.id}.{run.id}"


def schedule_id_in(conversation_id: str) -> str | None:
    """The schedule whose run has this conversation of its own, by its id."""
    found = OWN_CONVERSATION.match(conversation_id)
    return None if found is None else found[1]


def client_id_of(schedule: Schedule, run: Run) -> str:
    """By what the conversation knows the message of a run, should it be sent again."""
    return f"schedule:{schedule.id}:{run.id}"


def job_id_of(schedule: Schedule, run: Run) -> str:
    """The job of a run, and the batch that it begins, which has the same id."""
    return hashlib.sha256(f"{schedule.id}.{run.id}".encode()).hexdigest()[:32]


def _of_batch(batch: BatchRecord) -> Outcome:
    """A batch outlives the job that begins it, for instance while it waits for people."""
    usage = {"input_tokens": batch.input_tokens, "output_tokens": batch.output_tokens}
    shown = f"{batch.succeeded} rows succeeded, {batch.failed} failed"
    return Outcome(OF_BATCH[batch.state], shown, batch.error or None, usage=usage, cost=batch.cost)


def _words_of(answer: AssistantMsg) -> str:
    if answer.output is not None:
        return orjson.dumps(answer.output).decode()
    return "".join(str(block.get("text", "")) for block in answer.content if block.get("type") == "text")


def _beginning(words: str) -> str:
    return words if len(words) <= MAX_RESULT_CHARACTERS else words[: MAX_RESULT_CHARACTERS - 1] + "…"


def _spent(result: object) -> tuple[dict[str, int], int | None]:
    """Tokens and cost, if the result of a job says what it has spent, as that of a batch does."""
    if not isinstance(result, dict):
        return {}, None
    usage: Any = result.get("usage")
    counts = (
        {str(kind): count for kind, count in usage.items() if isinstance(count, int)} if isinstance(usage, dict) else {}
    )
    cost = result.get("cost")
    return counts, cost if isinstance(cost, int) else None
