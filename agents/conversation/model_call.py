"""One call of the model, from the projected context to the report for the machine; runs as a task of its own."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict, replace

import structlog

from agents.context import in_context, was_cancelled
from agents.conversation.approval_policy import enforce_approval, require_approval, with_expiry
from agents.conversation.interrupts import propose_questions
from agents.conversation.left_out import LeftOut
from agents.conversation.proposals import propose_calls
from agents.conversation.request_builder import build_model_request, build_request
from agents.conversation.runtime import ConversationRuntime, TurnContexts
from agents.conversation.streaming_message import StreamingMessage
from agents.conversation.structured_output import require_output
from agents.errors import MiddlewareError, ModelError, TurnStopped
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.stack import Interrupts
from agents.models import Completed, Model, ModelEvent, ModelRequest, TextChunk, ThinkingChunk
from agents.models.prices import cost_of
from agents.models.read_pacing import pace_reading
from agents.projection import project
from agents.storable import record_problem, storable_text, storage_problem
from agents.turn.inputs import ModelFailed, ModelFinished, ModelInterrupted, ModelRef, ProposedCall

log = structlog.get_logger(__name__)

WITHOUT_THIS_TURN = "The conversation goes on without this turn."

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
        self._contexts: TurnContexts = runtime.contexts(message.ref)

    async def run(self) -> ModelReport:
        """Never raises: every error becomes a report."""
        runtime = self._runtime
        try:
            context = runtime.agent_context(runtime.history.facts.principal)
            with in_context(context), pace_reading(runtime.journal.coalescing_delay):
                return self._checked(await self._make_call())
        except ModelError as error:
            return self._failed(error.reason, error.message) if error.refused is None else self._leave_out(error)
        except TurnStopped as error:
            return self._failed(error.reason, error.message)
        except MiddlewareError as error:
            log.exception("middleware_failed", middleware=error.middleware, callback=error.callback, **self._place())
            return self._failed("middleware_failed", f"The turn failed: {error}.")
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and was_cancelled():
                raise
            log.exception("model_call_failed", **self._place())
            return self._failed("internal", "The turn failed for an internal reason.")

    async def _make_call(self) -> ModelReport:
        interrupts: Interrupts = []
        request = await self._prepare_request(interrupts)
        if interrupts:
            return ModelInterrupted(ref=self._ref, asks=self._questions(interrupts), patches=self._contexts.patches)
        completed = await self._read_stream(build_model_request(request, self._runtime.agent))
        return await self._finish(completed, request)

    async def _prepare_request(self, interrupts: Interrupts) -> Request:
        """The context for the model, as the middleware leaves it."""
        runtime, history = self._runtime, self._runtime.history
        tools = await runtime.toolset.offered()
        sections = await runtime.stack.system_prompt(self._contexts)
        messages = project(runtime.shown_events, self._ref)
        request = build_request(runtime.agent, sections, messages, tools, history.summary)
        return await runtime.stack.before_model(request, self._contexts, interrupts)

    async def _read_stream(self, request: ModelRequest) -> Completed:
        has_begun = False
        async with aclosing(self._events(request)) as stream:
            async for event in stream:
                if not has_begun:
                    has_begun = True
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
        return self._runtime.stack.stream(request, self._model.stream, self._contexts)

    async def _finish(self, completed: Completed, request: Request) -> ModelFinished:
        """Join the answer with what it leads to: calls, approvals, questions, another model call, or the end."""
        runtime, history = self._runtime, self._runtime.history
        tools = {tool.name: tool for tool in request.tools}
        content, calls = propose_calls(completed, self._ref, runtime.agent, tools, history)
        usage = asdict(completed.usage)
        reply = Reply(
            content=content,
            calls=await require_approval(calls, tools, runtime.services, history.facts.principal),
            stop_reason=completed.stop_reason,
            usage=usage,
            model=completed.model,
            cost=cost_of(completed.model, usage),
        )
        interrupts: Interrupts = []
        stop: tuple[str, str] | None = None
        try:
            reply = require_output(reply, runtime.agent, history.events, self._ref.turn)
            reply = await runtime.stack.after_model(reply, self._contexts, interrupts)
            reply = replace(reply, calls=enforce_approval(reply.calls, tools))
        except TurnStopped as stopped:
            stop = (stopped.reason, stopped.message)
        return self._as_input(reply, interrupts, stop)

    def _as_input(self, reply: Reply, interrupts: Interrupts, stop: tuple[str, str] | None) -> ModelFinished:
        return ModelFinished(
            ref=self._ref,
            message_id=self._message.message_id,
            content=reply.content,
            calls=with_expiry(reply.calls, self._runtime.services.clock(), self._runtime.agent.expiries),
            stop_reason=reply.stop_reason,
            usage=reply.usage,
            model=reply.model,
            cost=reply.cost,
            output=reply.output,
            patches=self._contexts.patches,
            asks=self._questions(interrupts),
            feedback=reply.feedback,
            stop=stop,
        )

    def _questions(self, interrupts: Interrupts) -> list[ProposedCall]:
        runtime, used_ids = self._runtime, self._runtime.history.tool_call_ids
        return propose_questions(interrupts, self._ref, used_ids, runtime.services.clock(), runtime.agent.expiries)

    def _leave_out(self, error: ModelError) -> ModelFailed:
        """The same request would be refused for ever: the newest suspects are left out, and the turn goes on."""
        assert error.refused is not None
        history = self._runtime.history
        before = LeftOut.of(history.facts.state)
        left_out, again = before.further(history.events, self._ref.turn, error.refused)
        log.warning("content_left_out", refused=error.refused, again=again, **self._place(), **left_out.patch().changes)
        failed = self._failed(error.reason, error.message if again else f"{error.message} {WITHOUT_THIS_TURN}")
        return replace(failed, patches=[left_out.patch()], again=again)

    def _checked(self, report: ModelReport) -> ModelReport:
        """The report, if the log can hold it. Raises `MiddlewareError` for a state that changed after `patch`."""
        for patch in report.patches:
            if (problem := storage_problem(patch.changes)) is not None:
                raise MiddlewareError(patch.source, f"patch: its state cannot be stored: {problem}")
        if (problem := record_problem(report)) is not None:
            return self._failed("unstorable_answer", f"The model's answer cannot be stored: {problem}.")
        return report

    def _failed(self, reason: str, detail: str) -> ModelFailed:
        return ModelFailed(ref=self._ref, reason=storable_text(reason), detail=storable_text(detail))

    @property
    def _ref(self) -> ModelRef:
        return self._message.ref

    def _place(self) -> dict[str, object]:
        runtime = self._runtime
        conversation_id = runtime.journal.conversation_id
        return {"conversation_id": conversation_id, "agent": runtime.agent.name, "turn": self._ref.turn}
