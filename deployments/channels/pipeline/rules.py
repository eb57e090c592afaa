"""The rules of a chat: what follows from what happens; stages.py has them as a table.

`step` is pure: the time arrives as an argument. What it returns is written down first, then carried out; a command is
given again by `unfinished`, so a process that dies in between loses nothing.
"""

from collections.abc import Sequence
from typing import Final

from deployments.channels.pipeline.inputs import (
    Answered,
    Arrived,
    Back,
    CallApproved,
    CancelTurn,
    Command,
    Deleted,
    Edited,
    Failed,
    FlushDue,
    Gone,
    Input,
    ReadDue,
    RunStage,
    Sent,
    Stopped,
    Timing,
    TurnCancelled,
    TurnStarted,
)
from deployments.channels.pipeline.state import Chain, ChatState, Failure, Message, Outcome, Stage, in_order

MAX_READ_SECONDS: Final = 3_600.0
MAX_CANCELLED: Final = 5
"""After so many chains in a row that were cancelled by new messages, the next one is let through to its answer."""
MAX_OVERHEARD: Final = 50
"""So many messages of a group that are not for the agent wait for one that is."""
AGAIN_MS: Final = 1_000
"""How soon a flush looks again whether the chain before has recorded what it delivered."""
MAX_ERROR: Final = 500

Result = tuple[ChatState, tuple[Command, ...]]


def step(state: ChatState, event: Input, now: int, timing: Timing) -> Result:
    """What follows; `now` is ms since 1970. What tells of a chain that is over changes nothing of the present one."""
    match event:
        case Arrived(message):
            return _arrive(state, message, now, timing)
        case Edited(message):
            return _edit(state, message, now, timing)
        case Deleted(message_id):
            return _delete(state, message_id, now, timing)
        case Stopped(at):
            if state.chain is None or state.chain.began_at > at:
                return state, ()
            waiting = state.queue if state.chain.stage == "flush" else ()
            stopped = _settle(state.model_copy(update={"queue": state.queue[len(waiting) :]}), waiting, "cancelled")
            return _abandon(stopped, now, timing, "cancelled")
        case Gone():
            gone = _settle(state.model_copy(update={"is_gone": True, "queue": ()}), state.queue, "chat_gone")
            return _abandon(gone, now, timing, "chat_gone") if gone.chain else (gone, ())
        case Back():
            return state.model_copy(update={"is_gone": False}), ()
        case Sent(number) | TurnCancelled(number) | Failed(number, _) if any(
            chain.id == number for chain in state.ending
        ):
            return _forget(state, number), ()
    if state.chain is None or state.chain.id != event.chain:  # of a chain that is over
        return state, ()
    return _advance(state, state.chain, event, now, timing)


def unfinished(state: ChatState) -> tuple[Command, ...]:
    """What the state waits for, to be carried out once more: after a crash it may not have been."""
    current = (RunStage(state.chain),) if state.chain else ()
    return (*map(_ending, state.ending), *current)


def _advance(state: ChatState, chain: Chain, event: Input, now: int, timing: Timing) -> Result:
    match chain.stage, event:
        case "flush", FlushDue():
            return _flush(state, chain, now, timing)
        case "read", ReadDue():
            return _again(state, chain, chain.due_at) if now < chain.due_at else _enter(state, chain, "generate", now)
        case "generate", TurnStarted(conversation=conversation, turn=turn):
            begun = chain.model_copy(update={"conversation": conversation, "turn": turn})
            return state.model_copy(update={"chain": begun, "conversation": conversation}), ()
        case "generate", CallApproved():
            return state.model_copy(update={"chain": chain.model_copy(update={"is_protected": True})}), ()
        case "generate", Answered(has_answer=True):
            return _enter(state, chain.model_copy(update={"is_protected": False}), "send", now)
        case ("generate", Answered()) | ("send", Sent()):
            return _end(state.model_copy(update={"cancelled": 0}), now, timing, "answered")
        case _, Failed(error=error):
            return _fail(state, chain, error, now, timing)
    return state, ()


