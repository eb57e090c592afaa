"""How a row has ended: from what the feed tells of its turn, or from the log of its conversation."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agents.answer import answer_text
from agents.codec import decode
from agents.turn.events import AssistantMsg, Event, TurnEnded
from store import Store
from store.registries.batches import RowNote

PASSING: Final = frozenset({"rate_limited", "overloaded", "unavailable"})
"""Why a turn fails when there is too much for the provider: the row is begun anew, with fewer beside it."""
MAX_ROUNDS: Final = 5
"""After so many of them a row has failed."""
FIRST_TURN: Final = 1
"""A row is the first turn of its conversation; what people say there later is theirs."""
MAX_REASON_CHARS: Final = 300
LOG_PAGE: Final = 500


def note_of(
    row: int, number: int, outcome: str, reason: str | None, usage: Mapping[str, int] | None, cost: int | None
) -> RowNote:
    """What is noted of a row whose turn has ended in round `number`."""
    spent = (count_input(usage or {}), (usage or {}).get("output_tokens", 0), cost or 0)
    if outcome == "completed":
        return RowNote(row, number, "succeeded", "", *spent)
    if reason in PASSING and number + 1 < MAX_ROUNDS:
        return RowNote(row, number, "again", reason or "", *spent)
    return RowNote(row, number, "failed", (reason or outcome)[:MAX_REASON_CHARS], *spent)


def count_input(usage: Mapping[str, int]) -> int:
    """All tokens that a model has read."""
    return sum(count for kind, count in usage.items() if kind != "output_tokens" and kind.endswith("input_tokens"))


async def read_turn(store: Store, conversation: str) -> list[Event]:
    """The events of a row's turn, oldest first; none if it has not begun. Raises ConversationNotFound."""
    found: list[Event] = []
    after = 0
    while True:
        records = await store.log.read(conversation, after=after, limit=LOG_PAGE)
        logged = [decode(record) for record in records]
        found += [one.event for one in logged if one.event.turn == FIRST_TURN]
        if len(records) < LOG_PAGE or any(isinstance(event, TurnEnded) for event in found):
            return found
        after = records[-1].seq


def note_of_turn(row: int, number: int, events: Sequence[Event]) -> RowNote | None:
    """The same from the log; None while the turn goes on."""
    ended = next((event for event in events if isinstance(event, TurnEnded)), None)
    if ended is None:
        return None
    usage, cost = spent_in(events)
    return note_of(row, number, ended.outcome, ended.reason, usage, cost)


def spent_in(events: Sequence[Event]) -> tuple[dict[str, int], int | None]:
    """The tokens by kind, and the cost in millionths of a US dollar; None when the model has no price."""
    messages = [event for event in events if isinstance(event, AssistantMsg)]
    kinds = dict.fromkeys(kind for message in messages for kind in message.usage)
    costs = [message.cost for message in messages if message.cost is not None]
    usage = {kind: sum(message.usage.get(kind, 0) for message in messages) for kind in kinds}
    return usage, sum(costs) if costs else None


def result_of_turn(events: Sequence[Event]) -> dict[str, Any]:
    """What a result says of the turn: its answer, output, tokens and cost, and why it failed."""
    ended = next((event for event in events if isinstance(event, TurnEnded)), None)
    usage, cost = spent_in(events)
    messages = [event for event in events if isinstance(event, AssistantMsg)]
    failed = ended is None or ended.outcome != "completed"
    return {
        "status": "not_finished" if ended is None else "failed" if failed else "succeeded",
        "answer": answer_text(events[::-1]),
        "output": messages[-1].output if messages else None,
        "error": None if ended is None or not failed else ended.reason or ended.outcome,
        "error_detail": None if ended is None or not failed else ended.detail,
        "model": messages[-1].model if messages else None,
        "input_tokens": count_input(usage),
        "output_tokens": usage.get("output_tokens", 0),
        "cost_usd": None if cost is None else cost / 1_000_000,
    }
