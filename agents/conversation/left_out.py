"""What the model is not shown again: what a provider has refused, pictures first, and turns that people have dropped.

It is kept as a `state_patch` of the source `context`, and the log keeps all: `pictures` are the turns whose pictures
are left out, `turns` are left out as a whole, and so is every turn before `first_turn`. `dropped` are the ones among
`turns` that people have dropped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from agents.errors import RefusedPart
from agents.middleware.compaction.estimate import tokens_by_turn
from agents.turn.events import AssistantMsg, Block, Delivered, Event, Summary, ToolResult, TurnEnded, UserMsg
from agents.turn.inputs import Patch

SOURCE = "context"
PICTURE = {
    "type": "text",
    "text": "[An image or a document was left out here: the provider refused the request with it.]",
}
TURN = {"type": "text", "text": "[What was said here was left out: the provider refused the request with it.]"}
DROPPED = {"type": "text", "text": "[What was said here was left out: a person has dropped it.]"}

MAX_NAMED = 1000
"""How many turns are named; with more of them, the oldest are left out together with all before them."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The turns that the model is not shown, or not with their pictures."""

    pictures: frozenset[int] = frozenset()
    turns: frozenset[int] = frozenset()
    first_turn: int = 0
    dropped: frozenset[int] = frozenset()

    @classmethod
    def of(cls, state: Mapping[str, Mapping[str, Any]]) -> Self:
        """From the durable state of the conversation."""
        own = state.get(SOURCE, {})
        pictures, turns, dropped = (frozenset(own.get(key, ())) for key in ("pictures", "turns", "dropped"))
        return cls(pictures, turns, own.get("first_turn", 0), dropped & turns)

    def patch(self) -> Patch:
        """The change of the durable state that makes it last."""
        named = sorted(self.pictures), sorted(self.turns), sorted(self.dropped & self.turns)
        first_turn = max(self.first_turn, *(turns[-MAX_NAMED] if len(turns) > MAX_NAMED else 0 for turns in named))
        pictures, turns, dropped = ([turn for turn in turns if turn >= first_turn] for turns in named)
        changes: dict[str, Any] = {"pictures": pictures, "turns": turns, "first_turn": first_turn}
        if dropped:
            changes["dropped"] = dropped
        return Patch(source=SOURCE, changes=changes)

    def shown(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events without what is left out; of a turn that is named, a note stays."""
        if self == LeftOut():
            return events
        return [kept for event in events if (kept := self._shown(event)) is not None]

    def _shown(self, event: Event) -> Event | None:
        match event:
            case Summary() | Delivered():  # of another turn than the one that it stands in
                return event
            case UserMsg() if event.turn in self.turns and event.turn >= self.first_turn:
                return replace(event, content=[DROPPED if event.turn in self.dropped else TURN])
            case _ if event.turn in self.turns or event.turn < self.first_turn:
                return None
            case UserMsg() if event.turn in self.pictures:
                return replace(event, content=[*map(_shown, event.content)])
            case ToolResult(content=content) if event.turn in self.pictures and not isinstance(content, str):
                return replace(event, content=[*map(_shown, content)])
        return event

    def further(self, events: Sequence[Event], turn: int, refused: RefusedPart) -> tuple["LeftOut", bool]:
        """What is left out next after a refusal in `turn`, newest suspects first, and whether that may help this turn.

        If nothing else is left, the turn itself is what later turns do without.
        """
        shown = self.shown(events)
        if refused == "content" and (pictures := _turns_with_pictures(shown)):
            newest = pictures[-1:] if pictures[-1] not in self.pictures and not self.pictures else pictures
            return replace(self, pictures=self.pictures.union(newest)), True
        if refused == "content" and (failed := _refused_turns(shown) - self.turns):
            return replace(self, turns=self.turns | failed), True
        sizes = {number: size for number, size in tokens_by_turn(shown).items() if number not in self.turns}
        own = sizes.pop(turn, 0)
        others = sum(sizes.values())
        is_older = own < others if refused == "size" else turn - 1 in self.turns
        if is_older and sizes:
            return replace(self, first_turn=_after_half(sizes)), True
        return replace(self, turns=self.turns | {turn}), False


def _shown(block: Block) -> Block:
    return PICTURE if _is_picture(block) else block


def _is_picture(block: Block) -> bool:
    return block["type"] in ("image", "document")


def _turns_with_pictures(events: Iterable[Event]) -> list[int]:
    found = {
        event.turn
        for event in events
        if isinstance(event, UserMsg | ToolResult | AssistantMsg) and not isinstance(event.content, str)
        if any(map(_is_picture, event.content))
    }
    return sorted(found)


def _refused_turns(events: Iterable[Event]) -> set[int]:
    """The turns that ended because the provider refused what they had added."""
    return {event.turn for event in events if isinstance(event, TurnEnded) and event.reason == "invalid_request"}


def _after_half(sizes: Mapping[int, int]) -> int:
    """The first turn that stays when the older half of the tokens is left out, at least one turn."""
    left, half = 0, sum(sizes.values()) / 2
    for number, size in sizes.items():
        left += size
        if left >= half:
            return number + 1
    return max(sizes) + 1
