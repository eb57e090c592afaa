"""Runs the recorded turns of a conversation anew, as a conversation of its own: its own answers are its context.

The conversation is in a store apart from the service's (see `store/apart.py`), so no list, sweep or feed knows it. A
process that dies leaves it there, and the same run goes on from its log.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace

from agents.context import AgentContext
from agents.conversation.conversation import Conversation
from agents.errors import Refused, TurnError
from agents.local import LocalConversations
from agents.replay.recording import RecordedTurn, read_log
from agents.replay.said import Said, said_in_turn
from agents.turn import Logged
from agents.turn.events import Block
from agents.turn.inputs import UserMessage
from store import Store

NOT_REACHED = "not_reached"
"""The reason of the turns behind one that has stopped the run."""

ENDS_RUN = frozenset({"stopped", "waiting"})


class FreeRun:
    """Talks to the conversation `replay_id` of `agent` for `principal`, in `conversations`, whose store is `store`."""

    def __init__(
        self, conversations: LocalConversations, store: Store, *, replay_id: str, agent: str, principal: str
    ) -> None:
        self._conversations = conversations
        self._store = store
        self._id = replay_id
        self._agent = agent
        self._principal = principal

    async def run(
        self, recorded: AsyncIterator[RecordedTurn], context: AgentContext
    ) -> AsyncGenerator[tuple[RecordedTurn, Said], None]:
        """Each recorded turn with what was said in its place; after one that stops the run, none is tried."""
        conversation = await self._conversations.open(self._id, agent=self._agent, principal=self._principal)
        is_over = False
        async for turn in recorded:
            if is_over:
                yield turn, Said(ending="stopped", reason=NOT_REACHED, model_calls=0)
                continue
            said = await self._take_turn(conversation, turn, context)
            is_over = said.ending in ENDS_RUN
            yield turn, said

    async def _take_turn(self, conversation: Conversation, recorded: RecordedTurn, context: AgentContext) -> Said:
        turns: list[int] = []
        is_waiting = False
        for number, content in enumerate(recorded.messages):
            try:
                receipt = await conversation.send(self._message(recorded.turn, number, content), context)
            except Refused as refused:
                return Said(ending="failed", reason=refused.code, detail=refused.detail, model_calls=0)
            turns.append(receipt.turn)
            is_waiting = await _is_left_waiting(conversation, receipt.turn)
            if is_waiting:
                break
        said = said_in_turn(await self._read(conversation, turns), is_waiting=is_waiting)
        if said.ending == "waiting":
            prompts = (str(call["prompt"]) for call in conversation.inspect().pending.values())
            return replace(said, detail="; ".join(prompts))
        return said

    def _message(self, turn: int, number: int, content: Sequence[Block]) -> UserMessage:
        return UserMessage(
            content=content,
            on_busy="queue",
            client_id=f"replay-{turn}-{number}",
            principal=self._principal,
            origin="batch",
        )

    async def _read(self, conversation: Conversation, turns: Sequence[int]) -> Sequence[Logged]:
        known = [entry for entry in conversation.history.logged if entry.event.turn in turns]
        if known:
            return known
        return [entry async for entry in read_log(self._store, self._id) if entry.event.turn in turns]


async def _is_left_waiting(conversation: Conversation, turn: int) -> bool:
    """Wait for the turn's end, or until it waits for the outside; whether it does."""
    try:
        return bool((await conversation.answer(turn)).pending)
    except TurnError:
        return False
