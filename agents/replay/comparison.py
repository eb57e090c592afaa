"""Compares what was said with what is said now: a pure function of the two."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from agents.replay.said import CallMade, Said

CallChange = Literal["same", "changed", "missing", "added"]
"""`changed`: the same tool with other arguments; `missing`: only the recording has it; `added`: only the new answer."""
Verdict = Literal["same", "words", "calls", "ending"]
"""What differs, the gravest of it: how it ended, the calls, or the words alone."""

MAX_COMPARED_WORDS = 2_000
"""Of each text: comparing takes time by the square of it."""


@dataclass(frozen=True, slots=True)
class CallPair:
    """A recorded call beside the new one that stands in its place; one of the two may be missing."""

    change: CallChange
    old: CallMade | None
    new: CallMade | None

    @property
    def name(self) -> str:
        made = self.old or self.new
        assert made is not None
        return made.name


@dataclass(frozen=True, slots=True)
class Comparison:
    """`similarity` of the words is from 0 to 1, and 1 for the same words; white space does not count."""

    verdict: Verdict
    similarity: float
    calls: Sequence[CallPair]

    @property
    def changed_calls(self) -> Sequence[CallPair]:
        """The calls that differ."""
        return [pair for pair in self.calls if pair.change != "same"]


def compare(old: Said, new: Said) -> Comparison:
    """What differs between a recorded answer and a new one."""
    calls = pair_calls(old.calls, new.calls)
    similarity = 1.0 if _same_words(old, new) else _similarity(old.text.split(), new.text.split())
    if old.ending != new.ending:
        verdict: Verdict = "ending"
    elif any(pair.change != "same" for pair in calls):
        verdict = "calls"
    else:
        verdict = "same" if _same_words(old, new) else "words"
    return Comparison(verdict, similarity, calls)


def pair_calls(old: Sequence[CallMade], new: Sequence[CallMade]) -> Sequence[CallPair]:
    """Each call beside its counterpart: first the ones with equal arguments, then those of one tool in their order.

    The order of the calls does not count: calls of one answer run at once.
    """
    partner: dict[int, int] = {}
    for match in (_is_same_call, _is_same_tool):
        for at, call in enumerate(old):
            if at not in partner:
                taken = partner.values()
                found = next((i for i, other in enumerate(new) if i not in taken and match(call, other)), None)
                if found is not None:
                    partner[at] = found
    pairs = [
        CallPair("missing", call, None)
        if at not in partner
        else CallPair("same" if _is_same_call(call, new[partner[at]]) else "changed", call, new[partner[at]])
        for at, call in enumerate(old)
    ]
    return [*pairs, *(CallPair("added", None, call) for i, call in enumerate(new) if i not in partner.values())]


def canonical(arguments: Mapping[str, Any]) -> str:
    """Equal for equal arguments, whatever the order of their keys."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _is_same_call(one: CallMade, other: CallMade) -> bool:
    return one.name == other.name and canonical(one.arguments) == canonical(other.arguments)


def _is_same_tool(one: CallMade, other: CallMade) -> bool:
    return one.name == other.name


def _same_words(old: Said, new: Said) -> bool:
    if old.output is not None and new.output is not None:
        return bool(old.output == new.output)
    return old.text.split() == new.text.split()


def _similarity(old: Sequence[str], new: Sequence[str]) -> float:
    matcher = SequenceMatcher(None, old[:MAX_COMPARED_WORDS], new[:MAX_COMPARED_WORDS], autojunk=False)
    return min(round(matcher.ratio(), 3), 0.999)
