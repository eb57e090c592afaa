"""One call of the model, from the projected context to the report for the machine; runs as a task of its own."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import structlog

from agents.context import was_cancelled
from agents.conversation.approval_policy import enforce_approval, require_approval, with_expiry
from agents.conversation.interrupts import propose_questions
from agents.conversation.left_out import LeftOut
from agents.conversation.proposals import propose_calls
from agents.conversation.request_builder import build_model_request, build_request
from agents.conversation.runtime import ConversationRuntime, TurnContexts
from agents.conversation.span_attributes import answer_attributes, chat_attributes, request_attributes
from agents.conversation.streaming_message import StreamingMessage
from agents.conversation.structured_output import require_output
from agents.errors import MiddlewareError, ModelError, TurnStopped, provider_status
from agents.middleware.compaction import Compaction
from agents.middleware.compaction.context_limit import ContextLimit
from agents.middleware.compaction.estimate import tokens_used
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.stack import Interrupts
from agents.models import Completed, Model, ModelEvent, ModelRequest, TextChunk, ThinkingChunk
from agents.models.metering import stream_of
from agents.models.prices import cost_of
from agents.models.read_pacing import pace_reading
from agents.projection import project
from agents.storable import record_problem, storable_text, storage_problem
from agents.tracing import NO_SPAN, Span, within
from agents.turn.events import WINDOW_EXCEEDED
from agents.turn.inputs import ModelFailed, ModelFinished, ModelInterrupted, ModelRef, Patch, ProposedCall

if TYPE_CHECKING:
    from agents.conversation.usage_meter import UsageMeter

log = structlog.get_logger(__name__)

INTERNAL_FAILURE = "The turn failed for an internal reason."
WITHOUT_THIS_TURN = "The conversation goes on without this turn."
HTTP_OK: int | None = 200

ModelReport = ModelFinished | ModelFailed | ModelInterrupted


class ModelCall:
    """The call `message.ref`; cancelling the task that runs it closes its connection."""

    def __init__(
        self,
        runtime: ConversationRuntime,
        message: StreamingMessage,
        model: Model,
        report_start: Callable[[], Awaitable[object]],
    ) -> None:
        self._runtime = runtime
        self._message = message
        self._model = model
        self._report_start = report_start
        self._contexts: TurnContexts = runtime.contexts(runtime.history.facts.principal, message.ref)
        self._sent = ModelRequest("", ())
        self._asked_at = 0.0
        self._meter: UsageMeter | None = None
        self._span = NO_SPAN

    async def run(self) -> ModelReport:
        """Never raises: every error becomes a report. What the model used is written before the report is there."""
        try:
            with self._begin_span() as self._span:
                report = await self._report()
                self._describe(report)
            if self._meter is not None:
                await self._meter.settle()
        except asyncio.CancelledError:
            if self._meter is not None:
                self._meter.settle_soon()
            raise
        return report

    def _begin_span(self) -> Span:
        runtime = self._runtime
        if not runtime.services.tracer.is_on:
            return NO_SPAN
        attributes = chat_attributes(self._model, runtime.journal.conversation_id, self.ref.turn, self.ref.step)
        name = f"chat {self._model.name}"
        return runtime.services.tracer.span(name, attributes, runtime.turn_span.traceparent, kind="client")

    def _describe(self, report: ModelReport) -> None:
        tracer = self._runtime.services.tracer
        if isinstance(report, ModelFailed):
            self._span.fail(report.reason, report.detail)
        elif isinstance(report, ModelFinished) and tracer.is_on:
            self._span.set(answer_attributes(report, content=tracer.has_content))

    async def _report(self) -> ModelReport:
        runtime = self._runtime
        try:
            await runtime.services.arrivals.settle()
            with (
                runtime.acting_in(
                    within(runtime.agent_context(runtime.history.facts.principal), self._span)
                ) as self._meter,
                pace_reading(runtime.journal.coalescing_delay),
            ):
                return self._checked(await self._make_call())
        except ModelError as error:
            return self._failed(error.reason, error.message) if error.refused is None else self._leave_out(error)
        except TurnStopped as error:
            return self._failed(error.reason, error.message)
        except MiddlewareError as error:
            log.exception("middleware_failed", middleware=error.middleware, callback=error.callback, **self._place())
            return self._failed("middleware_failed", f"The turn failed: {error}.")
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if isinstance(error, asyncio.CancelledError) and was_cancelled():
                raise
            log.exception("model_call_failed", **self._place())
            return self._failed("internal", INTERNAL_FAILURE)

    async def _make_call(self) -> ModelReport:
        interrupts: Interrupts = []
        runtime = self._runtime
        await runtime.services.limits.require_spending(
            runtime.history.facts.principal or runtime.journal.meta.principal
        )
        request = await self._prepare_request(interrupts)
        if interrupts:
            return ModelInterrupted(ref=self.ref, asks=self._questions(interrupts), patches=self._contexts.patches)
        self._sent = build_model_request(request, self._runtime.agent)
        if (tracer := runtime.services.tracer).is_on:
            self._span.set(request_attributes(self._sent, content=tracer.has_content))
        with self._counted_call():
            completed = await self._read_stream(self._sent)
        return await self._finish(completed, request)

    async def _prepare_request(self, interrupts: Interrupts) -> Request:
        """The context for the model, as the middleware leaves it."""
        runtime, history = self._runtime, self._runtime.history
        tools = await runtime.toolset.offered()
        sections = await runtime.stack.system_prompt(self._contexts)
        messages = project(runtime.shown_events, self.ref)
        request = build_request(runtime.agent, sections, messages, tools, history.summary, await runtime.toolset.away())
        return await runtime.stack.before_model(request, self._contexts, interrupts)

    async def _read_stream(self, request: ModelRequest) -> Completed:
        has_begun = False
        async with aclosing(self._events(request)) as stream:
            async for event in stream:
                if not has_begun:
                    has_begun = True
                    self._note_first_token()
                    await self._report_start()
                match event:
                    case TextChunk() | ThinkingChunk():
                        if (text := storable_text(event.text)) is not event.text:
                            event = replace(event, text=text)
                        self._runtime.journal.publish_chunk(self._message, event)
                    case Completed():
                        return event
        raise ModelError("stream_broken", "The model's answer ended before it was complete.")

    def _events(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        return self._runtime.stack.stream(request, self._ask, self._contexts)

    def _ask(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self._asked_at = time.monotonic()
        return stream_of(self._model)(request)

    @contextmanager
    def _counted_call(self) -> Iterator[None]:
        """Count the call that is made in the block, if one is: middleware may answer in the model's place."""
        outcome, status = "completed", HTTP_OK
        try:
            yield
        except ModelError as error:
            outcome, status = error.reason, provider_status(error)
            raise
        except TurnStopped:
            outcome, status = "stopped", None
            raise
        except asyncio.CancelledError:
            outcome, status = "cancelled", None
            raise
        except BaseException:
            outcome, status = "internal", None
            raise
        finally:
            if self._asked_at:
                seconds = time.monotonic() - self._asked_at
                name = self._sent.model or self._model.name
                self._runtime.services.metrics.note_model_call(name, outcome, status, seconds)

    def _note_first_token(self) -> None:
        """Count how long the turn's first words have taken; those of its later calls are not what people wait for."""
        self._span.set({"gen_ai.response.time_to_first_chunk": round(time.monotonic() - self._asked_at, 6)})
        runtime, began_at = self._runtime, self._runtime.history.turn_began_at
        if self.ref.step == 1 and began_at is not None:
            seconds = (runtime.services.clock() - began_at) / 1000
            runtime.services.metrics.note_first_token(runtime.agent.name, seconds)

    async def _finish(self, completed: Completed, request: Request) -> ModelFinished:
        """Join the answer with what it leads to: calls, approvals, questions, another model call, or the end."""
        runtime, history = self._runtime, self._runtime.history
        tools = {tool.name: tool for tool in request.tools}
        content, calls = propose_calls(completed, self.ref, runtime.agent, tools, history, runtime.toolset.problem_of)
        usage = asdict(completed.usage)
        reply = Reply(
            content=content,
            calls=await require_approval(calls, tools, runtime.services, runtime.journal.meta, history.facts),
            stop_reason=completed.stop_reason,
            usage=usage,
            model=completed.model,
            cost=cost_of(completed.model, usage),
            provider=completed.provider,
        )
        interrupts: Interrupts = []
        stop: tuple[str, str] | None = None
        try:
            reply = require_output(reply, runtime.agent, history.events, self.ref.turn)
            reply = await runtime.stack.after_model(reply, self._contexts, interrupts)
            reply = replace(reply, calls=enforce_approval(reply.calls, tools))
        except TurnStopped as stopped:
            stop = (stopped.reason, stopped.message)
        return self._as_input(reply, interrupts, stop)

    def _as_input(self, reply: Reply, interrupts: Interrupts, stop: tuple[str, str] | None) -> ModelFinished:
        return ModelFinished(
            ref=self.ref,
            message_id=self._message.message_id,
            content=reply.content,
            calls=with_expiry(reply.calls, self._runtime.services.clock(), self._runtime.agent.expiries),
            stop_reason=reply.stop_reason,
            usage=reply.usage,
            model=reply.model,
            cost=reply.cost,
            output=reply.output,
            provider=reply.provider,
            patches=[*self._contexts.patches, *self._limit_of_full_answer(reply)],
            asks=self._questions(interrupts),
            feedback=reply.feedback,
            stop=stop,
        )

    def _questions(self, interrupts: Interrupts) -> list[ProposedCall]:
        runtime, used_ids = self._runtime, self._runtime.history.tool_call_ids
        return propose_questions(interrupts, self.ref, used_ids, runtime.services.clock(), runtime.agent.expiries)

    def _leave_out(self, error: ModelError) -> ModelFailed:
        """The same request would be refused for ever: the newest suspects are left out, and the turn goes on."""
        assert error.refused is not None
        history = self._runtime.history
        learned, may_compact = self._learn(error) if error.refused == "size" else (None, False)
        patches = [] if learned is None else [learned.patch(self._model.name)]
        if may_compact:
            return replace(self._failed(error.reason, error.message), patches=patches, again=True)
        before = LeftOut.of(history.facts.state)
        left_out, again = before.further(history.events, self.ref.turn, error.refused)
        log.warning("content_left_out", refused=error.refused, again=again, **self._place(), **left_out.patch().changes)
        failed = self._failed(error.reason, error.message if again else f"{error.message} {WITHOUT_THIS_TURN}")
        return replace(failed, patches=[*patches, left_out.patch()], again=again)

    def _learn(self, error: ModelError) -> tuple[ContextLimit | None, bool]:
        """What the refusal says of the model, for Compaction, and whether that can now make the request fit."""
        if not self._compacts:
            return None, False
        runtime, ref = self._runtime, self.ref
        known = ContextLimit.of(runtime.history.facts.state, self._model.name)
        events = runtime.shown_events
        learned = ContextLimit.from_refusal(error.size, self._sent, events, ref).joined(known)
        log.warning("context_limit_learned", tokens=learned.tokens, ratio=learned.ratio, **self._place())
        has_tried = known is not None and (known.turn, known.step) == (ref.turn, ref.step)
        return learned, not has_tried and learned.may_hold(ref.turn, events)

    def _limit_of_full_answer(self, reply: Reply) -> list[Patch]:
        """What an answer that ended at the edge of the window says of the model, for Compaction."""
        if reply.stop_reason != WINDOW_EXCEEDED or not self._compacts:
            return []
        known = ContextLimit.of(self._runtime.history.facts.state, self._model.name)
        learned = ContextLimit.from_full_answer(tokens_used(reply.usage), self._sent, self.ref).joined(known)
        return [learned.patch(self._model.name)]

    @property
    def _compacts(self) -> bool:
        return any(isinstance(middleware, Compaction) for middleware in self._runtime.agent.each_middleware())

    def _checked(self, report: ModelReport) -> ModelReport:
        """The report, if the log can hold it. Raises `MiddlewareError` for a state that changed after `patch`."""
        for patch in report.patches:
            if (problem := storage_problem(patch.changes)) is not None:
                raise MiddlewareError(patch.source, f"patch: its state cannot be stored: {problem}")
        if (problem := record_problem(report)) is not None:
            return self._failed("unstorable_answer", f"The model's answer cannot be stored: {problem}.")
        return report

    def _failed(self, reason: str, detail: str) -> ModelFailed:
        return ModelFailed(ref=self.ref, reason=storable_text(reason), detail=storable_text(detail))

    @property
    def ref(self) -> ModelRef:
        """Which call of which turn it is."""
        return self._message.ref

    def _place(self) -> dict[str, object]:
        runtime = self._runtime
        conversation_id = runtime.journal.conversation_id
        return {"conversation_id": conversation_id, "agent": runtime.agent.name, "turn": self.ref.turn}
