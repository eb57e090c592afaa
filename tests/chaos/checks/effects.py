"""Nothing is done that is not logged, nor without the approval it needs, nor more often than its policy allows."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.agents import number_of
from tests.chaos.evidence import Event, Evidence, Transcript, Violation
from tests.chaos.ledger import Entry
from tests.chaos.tasks import GATED, REPEATABLE

Effects = Mapping[tuple[str, str], Sequence[Entry]]
"""What the ledger says of each call, by conversation and tool call id."""


def check(evidence: Evidence) -> Iterator[Violation]:
    begun, applied = _of_kind("begin", evidence.entries), _of_kind("apply", evidence.entries)
    for (conversation, call), entries in begun.items():
        for law, seen in _judged(evidence.transcripts.get(conversation), call, entries):
            yield Violation(law, conversation, seen)
    for transcript in evidence.transcripts.values():
        yield from _called_once(transcript)
        yield from _honest(transcript, applied)


def _of_kind(kind: str, entries: Sequence[Entry]) -> Effects:
    found: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.kind == kind:
            found[entry.facts["conversation"], entry.facts["call"]].append(entry)
    return found


def _judged(transcript: Transcript | None, call: str, entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """One call that was begun, at least once."""
    asked = {(entry.facts["tool"], entry.facts["number"]) for entry in entries}
    logged = [] if transcript is None else transcript.of_type("tool_call")
    named = {(event["name"], number_of(event["arguments"])) for event in logged if event["tool_call_id"] == call}
    if asked != named:
        yield "effect_not_logged", f"{call} did {sorted(asked)}, the log asks for {sorted(named)}"
    tools = {tool for tool, _ in asked}
    if len(entries) > 1 and tools - REPEATABLE:
        times = [f"{entry.at:.3f} in {entry.pid}" for entry in entries]
        yield "effect_twice", f"{call} must not be repeated, and was begun at {', '.join(times)}"
    if transcript is not None and tools & GATED and not _approved(transcript, call):
        yield "effect_not_approved", f"{call} was begun, and nobody approved it"


def _approved(transcript: Transcript, call: str) -> bool:
    resolutions = transcript.of_type("resolution")
    return any(event["tool_call_id"] == call and event["decision"] == "approve" for event in resolutions)


def _called_once(transcript: Transcript) -> Iterator[Violation]:
    """The model asks for each thing once: a call that was lost is made again, not asked for again."""
    wanted = Counter((event["name"], number_of(event["arguments"])) for event in transcript.of_type("tool_call"))
    for (tool, number), times in wanted.items():
        if times > 1:
            yield Violation("called_twice", transcript.id, f"{tool} for #{number} was asked for {times} times")


def _honest(transcript: Transcript, applied: Effects) -> Iterator[Violation]:
    """A result that says "done" belongs to something that was done."""
    calls = {event["tool_call_id"]: event for event in transcript.of_type("tool_call")}
    for event in transcript.of_type("tool_result"):
        call = calls.get(event["tool_call_id"])
        if call is not None and _claims(call, event) and (transcript.id, call["tool_call_id"]) not in applied:
            yield Violation("result_false", transcript.id, f"{call['tool_call_id']} is ok, and was never done")


def _claims(call: Event, result: Event) -> bool:
    return result["status"] == "ok" and call["name"] in (REPEATABLE | {"stamp"})
