"""Changes the record of a chat by the rules: read, decide, written if nothing else came first, then carried out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from agents.clock import now_ms
from deployments.channels.pipeline.inputs import Command, Input, Timing
from deployments.channels.pipeline.rules import step, unfinished
from deployments.channels.pipeline.state import ChatState, decode_state
from store import Store, StoreUnavailable
from store.registries.chats import ChatRecord

MAX_TRIES = 50
"""How often a change is made anew because another one came first."""

Decide = Callable[[ChatState, frozenset[str]], tuple[ChatState, Sequence[Command]]]


class CarryOut(Protocol):
    """Does what was decided of a chat; each command again changes nothing."""

    def __call__(self, chat: ChatRecord, command: Command) -> Awaitable[None]: ...


class ChatRecords:
    """One per process. Every call may raise StoreUnavailable, and what carrying out raises: then it is to be repeated.

    Once more, it changes nothing, and carries out again what is unfinished.
    """

    def __init__(self, store: Store, carry_out: CarryOut, clock: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._carry_out = carry_out
        self._clock = clock

    async def tell(self, record: ChatRecord, timing: Timing, *events: Input) -> ChatState:
        """What has happened to a chat that is known; its state afterwards."""
        return await self.change(record.channel, record.chat, lambda state, _: self.follow(state, timing, events))

    def follow(self, state: ChatState, timing: Timing, events: Sequence[Input]) -> tuple[ChatState, list[Command]]:
        """By the rules, one after the other."""
        commands: list[Command] = []
        for event in events:
            state, following = step(state, event, self._clock(), timing)
            commands += following
        return state, commands

    async def change(self, channel: str, chat: str, decide: Decide, updates: Sequence[str] = ()) -> ChatState:
        """Decide with the state and with which of the updates are known, and have the others known with it."""
        for _ in range(MAX_TRIES):
            record, seen = await self._store.chats.read(channel, chat, updates)
            known = decode_state(record.state)
            state, commands = decide(known, seen)
            new = [update for update in updates if update not in seen]
            if state == known and not new:
                commands = unfinished(state)  # it may be a repeat, after a crash before they were carried out
            elif not await self._store.chats.commit(record, state.encode(), self._clock(), new):
                continue
            for command in commands:
                await self._carry_out(record, command)
            return state
        raise StoreUnavailable("other changes of the chat came first, again and again")
