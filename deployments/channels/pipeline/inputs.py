"""What may happen to a chat, and what is to be done about it: values that the rules take and give."""

from dataclasses import dataclass

from deployments.channels.pipeline.state import Chain, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, but for the last: `quiet` after each message, at most `cap` in all, then `read_delay`.

    With `characters_a_second` the time that a person would need to read the messages comes on top, up to an hour.
    """

    quiet: float = 5.0
    cap: float = 30.0
    read_delay: float = 0.0
    characters_a_second: float | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that was not known."""

    message: Message


@dataclass(frozen=True, slots=True)
class Edited:
    """A message that is known reads like this now."""

    message: Message


@dataclass(frozen=True, slots=True)
class Deleted:
    """A message was taken back."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A person wants what goes on to end, and said so `at` (ms): a chain that began later goes on."""

    at: int


@dataclass(frozen=True, slots=True)
class Gone:
    """The chat is closed."""


@dataclass(frozen=True, slots=True)
class Back:
    """The chat is open again."""


@dataclass(frozen=True, slots=True)
class FlushDue:
    """The job of the stage runs."""

    chain: int


@dataclass(frozen=True, slots=True)
class ReadDue:
    """The job of the stage runs."""

    chain: int


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The chain's message is in the log of a conversation, as this turn."""

    chain: int
    conversation: str
    turn: int


@dataclass(frozen=True, slots=True)
class TurnCancelled:
    """The turn of a chain that was cancelled is over, or was never begun."""

    chain: int


@dataclass(frozen=True, slots=True)
class CallApproved:
    """A call of the chain's turn was approved."""

    chain: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The chain's turn has ended, with something to send or not."""

    chain: int
    has_answer: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """What the chain has delivered is in the log."""

    chain: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A stage of the chain will not be tried again."""

    chain: int
    error: str


Input = (
    Arrived
    | Edited
    | Deleted
    | Stopped
    | Gone
    | Back
    | FlushDue
    | ReadDue
    | TurnStarted
    | TurnCancelled
    | CallApproved
    | Answered
    | Sent
    | Failed
)


@dataclass(frozen=True, slots=True)
class RunStage:
    """Have the job of the chain's stage run when it is due; the same again is the same job."""

    chain: Chain


@dataclass(frozen=True, slots=True)
class CancelTurn:
    """End the turn of a chain that is over."""

    chain: Chain


Command = RunStage | CancelTurn
