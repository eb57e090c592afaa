"""One execution of a server tool, from the logged call to the report for the machine; runs as a task of its own."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import orjson
import structlog

from agents.context import was_cancelled
from agents.conversation.interrupts import make_question
from agents.conversation.runtime import ConversationRuntime
from agents.conversation.span_attributes import result_attributes, tool_attributes
from agents.errors import AgentError, Superseded
from agents.interrupt import Interrupt
from agents.storable import record_problem, storable_text, storage_problem
from agents.tools import ToolOutcome, run_tool
from agents.tracing import NO_SPAN, Span, within
from agents.turn.commands import RunTool
from agents.turn.inputs import Patch, ToolFinished, ToolInterrupted
from agents.turn.live import ToolProgress

log = structlog.get_logger(__name__)

UNKNOWN_TOOL = "The tool {} does not exist any more."


class ToolCalls:
    """Executes the calls of one incarnation, as many calls of a tool at once as it allows."""

    def __init__(self, runtime: ConversationRuntime) -> None:
        self._runtime = runtime
        self._semaphores: dict[str, asyncio.Semaphore] = {}

    async def run(self, command: RunTool) -> ToolFinished | ToolInterrupted:
        """Every error becomes a report. Raises `Superseded` if another incarnation has the conversation now."""
        begun, outcome = time.monotonic(), "cancelled"
        try:
            with self._begin_span(command) as span:
                report = await self._run(command, span)
                self._describe(report, span)
            outcome = report.status if isinstance(report, ToolFinished) else "interrupted"
        finally:
            self._runtime.services.metrics.note_tool_call(command.call.name, outcome, time.monotonic() - begun)
        return report

    async def _run(self, command: RunTool, span: Span) -> ToolFinished | ToolInterrupted:
        try:
            report = await self._report(command, span)
        except Superseded:
            raise
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if isinstance(error, asyncio.CancelledError) and was_cancelled():
                raise
            log.exception("tool_call_failed", tool=command.call.name, tool_call_id=command.call.tool_call_id)
            call = command.call
            return self._failed(command, f"{call.name} failed with an internal error (call {call.tool_call_id}).")
        name = command.call.name
        unstorable = filter(None, (storage_problem(patch.changes) for patch in report.patches))
        if (problem := next(unstorable, None)) is not None:
            return self._failed(command, f"{name} finished, but its state cannot be stored: {problem}.")
        if (problem := record_problem(report)) is not None:
            return self._failed(command, f"{name} finished, but its result cannot be stored: {problem}.")
        return report

    async def _report(self, command: RunTool, span: Span) -> ToolFinished | ToolInterrupted:
        call, patches = command.call, dict[str, Any]()
        try:
            outcome = await self._outcome(command, patches.update, span)
        except Interrupt as interrupt:
            tool = await self._runtime.toolset.find(call.name)
            own = () if tool is None else tool.approvers
            question = make_question(interrupt, self._runtime.services.clock(), self._runtime.agent.expiries, own)
            return ToolInterrupted(
                turn=call.turn,
                tool_call_id=call.tool_call_id,
                question=question,
                patches=self._patches(command, patches),
            )
        except Superseded:
            raise
        except AgentError as error:
            log.exception("tool_call_failed", tool=call.name, tool_call_id=call.tool_call_id)
            outcome = ToolOutcome(f"{call.name} failed: {error}.", "error")
        kept = self._patches(command, patches) if outcome.status == "ok" else ()
        return ToolFinished(
            turn=call.turn,
            tool_call_id=call.tool_call_id,
            content=outcome.content,
            status=outcome.status,
            patches=kept,
        )

    async def abandon(self, command: RunTool) -> None:
        """The call is over for good: let the tool stop what it has started elsewhere."""
        tool = await self._runtime.toolset.find(command.call.name)
        if tool is not None and tool.on_cancel is not None:
            await tool.on_cancel(command.arguments, self._runtime.tool_context(command, _ignore, _ignore))

    async def _outcome(self, command: RunTool, patch: Callable[[Any], None], span: Span) -> ToolOutcome:
        tool = await self._runtime.toolset.find(command.call.name)
        if tool is None:
            return ToolOutcome(UNKNOWN_TOOL.format(command.call.name), "error")
        context = self._runtime.tool_context(command, lambda value: self._progress(command, value), patch)
        if span.traceparent is not None:
            context = replace(context, context=within(context.context, span))

        async def execute(command: RunTool) -> ToolOutcome:
            return await run_tool(tool, dict(command.arguments), context, self._runtime.journal.ownership.confirm)

        async with AsyncExitStack() as stack:
            if tool.concurrency is not None:
                semaphore = self._semaphores.setdefault(tool.name, asyncio.Semaphore(tool.concurrency))
                await stack.enter_async_context(semaphore)
            meter = stack.enter_context(self._runtime.acting_in(context.context))
            stack.callback(meter.settle_soon)
            contexts = self._runtime.contexts(command.principal)
            return await self._runtime.stack.run_tool(command, execute, contexts)

    def _begin_span(self, command: RunTool) -> Span:
        runtime, tracer = self._runtime, self._runtime.services.tracer
        if not tracer.is_on:
            return NO_SPAN
        attributes = tool_attributes(command, runtime.journal.conversation_id, content=tracer.has_content)
        return tracer.span(f"execute_tool {command.call.name}", attributes, runtime.turn_span.traceparent)

    def _describe(self, report: ToolFinished | ToolInterrupted, span: Span) -> None:
        if isinstance(report, ToolInterrupted):
            span.set({"raylogue.status": "asks"})
            return
        if (tracer := self._runtime.services.tracer).is_on:
            span.set(result_attributes(report.content, report.status, content=tracer.has_content))
        if report.status not in ("ok", "denied", "cancelled"):
            span.fail(report.status)

    def _failed(self, command: RunTool, content: str) -> ToolFinished:
        call = command.call
        content = storable_text(content)
        return ToolFinished(turn=call.turn, tool_call_id=call.tool_call_id, content=content, status="error")

    def _patches(self, command: RunTool, changes: dict[str, Any]) -> list[Patch]:
        source = self._runtime.toolset.source(command.call.name)
        return [Patch(source=source, changes=changes)] if source is not None and changes else []

    def _progress(self, command: RunTool, value: object) -> None:
        """Tell watchers of a call that still runs; a value that is no JSON is dropped, or it would spoil the others."""
        call = command.call
        if call.tool_call_id not in self._runtime.history.facts.dispatched:
            return
        if (problem := storage_problem(value)) is not None:
            log.warning("progress_dropped", tool=call.name, tool_call_id=call.tool_call_id, cause=problem)
            return
        progress = orjson.loads(orjson.dumps(value))
        self._runtime.journal.publish(ToolProgress(turn=call.turn, tool_call_id=call.tool_call_id, progress=progress))


def _ignore(_: object) -> None:
    """For progress and patches of a call that is over."""
