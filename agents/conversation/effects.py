"""What an incarnation has under way: one call of the model, tools, and timers; all of it reports back."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import orjson
import structlog

from agents.agent import Agent
from agents.conversation.answer import Answer
from agents.conversation.history import History
from agents.conversation.journal import Journal
from agents.conversation.model_call import call_model
from agents.conversation.tool_call import call_tool
from agents.turn.commands import ArmExpiry, CallModel, Command, DisarmExpiry, RunTool, StopModel, StopTools
from agents.turn.events import ToolCall
from agents.turn.inputs import Expire, Input, ModelRef, ModelStarted, ToolFinished
from agents.turn.live import ToolProgress

log = structlog.get_logger(__name__)


class Effects:
    """Performs the machine's commands as tasks, so that nobody ever waits for a model or a tool."""

    def __init__(
        self,
        journal: Journal,
        agent: Agent,
        history: History,
        clock: Callable[[], int],
        post: Callable[[Input], None],
        ask: Callable[[Input], Awaitable[object]],
    ) -> None:
        self.answer: Answer | None = None
        self._journal = journal
        self._agent = agent
        self._history = history
        self._clock = clock
        self._post = post
        self._ask = ask
        self._model: asyncio.Task[None] | None = None
        self._tools: dict[str, asyncio.Task[None]] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}

    def perform(self, command: Command) -> None:
        """Start or stop an effect; appends and broadcasts are not ours."""
        match command:
            case CallModel(ref):
                self._model = asyncio.create_task(self._call_model(ref))
            case StopModel():
                self._stop_model()
            case RunTool():
                self._tools[command.call.tool_call_id] = asyncio.create_task(self._run_tool(command))
            case StopTools(tool_call_ids):
                self._stop_tools(tool_call_ids)
            case ArmExpiry(tool_call_id, at):
                self._arm(tool_call_id, at)
            case DisarmExpiry(tool_call_id):
                self._disarm(tool_call_id)

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

    async def _call_model(self, ref: ModelRef) -> None:
        message_id = f"msg_{ref.turn}_{ref.step}_{ref.attempt}_{self._journal.epoch}"
        self.answer = Answer(ref, message_id, self._agent.model.name)
        report = await call_model(
            self._agent,
            self.answer,
            self._history.events,
            taken=self._history.tool_call_ids,
            clock=self._clock,
            started=lambda: self._ask(ModelStarted(ref=ref)),  # taken before the first delta is told
            tell=self._journal.publish,
        )
        self._post(report)

    def _stop_model(self) -> None:
        if self._model is not None:
            self._model.cancel()
            self._model = None

    async def _run_tool(self, command: RunTool) -> None:
        call = command.call
        outcome = await call_tool(
            self._agent, self._journal.conversation_id, command, lambda value: self._progress(call, value)
        )
        self._tools.pop(call.tool_call_id, None)
        self._post(
            ToolFinished(turn=call.turn, tool_call_id=call.tool_call_id, content=outcome.content, status=outcome.status)
        )

    def _progress(self, call: ToolCall, value: object) -> None:
        """Tell of a call that still runs; a value that is no JSON is dropped, lest it spoil what is told with it."""
        if call.tool_call_id not in self._tools:
            return
        try:
            progress = orjson.loads(orjson.dumps(value))
        except orjson.JSONEncodeError as error:
            log.warning("progress_dropped", tool=call.name, tool_call_id=call.tool_call_id, cause=str(error))
            return
        self._journal.publish(ToolProgress(turn=call.turn, tool_call_id=call.tool_call_id, progress=progress))

    def _stop_tools(self, tool_call_ids: Iterable[str]) -> None:
        for tool_call_id in tool_call_ids:
            task = self._tools.pop(tool_call_id, None)
            if task is not None:
                task.cancel()

    def _arm(self, tool_call_id: str, at: int) -> None:
        self._disarm(tool_call_id)
        seconds = max(0, at - self._clock()) / 1000
        self._expiries[tool_call_id] = asyncio.get_running_loop().call_later(seconds, self._expire, tool_call_id, at)

    def _expire(self, tool_call_id: str, at: int) -> None:
        del self._expiries[tool_call_id]
        now = max(at, self._clock())  # the timer and the clock may disagree by a little
        self._post(Expire(tool_call_id=tool_call_id, now=now))

    def _disarm(self, tool_call_id: str) -> None:
        timer = self._expiries.pop(tool_call_id, None)
        if timer is not None:
            timer.cancel()