def _flush(state: ChatState, chain: Chain, now: int, timing: Timing) -> Result:
    if now < chain.due_at:
        return _again(state, chain, chain.due_at)
    if state.ending:
        return _again(state, chain, now + AGAIN_MS)
    messages = in_order(state.queue)
    delay = round(1000 * _reading_seconds(messages, timing))
    flushed = state.model_copy(update={"queue": ()})
    return _enter(flushed, chain.model_copy(update={"messages": messages}), "read", now, delay)


def _fail(state: ChatState, chain: Chain, error: str, now: int, timing: Timing) -> Result:
    failure = Failure(at=now, stage=chain.stage, error=error[:MAX_ERROR])
    failed = state.model_copy(update={"last_failure": failure})
    if chain.stage == "flush":  # what it would have drained has failed with it, or it would fail for ever
        failed = _settle(failed.model_copy(update={"queue": ()}), failed.queue, "failed")
    return _end(failed, now, timing, "failed")


def _arrive(state: ChatState, message: Message, now: int, timing: Timing) -> Result:
    state = state.model_copy(update={"accepted": state.accepted + 1, "is_gone": False})
    state = state.model_copy(update={"queue": (*state.queue, message)})
    if not message.is_addressed:
        return _overhear(state), ()
    chain = state.chain
    if chain is None:
        return _begin(state, now, timing)
    if chain.stage == "flush":
        later = chain.model_copy(update={"last_at": now, "due_at": _due_at(chain.began_at, now, timing)})
        return state.model_copy(update={"chain": later}), (RunStage(later),)
    return _interrupt(state, chain, now, timing)


def _edit(state: ChatState, message: Message, now: int, timing: Timing) -> Result:
    if any(_replaces(message, known) for known in state.queue):
        return state.model_copy(update={"queue": _replaced(state.queue, message)}), ()
    chain = state.chain
    if chain is None or chain.stage == "send" or not any(_replaces(message, known) for known in chain.messages):
        return state, ()
    if not _may_interrupt(state, chain):
        return state, ()
    changed = chain.model_copy(update={"messages": _replaced(chain.messages, message)})
    return _interrupt(state.model_copy(update={"chain": changed}), changed, now, timing)


def _delete(state: ChatState, message_id: str, now: int, timing: Timing) -> Result:
    taken = [message for message in state.queue if message.id == message_id]
    if taken:
        rest = tuple(message for message in state.queue if message.id != message_id)
        state = _settle(state.model_copy(update={"queue": rest}), taken, "withdrawn")
        is_over = state.chain is not None and state.chain.stage == "flush" and not _wants_answer(state)
        return (state.model_copy(update={"chain": None}) if is_over else state), ()
    chain = state.chain
    taken = [message for message in chain.messages if message.id == message_id] if chain else []
    if chain is None or not taken or chain.stage == "send" or chain.is_protected:
        return state, ()
    rest = tuple(message for message in chain.messages if message.id != message_id)
    state = _settle(state, taken, "withdrawn")
    return _carry(state, chain.model_copy(update={"messages": rest}), now, timing)


def _may_interrupt(state: ChatState, chain: Chain) -> bool:
    return not chain.is_protected and state.cancelled < MAX_CANCELLED


def _interrupt(state: ChatState, chain: Chain, now: int, timing: Timing) -> Result:
    """A new message cancels the chain, unless that would undo what was approved, or goes on for ever."""
    if not _may_interrupt(state, chain):
        return state, ()
    state = state.model_copy(update={"cancelled": state.cancelled + 1})
    if chain.stage != "send":
        return _carry(state, chain, now, timing)
    # The log has these messages and their answer: what was delivered of it is recorded, and nothing is asked again.
    return _leave(_settle(state, chain.messages, "answered"), chain, now, timing)


def _carry(state: ChatState, chain: Chain, now: int, timing: Timing) -> Result:
    """End the chain, and have the next one begin with what it had drained."""
    earlier = tuple(message.model_copy(update={"is_earlier": True}) for message in chain.messages)
    update = {"queue": (*earlier, *state.queue), "carried": state.carried + len(earlier)}
    return _leave(state.model_copy(update=update), chain, now, timing)


