"""What a channel tells: messages, edits, deletions, presses of buttons, commands, and chats that come and go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Sender(NamedTuple):
    """Who has written, as the channel knows it; `name` is for people to read."""

    id: str
    name: str
    is_bot: bool = False


class Attachment(NamedTuple):
    """A file that came with a message; `reference` is what the channel fetches it by, `size` is in bytes, if known."""

    reference: str
    name: str
    media_type: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InChat:
    """What every update has: the chat (a private chat, a group, or a topic of a group), and whether it is a group's."""

    chat: str
    is_group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage(InChat):
    """A person has written; `message_id` is unique in its chat, `sent_at` is ms since 1970.

    In a group only what `is_addressed` to the agent is answered; the rest is what was said beside it.
    """

    message_id: str
    sender: Sender
    sent_at: int
    text: str = ""
    attachments: Sequence[Attachment] = ()
    reply_to: str | None = None
    is_addressed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedMessage(NewMessage):
    """A message now reads like this; the newest `edited_at` (ms) counts, in whatever order they come."""

    edited_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedMessage(InChat):
    """A message was taken back."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Press(InChat):
    """A button was pressed below the bubble `message_id`."""

    press_id: str
    sender: Sender
    data: str
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(InChat):
    """A command such as `/new` or `/link 123456`: its name without the stroke, and what follows."""

    message_id: str
    sender: Sender
    name: str
    argument: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatGoes(InChat):
    """The person has blocked the agent, or the group has put it out; with `is_back` the opposite."""

    is_back: bool = False


Update = NewMessage | EditedMessage | DeletedMessage | Press | Command | ChatGoes
