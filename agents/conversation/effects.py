"""What an incarnation has under way: one call of the model, tools, and timers; all of it reports back."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog

from agents.conversation.model_call import ModelCall
from agents.conversation.runtime import ConversationRuntime
from agents.conversation.streaming_message import StreamingMessage
from agents.conversation.tool_calls import ToolCalls
from agents.errors import Superseded
from agents.turn.commands import ArmExpiry, CallModel, Command, DisarmExpiry, RunTool, StopModel, StopTools
from agents.turn.events import UserMsg
from agents.turn.inputs import Expire, Input, ModelRef, ModelStarted
from store import StoreError

log = structlog.get_logger(__name__)


class Effects:
    """Performs the machine's commands as tasks, so that nobody ever waits for a model or a tool."""

    def __init__(
        self,
        runtime: ConversationRuntime,
        post: Callable[[Input], None],
        ask: Callable[[Input], Awaitable[object]],
        give_way: Callable[[Exception], None],
    ) -> None:
        self.answer: StreamingMessage | None = None
        self._work = runtime
        self._calls = ToolCalls(runtime)
        self._post = post
        self._ask = ask
        self._give_way = give_way
        self._model: asyncio.Task[None] | None = None
        self._tools: dict[str, asyncio.Task[None]] = {}
        self._expiries: dict[str, list[asyncio.TimerHandle]] = {}

    def perform(self, command: Command) -> None:
        """Start or stop an effect; appends and broadcasts are not ours."""
        match command:
            case CallModel(ref):
                self._model = asyncio.create_task(self._call_model(ref))
            case StopModel():
                self._stop_model()
            case RunTool():
                self._tools[command.call.tool_call_id] = asyncio.create_task(self._run_tool(command))
            case StopTools(tool_call_ids, abandoned):
                self._stop_tools(tool_call_ids)
                for given_up in abandoned:
                    self._work.in_background(given_up.call.name, self._calls.abandon(given_up))
            case ArmExpiry(tool_call_id, at):
                self._arm(tool_call_id, at)
            case DisarmExpiry(tool_call_id):
                self._disarm(tool_call_id)

    @contextmanager
    def answer_held(self, commands: Iterable[Command]) -> Iterator[None]:
        """While the end of an answer is being logged, nobody is shown more of it than the log will have."""
        answer = self.answer if any(isinstance(command, StopModel) for command in commands) else None
        if answer is not None:
            answer.hold()
        try:
            yield
        finally:
            if answer is not None:
                answer.let_go()

    def forget_answer(self, current: ModelRef | None) -> None:
        """An answer that is not the current one any more has become an event, or nothing."""
        if self.answer is not None and self.answer.ref != current:
            self.answer = None

    def drop(self) -> None:
        """Stop everything at once; nothing reports any more."""
        self._stop_model()
        self._stop_tools(tuple(self._tools))
        for tool_call_id in tuple(self._expiries):
            self._disarm(tool_call_id)
        self._work.drop()

    async def _call_model(self, ref: ModelRef) -> None:
        model = self._work.agent.model_named(self._chosen(ref.turn))
        message_id = f"msg_{ref.turn}_{ref.step}_{ref.attempt}_{self._work.journal.epoch}"
        self.answer = StreamingMessage(ref, message_id, model.name)

        async def started() -> object:  # taken before the first delta is told
            return await self._ask(ModelStarted(ref=ref))

        self._post(await ModelCall(self._work, self.answer, model, started).run())

    def _chosen(self, turn: int) -> str | None:
        """The model that the newest message of the turn with a choice has chosen."""
        messages = (event for event in reversed(self._work.history.events) if isinstance(event, UserMsg))
        return next((event.model for event in messages if event.turn == turn and event.model), None)

    def _stop_model(self) -> None:
        if self._model is not None:
            self._model.cancel()
            self._model = None

    async def _run_tool(self, command: RunTool) -> None:
        try:
            report = await self._calls.run(command)
        except Superseded as error:  # somebody else makes the call
            self._give_way(error)
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
        seconds = max(0, at - self._work.services.clock()) / 1000
        timers = [loop.call_later(seconds, self._expire, tool_call_id, at)]
        waiting = self._work.history.facts.suspended.get(tool_call_id)
        if waiting is not None and waiting.suspension is not None and waiting.suspension.kind == "client_exec":
            timers.append(loop.call_later(self._work.agent.expiries.unattended, self._look_for_client, tool_call_id))
        self._expiries[tool_call_id] = timers

    def _expire(self, tool_call_id: str, at: int) -> None:
        self._disarm(tool_call_id)
        now = max(at, self._work.services.clock())  # the timer and the clock may disagree by a little
        self._post(Expire(tool_call_id=tool_call_id, now=now))

    def _look_for_client(self, tool_call_id: str) -> None:
        self._work.in_background("unattended", self._check_client(tool_call_id))

    async def _check_client(self, tool_call_id: str) -> None:
        """Fail a call that nobody is there to execute; when it cannot be known, the call keeps its whole time."""
        work = self._work
        try:
            watchers = await work.services.store.live.watchers(work.journal.conversation_id)
        except StoreError as error:
            log.warning("watchers_unknown", conversation_id=work.journal.conversation_id, cause=str(error))
            return
        if watchers == 0:
            self._post(Expire(tool_call_id=tool_call_id, now=work.services.clock(), unattended=True))

    def _disarm(self, tool_call_id: str) -> None:
        for timer in self._expiries.pop(tool_call_id, ()):
            timer.cancel()
