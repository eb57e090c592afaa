"""People drop a turn: the model is not shown it any more. It is an event, never an edit, and can be taken back."""

from dataclasses import dataclass, replace

from agents.conversation.history import History
from agents.conversation.left_out import LeftOut
from agents.errors import Refused
from agents.turn.inputs import Patched


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTurn:
    """Leave the turn out of what the model is shown, or with `restore` show it again.

    It travels as a resolution does. To say it twice changes nothing.
    """

    turn: int
    principal: str | None = None
    restore: bool = False


def decide_drop(drop: DropTurn, history: History) -> Patched | None:
    """What makes it last; None if it is so already. Raises `Refused`."""
    facts, turn = history.facts, drop.turn
    left_out = LeftOut.of(facts.state)
    if not 1 <= turn <= facts.turn:
        raise Refused("unknown_turn", f"There is no turn {turn}.")
    if facts.running and turn == facts.turn:
        raise Refused("turn_running", "The turn is running; cancel it, or wait for its end.")
    if (turn in left_out.turns) is not drop.restore:
        return None
    if turn < left_out.first_turn or (history.summary is not None and turn <= history.summary.through_turn):
        raise Refused("turn_summarised", "The model is not shown this turn by itself any more, but a summary at most.")
    if drop.restore:
        changed = replace(left_out, turns=left_out.turns - {turn}, dropped=left_out.dropped - {turn})
    else:
        changed = replace(left_out, turns=left_out.turns | {turn}, dropped=left_out.dropped | {turn})
    patch = changed.patch()
    named = replace(patch, changes={"dropped": None, **patch.changes})  # None takes back what was dropped before
    return Patched(patch=named, principal=drop.principal)