def _abandon(state: ChatState, now: int, timing: Timing, outcome: Outcome) -> Result:
    """End the chain with its messages."""
    assert state.chain is not None
    return _leave(_settle(state, state.chain.messages, outcome), state.chain, now, timing)


def _leave(state: ChatState, chain: Chain, now: int, timing: Timing) -> Result:
    """The chain is cancelled: the next may begin, and answers when this one's turn, or sending, has come to its end."""
    state = state.model_copy(update={"chain": None, "cancelled_in_all": state.cancelled_in_all + 1})
    if chain.stage not in {"generate", "send"}:
        return _begin(state, now, timing)
    # In the stage `generate` its message may be in the log already, though it was not yet heard as which turn.
    ending = chain.model_copy(update={"messages": ()})
    begun, commands = _begin(state.model_copy(update={"ending": (*state.ending, ending)}), now, timing)
    return begun, (_ending(ending), *commands)


def _ending(chain: Chain) -> Command:
    return RunStage(chain) if chain.stage == "send" else CancelTurn(chain)


def _end(state: ChatState, now: int, timing: Timing, outcome: Outcome) -> Result:
    assert state.chain is not None
    return _begin(_settle(state, state.chain.messages, outcome).model_copy(update={"chain": None}), now, timing)


def _begin(state: ChatState, now: int, timing: Timing) -> Result:
    """Begin a chain if something waits for an answer."""
    if not _wants_answer(state):
        return state, ()
    number, due_at = state.chains + 1, _due_at(now, now, timing)
    chain = Chain(id=number, began_at=now, last_at=now, stage_at=now, due_at=due_at)
    return state.model_copy(update={"chain": chain, "chains": number}), (RunStage(chain),)


def _enter(state: ChatState, chain: Chain, stage: Stage, now: int, delay_ms: int = 0) -> Result:
    entered = chain.model_copy(update={"stage": stage, "job": 1, "stage_at": now, "due_at": now + delay_ms})
    return state.model_copy(update={"chain": entered}), (RunStage(entered),)


def _again(state: ChatState, chain: Chain, at: int) -> Result:
    """The job has come too early: another one of the same stage."""
    waiting = chain.model_copy(update={"job": chain.job + 1, "due_at": at})
    return state.model_copy(update={"chain": waiting}), (RunStage(waiting),)


def _overhear(state: ChatState) -> ChatState:
    beside = [message for message in state.queue if not message.is_addressed]
    excess = beside[: max(0, len(beside) - MAX_OVERHEARD)]
    kept = tuple(message for message in state.queue if message not in excess)
    return _settle(state.model_copy(update={"queue": kept}), excess, "overheard")


def _wants_answer(state: ChatState) -> bool:
    return any(message.is_addressed for message in state.queue)


def _forget(state: ChatState, number: int) -> ChatState:
    return state.model_copy(update={"ending": tuple(chain for chain in state.ending if chain.id != number)})


def _settle(state: ChatState, messages: Sequence[Message], outcome: Outcome) -> ChatState:
    if not messages:
        return state
    known = state.outcomes.get(outcome, 0)
    return state.model_copy(update={"outcomes": {**state.outcomes, outcome: known + len(messages)}})


def _replaces(message: Message, known: Message) -> bool:
    return known.id == message.id and message.edited_at > known.edited_at


def _replaced(messages: Sequence[Message], edited: Message) -> tuple[Message, ...]:
    kept = {"text": edited.text, "files": edited.files, "edited_at": edited.edited_at}
    return tuple(known.model_copy(update=kept) if _replaces(edited, known) else known for known in messages)


def _due_at(began_at: int, last_at: int, timing: Timing) -> int:
    return round(min(last_at + 1000 * timing.quiet, began_at + 1000 * max(timing.cap, 0)))


def _reading_seconds(messages: Sequence[Message], timing: Timing) -> float:
    characters = sum(len(message.text) for message in messages)
    reading = characters / timing.characters_a_second if timing.characters_a_second else 0.0
    return min(timing.read_delay + reading, MAX_READ_SECONDS)
