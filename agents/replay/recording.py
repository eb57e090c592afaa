"""Cuts the log of a conversation into what can be put to another agent: rounds with their context, or whole turns.

A round is one answer of the model. Its context is the log as it stood when that call began: a summary, or a message for
later, that came while the model was answering is not in it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from agents.codec import decode
from agents.conversation.history import History
from agents.models.scripted.message_history import plain_text
from agents.replay.said import Said, said_in_round, said_in_turn
from agents.turn import Event, Facts, Logged
from agents.turn.events import AssistantMsg, Block, Delivered, StatePatch, Summary, ToolCall, TurnEnded, UserMsg
from agents.turn.facts import apply
from agents.turn.inputs import ModelRef
from store import Store

MAX_PAGE_EVENTS = 500
MAX_PAGE_BYTES = 1 << 20

REPEATS_A_CALL = frozenset({"context", "context_limit"})
"""Sources of patches after which the model is asked again in the same step: see `left_out.py`, `context_limit.py`."""


@dataclass(frozen=True, slots=True)
class RecordedRound:
    """One answer of the model, and `history`, the log behind which it was asked for; valid until the next round."""

    ref: ModelRef
    history: History
    said: Said

    @property
    def question(self) -> str:
        """What the user wrote in this turn, as far as this call reads it."""
        messages = (event for event in self.history.events if isinstance(event, UserMsg))
        own = (event for event in messages if event.turn == self.ref.turn and event.step <= self.ref.step)
        return "\n\n".join(filter(None, (plain_text([*map(dict, event.content)]) for event in own)))


@dataclass(slots=True)
class RecordedTurn:
    """A turn that people began. `messages` are theirs, in groups that came at once: the first began the turn."""

    turn: int
    messages: Sequence[Sequence[Block]]
    said: Said

    @property
    def question(self) -> str:
        """What the user wrote in it."""
        return "\n\n".join(filter(None, (plain_text([*map(dict, content)]) for content in self.messages)))


async def read_log(store: Store, conversation_id: str) -> AsyncGenerator[Logged, None]:
    """The whole log, oldest first, read page by page, from the archive as well."""
    after = 0
    while records := await store.log.page(
        conversation_id, after=after, limit=MAX_PAGE_EVENTS, max_bytes=MAX_PAGE_BYTES
    ):
        for record in records:
            yield decode(record)
        after = records[-1].seq


async def read_rounds(log: AsyncIterator[Logged], principal: str) -> AsyncGenerator[RecordedRound, None]:
    """The rounds of a log that the model finished, oldest first; by the facts of its history `principal` acts.

    At most the working set of the conversation and one turn are in memory.
    """
    history, waiting = History(Facts()), _Uncut()
    async for entry in log:
        if not waiting.add(entry):
            continue
        began, answer, calls = waiting.cut()
        _extend(history, waiting.entries[:began])
        if answer.status == "completed":
            at = history.logged[-1].at if history.logged else waiting.answered_at
            said = said_in_round(answer, calls, max(waiting.answered_at - at, 0))
            folded = history.facts
            history.facts = replace(folded, principal=principal, speakers=(principal,))
            yield RecordedRound(ModelRef(answer.turn, answer.step), history, said)
            history.facts = folded
        _extend(history, waiting.entries[began:])
        waiting = _Uncut()


async def read_turns(log: AsyncIterator[Logged]) -> AsyncGenerator[RecordedTurn, None]:
    """The turns that people began and that have ended, oldest first."""
    events: dict[int, list[Logged]] = {}
    async for entry in log:
        if isinstance(entry.event, Summary):
            continue
        events.setdefault(entry.event.turn, []).append(entry)
        if isinstance(entry.event, TurnEnded) and (own := events.pop(entry.event.turn, [])):
            messages = _messages_of(own)
            if messages:
                yield RecordedTurn(entry.event.turn, messages, said_in_turn(own))


@dataclass(slots=True)
class _Uncut:
    """What is logged until an answer is there with all the calls that it asks for."""

    entries: list[Logged] = field(default_factory=list)
    position: int = -1
    """Of the answer in `entries`."""
    missing: set[str] = field(default_factory=set)

    def add(self, entry: Logged) -> bool:
        """Whether an answer is complete now."""
        event = entry.event
        self.entries.append(entry)
        if isinstance(event, AssistantMsg):
            self.position = len(self.entries) - 1
            self.missing = {block["tool_call_id"] for block in event.content if block["type"] == "tool_call"}
        elif isinstance(event, ToolCall):
            self.missing.discard(event.tool_call_id)
        elif isinstance(event, TurnEnded):
            self.missing.clear()
        return self.position >= 0 and not self.missing

    @property
    def answered_at(self) -> int:
        return self.entries[self.position].at

    def cut(self) -> tuple[int, AssistantMsg, Sequence[ToolCall]]:
        """How many entries were there when the call of the model began, its answer, and the calls of that."""
        answer = self.entries[self.position].event
        assert isinstance(answer, AssistantMsg)
        began = self.position
        while began > 0 and _came_meanwhile(self.entries[began - 1].event, answer):
            began -= 1
        asked = {block["tool_call_id"] for block in answer.content if block["type"] == "tool_call"}
        later = (entry.event for entry in self.entries[self.position :])
        return began, answer, [call for call in later if isinstance(call, ToolCall) and call.tool_call_id in asked]


def _came_meanwhile(event: Event, answer: AssistantMsg) -> bool:
    """Whether the event may have been logged while the model was giving the answer: none of these makes it ask."""
    match event:
        case Summary() | Delivered():
            return True
        case StatePatch(source=source):
            return source not in REPEATS_A_CALL
        case UserMsg(turn=turn, step=step):
            return turn > answer.turn or (turn == answer.turn and step > answer.step)
    return False


def _messages_of(logged: Sequence[Logged]) -> Sequence[Sequence[Block]]:
    """What people wrote in the turn, merged where one call of the model was the first to read it."""
    steps: dict[int, list[Block]] = {}
    for entry in logged:
        if isinstance(entry.event, UserMsg) and entry.event.origin != "agent":
            steps.setdefault(entry.event.step, []).extend(entry.event.content)
    return [steps[step] for step in sorted(steps)]


def _extend(history: History, logged: Sequence[Logged]) -> None:
    for entry in logged:
        history.extend([entry], apply(history.facts, entry.event, entry.seq))
