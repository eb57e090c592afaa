"""Takes what a channel tells: durable and unique when `accept` returns; only then is the channel told so."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from agents.clock import now_ms
from deployments.channels.pipeline.inputs import Arrived, Back, Command, Deleted, Edited, Gone, Input, Timing
from deployments.channels.pipeline.record import ChatRecords
from deployments.channels.pipeline.state import ChatState, File, Message
from deployments.channels.updates import ChatGoes, DeletedMessage, EditedMessage, NewMessage, Update
from deployments.channels.updates import Command as ChatCommand

OLD_EDIT_MS = 2 * 86_400_000
"""An edit of a message that is older, and is not known, is no new message: it was answered long ago."""


class Acceptance:
    """One per process. `timings` is how the answers of each channel are timed."""

    def __init__(self, records: ChatRecords, timings: Mapping[str, Timing], clock: Callable[[], int] = now_ms) -> None:
        self._records = records
        self._timings = timings
        self._clock = clock

    async def accept(self, channel: str, updates: Sequence[Update]) -> None:
        """However often an update comes, it counts once. Raises StoreUnavailable: then it is to be sent again.

        Commands and presses are answered at once and elsewhere: here they are passed over.
        """
        taken = [one for one in updates if isinstance(one, NewMessage | DeletedMessage | ChatGoes)]
        by_chat = sorted(taken, key=lambda one: one.chat)  # it keeps the order within a chat
        for chat, together in groupby(by_chat, key=lambda one: one.chat):
            await self._accept(channel, chat, list(together))

    async def _accept(self, channel: str, chat: str, updates: Sequence[NewMessage | DeletedMessage | ChatGoes]) -> None:
        timing = self._timings.get(channel, Timing())
        names = [name for update in updates for name in _names(update)]

        def decide(state: ChatState, seen: frozenset[str]) -> tuple[ChatState, Sequence[Command]]:
            known, events = set(seen), list[Input]()
            for update in updates:
                events += self._events(update, known)
                known.update(_names(update))
            if any(update.is_group for update in updates) and not state.is_group:
                state = state.model_copy(update={"is_group": True})
            return self._records.follow(state, timing, events)

        await self._records.change(channel, chat, decide, list(dict.fromkeys(names)))

    def _events(self, update: Update, known: set[str]) -> list[Input]:
        match update:
            case EditedMessage():
                own, edit = _names(update)
                if edit in known:
                    return []
                if own in known:
                    return [Edited(self._message(update))]
                is_old = update.sent_at < self._clock() - OLD_EDIT_MS
                return [] if is_old else [Arrived(self._message(update))]
            case NewMessage():
                return [] if known.issuperset(_names(update)) else [Arrived(self._message(update))]
            case DeletedMessage():
                return [Deleted(update.message_id)]
            case ChatGoes():
                return [Back() if update.is_back else Gone()]
        return []

    def _message(self, update: NewMessage) -> Message:
        return Message(
            id=update.message_id,
            sender=update.sender.id,
            sender_name=update.sender.name,
            sent_at=update.sent_at,
            accepted_at=self._clock(),
            text=update.text,
            files=tuple(
                File(reference=one.reference, name=one.name, media_type=one.media_type, size=one.size)
                for one in update.attachments
            ),
            reply_to=update.reply_to,
            edited_at=update.edited_at if isinstance(update, EditedMessage) else 0,
            is_addressed=update.is_addressed,
        )


def _names(update: NewMessage | DeletedMessage | ChatGoes | ChatCommand) -> list[str]:
    """What the chat knows the update by: the message's own, also of one that was deleted before it came."""
    match update:
        case EditedMessage():
            return [f"message:{update.message_id}", f"edit:{update.message_id}:{update.edited_at}"]
        case NewMessage() | DeletedMessage():
            return [f"message:{update.message_id}"]
    return []
