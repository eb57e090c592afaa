"""One call of the model, from the projected context to the report for the machine; runs as a task of its own."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict, replace

import structlog

from agents.context import in_context
from agents.conversation.approval_policy import gate, timed, upheld
from agents.conversation.interrupts import asks_of
from agents.conversation.proposals import propose
from agents.conversation.request_builder import assemble, sent
from agents.conversation.runtime import Contexts, ConversationRuntime
from agents.conversation.streaming_message import StreamingMessage
from agents.conversation.structured_output import demanded
from agents.errors import MiddlewareError, ModelError, TurnStopped
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.stack import Interrupts
from agents.models import Completed, Model, ModelEvent, ModelRequest, TextChunk, ThinkingChunk
from agents.models.prices import cost_of
from agents.models.read_pacing import pace_reading
from agents.projection import project
from agents.turn.inputs import ModelFailed, ModelFinished, ModelInterrupted, ModelRef, ProposedCall

log = structlog.get_logger(__name__)

Report = ModelFinished | ModelFailed | ModelInterrupted


class ModelCall:
    """The call `answer.ref`; cancelling the task that runs it closes its connection."""

    def __init__(
        self,
        runtime: ConversationRuntime,
        answer: StreamingMessage,
        model: Model,
        started: Callable[[], Awaitable[object]],
    ) -> None:
        self._work = runtime
        self._answer = answer
        self._model = model
        self._started = started
        self._contexts: Contexts = runtime.contexts(answer.ref)

    async def run(self) -> Report:
        """Never raises: whatever happens becomes a report."""
        try:
            acting = self._work.acting(self._work.history.facts.principal)
            with in_context(acting), pace_reading(self._work.journal.coalescing_delay):
                return await self._report()
        except (ModelError, TurnStopped) as error:
            return self._failed(error.reason, error.message)
        except MiddlewareError as error:
            log.exception("middleware_failed", middleware=error.middleware, callback=error.callback, **self._place())
            return self._failed("middleware_failed", f"The turn failed: {error}.")
        except Exception:
            log.exception("model_call_failed", **self._place())
            return self._failed("internal", "The turn failed for an internal reason.")

    async def _report(self) -> Report:
        asks: Interrupts = []
        request = await self._request(asks)
        if asks:
            return ModelInterrupted(ref=self._ref, asks=self._asks(asks), patches=self._contexts.patches)
        completed = await self._stream(sent(request, self._work.agent))
        return await self._finished(completed, request)

    async def _request(self, asks: Interrupts) -> Request:
        """The context for the model, as the middleware leaves it."""
        work = self._work
        tools = await work.toolset.offered()
        sections = await work.stack.system_prompt(self._contexts)
        request = assemble(work.agent, sections, project(work.history.events, self._ref), tools, work.history.summary)
        return await work.stack.before_model(request, self._contexts, asks)

    async def _stream(self, request: ModelRequest) -> Completed:
        begun = False
        async with aclosing(self._events(request)) as stream:
            async for event in stream:
                if not begun:
                    begun = True
                    await self._started()
                if self._answer.held:
                    await self._answer.until_let_go()
                match event:
                    case TextChunk(text):
                        self._work.journal.publish(self._answer.add_text(text))
                    case ThinkingChunk(text):
                        self._work.journal.publish(self._answer.add_thinking(text))
                    case Completed():
                        return event
        raise ModelError("stream_broken", "The model's answer ended before it was complete.")

    def _events(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        return self._work.stack.stream(request, self._model.stream, self._contexts)

    async def _finished(self, completed: Completed, request: Request) -> ModelFinished:
        """Join the answer with what it leads to: calls, gates, questions, another call, or the end."""
        work, history = self._work, self._work.history
        tools = {tool.name: tool for tool in request.tools}
        content, calls = propose(completed, self._ref, work.agent, tools, history)
        usage = asdict(completed.usage)
        reply = Reply(
            content=content,
            calls=await gate(calls, tools, work.services, history.facts.principal),
            stop_reason=completed.stop_reason,
            usage=usage,
            model=completed.model,
            cost=cost_of(completed.model, usage),
        )
        asks: Interrupts = []
        stop: tuple[str, str] | None = None
        try:
            reply = demanded(reply, work.agent, history.events, self._ref.turn)
            reply = await work.stack.after_model(reply, self._contexts, asks)
            reply = replace(reply, calls=upheld(reply.calls, tools))
        except TurnStopped as stopped:
            stop = (stopped.reason, stopped.message)
        return self._as_input(reply, asks, stop)

    def _as_input(self, reply: Reply, asks: Interrupts, stop: tuple[str, str] | None) -> ModelFinished:
        return ModelFinished(
            ref=self._ref,
            message_id=self._answer.message_id,
            content=reply.content,
            calls=timed(reply.calls, self._work.services.clock(), self._work.agent.expiries),
            stop_reason=reply.stop_reason,
            usage=reply.usage,
            model=reply.model,
            cost=reply.cost,
            output=reply.output,
            patches=self._contexts.patches,
            asks=self._asks(asks),
            feedback=reply.feedback,
            stop=stop,
        )

    def _asks(self, asks: Interrupts) -> list[ProposedCall]:
        work = self._work
        return asks_of(asks, self._ref, work.history.tool_call_ids, work.services.clock(), work.agent.expiries)

    def _failed(self, reason: str, detail: str) -> ModelFailed:
        return ModelFailed(ref=self._ref, reason=reason, detail=detail, partial=self._answer.partial())

    @property
    def _ref(self) -> ModelRef:
        return self._answer.ref

    def _place(self) -> dict[str, object]:
        journal = self._work.journal
        return {"conversation_id": journal.conversation_id, "agent": self._work.agent.name, "turn": self._ref.turn}
