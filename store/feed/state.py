"""How the groups of the feed stand: how far behind each is, and what it has missed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from store.feed.entry import Position


@dataclass(slots=True)
class GroupState:
    """A group over all partitions: entries that it does not have yet, and when (ms) the oldest of them was added.

    `lost` entries were cut off before it had them; `aside` ones its consumer could not take. `seen_at` (ms) is when it
    last had a consumer. `behind` has its position in the partitions in which there is something that it lacks.
    """

    name: str
    lag: int = 0
    oldest_at: int | None = None
    lost: int = 0
    aside: int = 0
    seen_at: int = 0
    behind: dict[int, Position] = field(default_factory=dict)


def position_in(cursor: bytes | None) -> Position:
    """A cursor as the scripts write it: id and number; the beginning if there is none."""
    if cursor is None:
        return Position()
    entry_id, number = cursor.decode().split(" ")
    return Position(entry_id, int(number))


def states_of(partitions: Sequence[Mapping[bytes, bytes]]) -> list[GroupState]:
    """The groups by name, out of the hash of each partition; without the age of what they lack."""
    states: dict[str, GroupState] = {}
    for partition, fields in enumerate(partitions):
        added = int(fields.get(b"added", 0))
        for name, value in fields.items():
            kind, colon, group = name.decode().partition(":")
            if not colon:
                continue
            state = states.setdefault(group, GroupState(group))
            match kind:
                case "cursor":
                    position = position_in(value)
                    if position.number < added:
                        state.lag += added - position.number
                        state.behind[partition] = position
                case "lost":
                    state.lost += int(value)
                case "aside":
                    state.aside += int(value)
                case "seen":
                    state.seen_at = max(state.seen_at, int(value))
    return [states[name] for name in sorted(states)]
