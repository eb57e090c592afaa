"""What must be true of any log that any test leaves behind: pure checks over canonical events."""

from collections.abc import Sequence

from agents.turn import Event, Facts, Logged, fold
from agents.turn.events import (
    Delivered,
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
)


def check_log(log: Sequence[Logged]) -> Facts:
    """Assert every law that a log keeps, also in mid-turn; return its fold."""
    events = [logged.event for logged in log]
    assert [logged.seq for logged in log] == list(range(1, len(log) + 1)), "seq counts from 1 without gaps"
    check_turns(events)
    open_calls = check_calls(events)
    facts = fold(log)
    assert facts.last_seq == len(log)
    assert set(facts.calls) == open_calls, "the fold knows exactly the calls without a result"
    assert facts.running or not open_calls, "a call is open, but no turn runs"
    return facts


def check_at_rest(log: Sequence[Logged]) -> Facts:
    """Like `check_log`, and nothing is left undone: every turn has its end, every call its result."""
    facts = check_log(log)
    assert not facts.running, f"turn {facts.turn} has no end"
    assert not facts.queued, "a message waits behind no turn"
    return facts


def check_turns(events: Sequence[Event]) -> None:
    """Turns follow one another, each begun by a message and ended once; only the newest may lack its end."""
    current, ended, messages = 0, True, {0}
    for event in events:
        if isinstance(event, UserMsg):
            if ended:
                current, ended = current + 1, False
            newest = max(*messages, current)
            assert event.turn in (current, newest, newest + 1), f"{event} belongs to no turn at hand"
            messages.add(event.turn)
            continue
        if isinstance(event, StatePatch | Summary | Delivered):  # these may be written at any time
            assert event.turn == current, f"{event} stands in turn {current}"
            continue
        assert not ended, f"{event} stands behind the end of turn {current}"
        assert event.turn == current, f"{event} stands in turn {current}"
        if isinstance(event, TurnEnded):
            ended = current + 1 not in messages
            current = current if ended else current + 1
    assert messages >= set(range(1, current + 1)), "a turn without a message"


def check_speakers(log: Sequence[Logged]) -> None:
    """A turn has the messages of one principal: its tools act with that one's rights. Older logs may have others."""
    by_turn: dict[int, str | None] = {}
    for message in (logged.event for logged in log if isinstance(logged.event, UserMsg)):
        first = by_turn.setdefault(message.turn, message.principal)
        assert message.principal == first, f"{message} is in a turn of {first}"


def check_calls(events: Sequence[Event]) -> set[str]:
    """Each call is logged once, waits and is answered in order, and gets one result; return the open ones."""
    seen: set[str] = set()
    calls: set[str] = set()
    waiting: set[str] = set()
    for event in events:
        match event:
            case ToolCall(tool_call_id=key):
                assert key not in seen, f"{key} is called twice"
                seen.add(key)
                calls.add(key)
            case Suspension(tool_call_id=key):
                assert key in calls, f"{key} is suspended, but not open"
                assert key not in waiting, f"{key} is suspended twice at once"
                waiting.add(key)
            case Resolution(tool_call_id=key):
                assert key in waiting, f"{key} is resolved, but does not wait"
                waiting.remove(key)
            case ToolResult(tool_call_id=key):
                assert key in calls, f"{key} has a second result, or none was asked for"
                calls.remove(key)
                waiting.discard(key)
            case TurnEnded():
                assert not calls, f"turn {event.turn} ended without a result of {sorted(calls)}"
    return calls
