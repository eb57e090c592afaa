"""What the rows of a replay add up to: a fold that needs no row twice, and keeps the few that are shown."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deployments.replay.result_rows import decode_rows
from store import Store
from store.registries.replays import ReplayRecord

READ_TOGETHER: Final = 100
SIDES: Final = ("old", "new")
SUMMED: Final = ("input_tokens", "output_tokens", "cost", "ms", "model_calls")
GRAVITY: Final[Mapping[str, int]] = {"ending": 3, "calls": 2, "words": 1, "same": 0}
MAX_SHOWN: Final = 200
"""Rows that the summary page shows: the ones that differ most."""
MAX_POINTS: Final = 2000
"""Points of a plot, evenly taken where there are more rows."""
BINS: Final = 20


@dataclass(slots=True)
class Totals:
    """Add each row once, in any order. Times are in ms, costs in millionths of a US dollar; a missing one counts 0."""

    rows: int = 0
    errors: int = 0
    conversations: set[str] = field(default_factory=set)
    verdicts: Counter[str] = field(default_factory=Counter)
    call_changes: Counter[str] = field(default_factory=Counter)
    tools: dict[str, Counter[str]] = field(default_factory=dict)
    endings: Counter[str] = field(default_factory=Counter)
    sums: dict[str, int] = field(default_factory=lambda: {f"{side}_{name}": 0 for side in SIDES for name in SUMMED})
    unpriced: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    judge_scores: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SIDES, 0.0))
    judge_wins: Counter[str] = field(default_factory=Counter)
    judge_cost: int = 0
    similarity: list[int] = field(default_factory=lambda: [0] * BINS)
    points: list[tuple[int, int]] = field(default_factory=list)
    """The times of both sides, in ms."""
    shown: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self.conversations.add(row["conversation"])
        if row["error"] is not None:
            self.errors += 1
            return
        self.rows += 1
        self.verdicts[row["verdict"]] += 1
        self.endings[row["new_ending"]] += 1
        for change in row["changed_calls"]:
            self.call_changes[change["change"]] += 1
            self.tools.setdefault(change["name"], Counter())[change["change"]] += 1
        for name in self.sums:
            self.sums[name] += row[name] or 0
        for side in SIDES:
            self.unpriced[side] += row[f"{side}_cost"] is None and row[f"{side}_model_calls"] > 0
        self.similarity[min(int(row["similarity"] * BINS), BINS - 1)] += 1
        self._add_judgement(row)
        self._add_point(row)
        self._keep(row)

    def _add_judgement(self, row: Mapping[str, Any]) -> None:
        self.judge_cost += row["judge_cost"] or 0
        old, new = row["judge_old"], row["judge_new"]
        if old is None or new is None:
            return
        self.judged += 1
        self.judge_scores["old"] += old
        self.judge_scores["new"] += new
        self.judge_wins["new" if new > old else "old" if old > new else "even"] += 1

    def _add_point(self, row: Mapping[str, Any]) -> None:
        if row["old_ms"] is None or row["new_ms"] is None:
            return
        self.points.append((row["old_ms"], row["new_ms"]))
        if len(self.points) > 2 * MAX_POINTS:
            del self.points[::2]

    def _keep(self, row: Mapping[str, Any]) -> None:
        if row["verdict"] == "same":
            return
        self.shown.append(row)
        if len(self.shown) >= 2 * MAX_SHOWN:
            self.shown = self.most_different()

    def most_different(self) -> list[Mapping[str, Any]]:
        """The rows that differ most: another end first, then other calls, then other words."""
        return sorted(self.shown, key=_difference)[:MAX_SHOWN]

    def as_json(self) -> dict[str, Any]:
        """The figures alone."""
        return {
            "conversations": len(self.conversations),
            "rows": self.rows,
            "errors": self.errors,
            "verdicts": dict(self.verdicts),
            "call_changes": dict(self.call_changes),
            "endings": dict(self.endings),
            **self.sums,
            "unpriced": dict(self.unpriced),
            "judged": self.judged,
            "judge_wins": dict(self.judge_wins),
            "judge_cost": self.judge_cost,
            **{f"judge_{side}": round(total / max(self.judged, 1), 2) for side, total in self.judge_scores.items()},
        }


async def add_up(store: Store, record: ReplayRecord) -> Totals:
    """The totals of the results that there are by now. Raises StoreUnavailable."""
    totals = Totals()
    for begin in range(0, len(record.conversations), READ_TOGETHER):
        places = range(begin, min(begin + READ_TOGETHER, len(record.conversations)))
        for rows in await store.replays.results(record.id, places):
            for row in decode_rows(rows) if rows is not None else ():
                totals.add(row)
    return totals


def _difference(row: Mapping[str, Any]) -> tuple[float, float, str, int, int]:
    fall = (row["judge_new"] or 0) - (row["judge_old"] or 0)
    return (-GRAVITY[row["verdict"]], fall or row["similarity"], row["conversation"], row["turn"], row["step"])
