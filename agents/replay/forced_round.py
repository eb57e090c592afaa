"""Puts a recorded round to another agent: its request is made of the recorded context, its answer is kept to itself.

The request is made by the code that makes it in a conversation: the middleware of the new agent is called before the
model and after it. No tool runs, nothing is logged or published, and what middleware would do in the background is left
out. All is done under an id of its own and in the name of the principal who replays, who pays and whose files are read.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson

from agents.agent import Agent, Catalog
from agents.context import AgentContext, current_context
from agents.conversation.journal import Journal
from agents.conversation.model_call import ModelCall
from agents.conversation.runtime import ConversationRuntime
from agents.conversation.streaming_message import StreamingMessage
from agents.models import TextChunk, ThinkingChunk
from agents.models.retry import TRANSIENT_REASONS, RetryPolicy
from agents.replay.recording import RecordedRound
from agents.replay.said import CallMade, Said
from agents.services import Services
from agents.turn.inputs import Input, ModelFailed, ModelFinished, ModelInterrupted, ProposedCall
from agents.turn.live import LiveEvent
from store import ConversationMeta
from store.records import Claim

PATIENT = RetryPolicy(max_retries=6, first_pause=1.0, max_pause=30.0)
"""No person waits for the answer, so a provider that is overloaded is asked again for longer."""


@dataclass(frozen=True, slots=True)
class ForcedRounds:
    """Asks `agent` for `principal`; `source` is the conversation of the rounds, `replay_id` stands in its place."""

    services: Services
    catalog: Catalog
    agent: Agent
    source: ConversationMeta
    replay_id: str
    principal: str
    retry: RetryPolicy = field(default=PATIENT)

    async def ask(self, recorded: RecordedRound) -> Said:
        """What the agent says in this place. What fails at the provider is a `Said` as well, after some tries."""
        retries = 0
        while True:
            began = time.monotonic()
            report = await self._call(recorded).run()
            ms = round(1000 * (time.monotonic() - began))
            if not isinstance(report, ModelFailed) or report.reason not in TRANSIENT_REASONS:
                return _said(report, ms)
            if (pause := self.retry.after(retries)) is None:
                return _said(report, ms)
            retries += 1
            await asyncio.sleep(pause)

    def _call(self, recorded: RecordedRound) -> ModelCall:
        journal = self._journal()
        context = partial(self.catalog.make_context, journal.meta)
        runtime = _Runtime(journal, self.agent, recorded.history, self.services, context, _ignore)
        model = runtime.model_of(recorded.ref.turn)
        return ModelCall(runtime, StreamingMessage(recorded.ref, "msg_replay", model.name), model, _note_nothing)

    def _journal(self) -> Journal:
        meta = replace(
            self.source,
            id=self.replay_id,
            root=self.replay_id,
            agent=self.agent.name,
            principal=self.principal,
            channel="batch",
            parent=None,
            parent_call=None,
            depth=0,
            members={},
            copy=None,
        )
        return _UnwrittenJournal(self.services.store, Claim(self.replay_id, 0, meta), self.services.clock)


class _UnwrittenJournal(Journal):
    """Of a conversation that is not there: what is published goes nowhere."""

    def publish(self, event: LiveEvent) -> None:
        """Tell no one."""

    def publish_chunk(self, message: StreamingMessage, chunk: TextChunk | ThinkingChunk) -> None:
        """Tell no one: the whole answer follows."""

    def coalescing_delay(self) -> float:
        return 0.0


class _Runtime(ConversationRuntime):
    """Without anything in the background: no title, no summary, nothing that would be done for a real conversation."""

    def run_in_background(
        self, name: str, work: Coroutine[Any, Any, None], context: Callable[[], AgentContext] = current_context
    ) -> asyncio.Task[None]:
        work.close()
        return asyncio.create_task(_do_nothing())


def _said(report: ModelFinished | ModelFailed | ModelInterrupted, ms: int) -> Said:
    match report:
        case ModelFinished():
            return _said_by_model(report, ms)
        case ModelInterrupted(asks=asks):
            return Said(ending="waiting", detail="; ".join(ask.prompt for ask in asks), ms=ms, model_calls=0)
        case ModelFailed(reason=reason, detail=detail):
            return Said(ending="failed", reason=reason, detail=detail, ms=ms)


def _said_by_model(report: ModelFinished, ms: int) -> Said:
    words = "\n\n".join(str(block["text"]) for block in report.content if block["type"] == "text").strip()
    reason, detail = report.stop or (None, None)
    return Said(
        text=words if report.output is None else orjson.dumps(report.output).decode(),
        output=report.output,
        calls=[_made(call) for call in report.calls],
        ending="answered" if report.stop is None else "failed",
        reason=reason,
        detail=detail,
        model=report.model,
        stop_reason=report.stop_reason,
        usage=report.usage,
        cost=report.cost,
        ms=ms,
    )


def _made(call: ProposedCall) -> CallMade:
    """The call; one that its tool, or middleware, would have refused has that as its result."""
    refused = (None, None) if call.refusal is None else (call.refusal, "error")
    return CallMade(call.name, call.arguments, *refused)


async def _note_nothing() -> None:
    """For the first piece of an answer that no one watches."""


async def _do_nothing() -> None:
    """In the place of work that is left out."""


def _ignore(_: Input) -> None:
    """For what middleware wants to be logged later."""
