"""What is known of a chat: messages that wait, the chain that answers, and chains that are yet to end; as JSON."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Stage = Literal["flush", "read", "generate", "send"]
Outcome = Literal["answered", "withdrawn", "cancelled", "failed", "overheard", "chat_gone"]
"""What became of a message; `overheard`: said in a group beside the agent, and too much of it to keep."""


class Value(BaseModel):
    """Frozen; a field that earlier code does not know is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class File(Value):
    """An attachment as the channel names it."""

    reference: str
    name: str
    media_type: str
    size: int | None = None


class Message(Value):
    """A message that was accepted; times are ms since 1970. `is_earlier`: a chain that was cancelled had it already."""

    id: str
    sender: str
    sender_name: str
    sent_at: int
    accepted_at: int
    text: str = ""
    files: tuple[File, ...] = ()
    reply_to: str | None = None
    edited_at: int = 0
    is_addressed: bool = True
    is_earlier: bool = False


class Chain(Value):
    """One run of the stages. `job` numbers the jobs of the stage that it is in, from 1; `due_at` is when that runs.

    `last_at` is when the newest message came, `stage_at` when the stage began. `is_protected`: an approved call is
    under way, which a new message does not undo.
    """

    id: int
    began_at: int
    last_at: int
    stage_at: int
    due_at: int
    stage: Stage = "flush"
    job: int = 1
    messages: tuple[Message, ...] = ()
    conversation: str | None = None
    turn: int | None = None
    is_protected: bool = False


class Failure(Value):
    """Why a chain has failed, and when (ms)."""

    at: int
    stage: Stage
    error: str


class ChatState(Value):
    """`accepted` messages are as many as those in `queue`, in `chain`, and in `outcomes` together, always.

    `ending` are chains that were cancelled: their turn is yet to be ended, or what they delivered to be recorded.
    `cancelled` counts the chains that were cancelled in a row.
    """

    conversation: str | None = None
    is_group: bool = False
    queue: tuple[Message, ...] = ()
    chain: Chain | None = None
    ending: tuple[Chain, ...] = ()
    chains: int = 0
    cancelled: int = 0
    cancelled_in_all: int = 0
    carried: int = 0
    accepted: int = 0
    outcomes: dict[Outcome, Annotated[int, Field(ge=0)]] = {}
    is_gone: bool = False
    last_failure: Failure | None = None

    @property
    def without_outcome(self) -> int:
        """Accepted messages that neither wait, nor are being answered, nor have come to anything: 0."""
        held = len(self.queue) + (len(self.chain.messages) if self.chain else 0)
        return self.accepted - held - sum(self.outcomes.values())

    def encode(self) -> bytes:
        """As the store keeps it."""
        return self.model_dump_json(exclude_defaults=True).encode()


def decode_state(encoded: bytes) -> ChatState:
    """The state of a record; of one that is yet to be made, the first."""
    return ChatState.model_validate_json(encoded) if encoded else ChatState()


def job_id_of(chat_id: str, chain: Chain) -> str:
    """The job of the stage that the chain is in: named once and for all, so that a repeat is the same job."""
    return f"{chat_id}-{chain.id}-{chain.stage}-{chain.job}"


def client_id_of(chat_id: str, chain: Chain) -> str:
    """Under this the conversation knows the chain's message, and what was delivered of its answer."""
    return f"{chat_id}-{chain.id}"


def in_order(messages: Sequence[Message]) -> tuple[Message, ...]:
    """As people have sent them, in whatever order they came."""
    return tuple(sorted(messages, key=lambda message: (message.sent_at, message.accepted_at)))
