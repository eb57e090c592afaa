"""What an incarnation has under way: one model call, tools, and timers; each reports back with an input."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import structlog
from structlog.contextvars import bind_contextvars

from agents.conversation.model_call import INTERNAL_FAILURE, ModelCall
from agents.conversation.runtime import ConversationRuntime
from agents.conversation.streaming_message import StreamingMessage
from agents.conversation.tool_calls import ToolCalls
from agents.errors import Superseded
from agents.turn.commands import ArmExpiry, CallModel, Command, DisarmExpiry, RunTool, StopModel, StopTools
from agents.turn.inputs import Expire, Input, ModelFailed, ModelRef, ModelStarted
from store import StoreError

log = structlog.get_logger(__name__)


class Effects:
    """Performs the machine's commands as tasks, so that the mailbox never waits for a model or a tool.

    `post` puts an input into the mailbox, `submit` also waits until it has been processed. `streaming` is the message
    of the model call under way, `abandoning` stops what the calls that were last abandoned have begun elsewhere.
    """

    def __init__(
        self,
        runtime: ConversationRuntime,
        post: Callable[[Input], None],
        submit: Callable[[Input], Awaitable[object]],
        end_superseded: Callable[[Exception], None],
    ) -> None:
        self.streaming: StreamingMessage | None = None
        self.abandoning: Sequence[asyncio.Task[None]] = ()
        self._runtime = runtime
        self._calls = ToolCalls(runtime)
        self._post = post
        self._submit = submit
        self._end_superseded = end_superseded
        self._model: asyncio.Task[None] | None = None
        self._tools: dict[str, asyncio.Task[None]] = {}
        self._expiries: dict[str, list[asyncio.TimerHandle]] = {}

    def perform(self, command: Command) -> None:
        """Start or stop an effect; appends and broadcasts are the journal's."""
        match command:
            case CallModel(ref):
                self._start_model(ref)
            case StopModel():
                self._stop_model()
            case RunTool():
                self._tools[command.call.tool_call_id] = asyncio.create_task(self._run_tool(command))
            case StopTools(tool_call_ids, abandoned):
                self._stop_tools(tool_call_ids)
                self.abandoning = [self._abandon(run) for run in abandoned]
            case ArmExpiry(tool_call_id, at):
                self._arm(tool_call_id, at)
            case DisarmExpiry(tool_call_id):
                self._disarm(tool_call_id)

    def message_ended_by(self, current: ModelRef | None) -> StreamingMessage | None:
        """The message under way, if its call is not the machine's `current` one any more."""
        return self.streaming if self.streaming is not None and self.streaming.ref != current else None

    def forget_message(self, current: ModelRef | None) -> None:
        """Drop a message that is not the current one any more: its text is in the log, or not worth keeping."""
        if self.message_ended_by(current) is not None:
            self.streaming = None

    def stop_all(self) -> None:
        """Stop everything at once; nothing reports back after this."""
        self._stop_model()
        self._stop_tools(tuple(self._tools))
        for tool_call_id in tuple(self._expiries):
            self._disarm(tool_call_id)
        self._runtime.cancel_background()

    def _abandon(self, run: RunTool) -> asyncio.Task[None]:
        """In the context of the call, although another turn may have begun."""
        context = partial(self._runtime.agent_context, run.principal, run.call.turn)
        return self._runtime.run_in_background(run.call.name, self._calls.abandon(run), context)

    def _start_model(self, ref: ModelRef) -> None:
        try:
            call = self._prepare_model(ref)
        except Exception:  # a model is foreign code, its name as well
            log.exception("model_call_failed", conversation_id=self._runtime.journal.conversation_id, turn=ref.turn)
            self._post(ModelFailed(ref=ref, reason="internal", detail=INTERNAL_FAILURE))
            return
        self._model = asyncio.create_task(self._run_model(call))

    def _prepare_model(self, ref: ModelRef) -> ModelCall:
        model = self._runtime.model_of(ref.turn)
        message_id = f"msg_{ref.turn}_{ref.step}_{ref.attempt}_{self._runtime.journal.epoch}"
        self.streaming = StreamingMessage(ref, message_id, model.name)

        async def report_start() -> object:  # processed before any watcher is told a chunk
            return await self._submit(ModelStarted(ref=ref))

        return ModelCall(self._runtime, self.streaming, model, report_start)

    async def _run_model(self, call: ModelCall) -> None:
        bind_contextvars(turn=call.ref.turn)
        self._post(await call.run())

    def _stop_model(self) -> None:
        if self._model is not None:
            self._model.cancel()
            self._model = None

    async def _run_tool(self, command: RunTool) -> None:
        bind_contextvars(turn=command.call.turn, tool_call_id=command.call.tool_call_id)
        try:
            report = await self._calls.run(command)
        except Superseded as error:  # another incarnation makes the call
            self._end_superseded(error)
            return
        self._tools.pop(command.call.tool_call_id, None)
        self._post(report)

    def _stop_tools(self, tool_call_ids: Iterable[str]) -> None:
        for tool_call_id in tool_call_ids:
            task = self._tools.pop(tool_call_id, None)
            if task is not None:
                task.cancel()

    def _arm(self, tool_call_id: str, at: int) -> None:
        self._disarm(tool_call_id)
        loop = asyncio.get_running_loop()
        seconds = max(0, at - self._runtime.services.clock()) / 1000
        timers = [loop.call_later(seconds, self._expire, tool_call_id, at)]
        waiting = self._runtime.history.facts.suspended.get(tool_call_id)
        if waiting is not None and waiting.suspension is not None and waiting.suspension.kind == "client_exec":
            timers.append(loop.call_later(self._runtime.agent.expiries.unattended, self._look_for_client, tool_call_id))
        self._expiries[tool_call_id] = timers

    def _expire(self, tool_call_id: str, at: int) -> None:
        self._disarm(tool_call_id)
        now = max(at, self._runtime.services.clock())  # the timer and the clock may disagree by a little
        self._post(Expire(tool_call_id=tool_call_id, now=now))

    def _look_for_client(self, tool_call_id: str) -> None:
        call = self._runtime.history.facts.suspended.get(tool_call_id)
        # A sub-agent's call is put to the people of its parent.
        if call is not None and self._runtime.journal.meta.parent is None:
            self._runtime.run_in_background("unattended", self._check_client(tool_call_id, call.call.name))

    async def _check_client(self, tool_call_id: str, tool: str) -> None:
        """Fail a call if no client is connected that can execute it; if that is unknown, it keeps its whole time."""
        services, conversation_id = self._runtime.services, self._runtime.journal.conversation_id
        try:
            declared = await services.store.client_tools.declared(conversation_id)
        except StoreError as error:
            log.warning("client_tools_unknown", conversation_id=conversation_id, cause=str(error))
            return
        if tool not in declared:
            self._post(Expire(tool_call_id=tool_call_id, now=services.clock(), unattended=True))

    def _disarm(self, tool_call_id: str) -> None:
        for timer in self._expiries.pop(tool_call_id, ()):
            timer.cancel()
