"""What a channel is: it translates in (verified, to updates) and out (from bubbles), and says what it can do."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from deployments.channels.errors import Unsupported
from deployments.channels.updates import Attachment, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How much a channel takes: in all and for each chat a second, and for each group a minute. None: no bound."""

    in_all: float | None = None
    per_chat: float | None = None
    per_group_minute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a channel can do beside taking text and sending it.

    With `guids` the recipient drops a bubble whose guid it has already: then none comes twice, whatever dies.
    `max_characters` is the longest bubble, as `Channel.length` counts. `attachments` are the media types that it takes
    in, such as `image/*`, of at most `max_attachment_bytes` each; with `files` it sends some.
    """

    typing: bool = False
    read_marks: bool = False
    edits: bool = False
    buttons: bool = False
    guids: bool = False
    files: bool = False
    max_characters: int = 4096
    attachments: Sequence[str] = ()
    max_attachment_bytes: int = 20 * 2**20
    rates: Rates = field(default_factory=Rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Debounce:
    """How long after a message (seconds) the answer begins: each further message begins it anew, up to `cap` in all."""

    quiet: float = 5.0
    cap: float = 30.0


class Button(NamedTuple):
    """What a person may press below a bubble; `data`, of at most 64 bytes, comes back with the press."""

    label: str
    data: str


class OutgoingFile(NamedTuple):
    """A file to send."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One message to a chat. `guid` is fixed before the first try, and the same in each."""

    guid: str
    text: str
    buttons: Sequence[Sequence[Button]] = ()
    file: OutgoingFile | None = None
    reply_to: str | None = None


class WebhookRequest(NamedTuple):
    """What a channel's server has sent to `/v1/channels/{name}`; header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes


class Channel(ABC):
    """One per process and channel.

    What sends raises TryLater (the channel says when), ChatGone (the chat is closed to it), BubbleRefused (this bubble
    is never taken). Any other error leaves open whether it was sent: it is sent again, with the same guid.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    debounce: ClassVar[Debounce] = Debounce()

    @abstractmethod
    async def receive(self, request: WebhookRequest) -> Sequence[Update]:
        """What the request tells, once it is proven genuine. Raises NotGenuine, NotUnderstood."""

    @abstractmethod
    async def send(self, chat: str, bubble: Bubble) -> str:
        """Send one bubble; the channel's id of it."""

    async def edit(self, chat: str, message_id: str, bubble: Bubble) -> None:
        """Make a bubble that was sent read like this; one that reads so already stays."""
        raise Unsupported(self.name, "edits")

    async def show_typing(self, chat: str) -> None:
        """Show for some seconds that an answer is being written; shown again while it is, and never after."""
        raise Unsupported(self.name, "typing")

    async def mark_read(self, chat: str, message_id: str) -> None:
        """Show that messages up to this one have been read."""
        raise Unsupported(self.name, "read marks")

    async def answer_press(self, press_id: str, text: str) -> None:
        """Tell the person who pressed a button what came of it."""
        raise Unsupported(self.name, "buttons")

    def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """The content of an attachment, in pieces."""
        raise Unsupported(self.name, "attachments")

    def length(self, text: str) -> int:
        """How long a text is, as the channel counts."""
        return len(text)

    async def close(self) -> None:  # noqa: B027  # most channels hold nothing
        """Give back what it holds."""
