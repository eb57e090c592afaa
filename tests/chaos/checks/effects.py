"""No tool does anything that is not logged, or without its approval, or twice if it must not be repeated."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.agents import number_of
from tests.chaos.evidence import Event, Evidence, StoredTranscript, Violation
from tests.chaos.ledger import Entry
from tests.chaos.tasks import NEEDING_APPROVAL, REPEATABLE

Effects = Mapping[tuple[str, str], Sequence[Entry]]
"""The entries of the ledger by conversation and tool call id."""


def check(evidence: Evidence) -> Iterator[Violation]:
    begun, applied = _of_kind("begin", evidence.entries), _of_kind("apply", evidence.entries)
    for (conversation, call), entries in begun.items():
        for name, seen in _violations(evidence.transcripts.get(conversation), call, entries):
            yield Violation(name, conversation, seen)
    for transcript in evidence.transcripts.values():
        yield from _called_once(transcript)
        yield from _results_are_true(transcript, applied)


def _of_kind(kind: str, entries: Sequence[Entry]) -> Effects:
    found: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.kind == kind:
            found[entry.facts["conversation"], entry.facts["call"]].append(entry)
    return found


def _violations(transcript: StoredTranscript | None, call: str, entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """The violations of one call that was begun at least once."""
    done = {(entry.facts["tool"], entry.facts["number"]) for entry in entries}
    logged = [] if transcript is None else transcript.of_type("tool_call")
    logged_work = {(event["name"], number_of(event["arguments"])) for event in logged if event["tool_call_id"] == call}
    if done != logged_work:
        yield "effect_not_logged", f"{call} did {sorted(done)}, the log asks for {sorted(logged_work)}"
    tools = {tool for tool, _ in done}
    if len(entries) > 1 and tools - REPEATABLE:
        times = [f"{entry.at:.3f} in {entry.pid}" for entry in entries]
        yield "effect_twice", f"{call} must not be repeated, and was begun at {', '.join(times)}"
    if transcript is not None and tools & NEEDING_APPROVAL and not _approved(transcript, call):
        yield "effect_not_approved", f"{call} was begun without an approval"


def _approved(transcript: StoredTranscript, call: str) -> bool:
    resolutions = transcript.of_type("resolution")
    return any(event["tool_call_id"] == call and event["decision"] == "approve" for event in resolutions)


def _called_once(transcript: StoredTranscript) -> Iterator[Violation]:
    """The model asks for each thing once: a lost call is made again, but the model does not ask for it again."""
    request = Counter((event["name"], number_of(event["arguments"])) for event in transcript.of_type("tool_call"))
    for (tool, number), times in request.items():
        if times > 1:
            yield Violation("called_twice", transcript.id, f"{tool} for #{number} was asked for {times} times")


def _results_are_true(transcript: StoredTranscript, applied: Effects) -> Iterator[Violation]:
    """A result that says "done" belongs to work that was done."""
    calls = {event["tool_call_id"]: event for event in transcript.of_type("tool_call")}
    for event in transcript.of_type("tool_result"):
        call = calls.get(event["tool_call_id"])
        if call is not None and _says_done(call, event) and (transcript.id, call["tool_call_id"]) not in applied:
            yield Violation("result_false", transcript.id, f"{call['tool_call_id']} is ok, but was never done")


def _says_done(call: Event, result: Event) -> bool:
    return result["status"] == "ok" and call["name"] in (REPEATABLE | {"stamp"})
