"""The report of a run and its violations: for the terminal, and as Markdown for docs/reliability.md."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks import machine
from benchmarks.report import save
from deployments.routing.placement import actor_name
from tests.chaos.evidence import Evidence, Violation
from tests.chaos.pauses import explain, longest_pause, takeovers
from tests.chaos.run import Result
from tests.support.service import ROOT

__all__ = ["counts", "faults", "markdown", "pause", "save", "save_details", "text"]


PAUSES = 20
"""So many are listed among the details."""


def counts(result: Result) -> dict[str, int]:
    """How much there was of each thing, by name."""
    evidence = result.evidence
    logs = evidence.transcripts.values()
    outcomes = Counter(f"{operation.kind} {operation.outcome}" for operation in evidence.operations)
    begun = Counter(
        (entry.facts["conversation"], entry.facts["call"]) for entry in evidence.entries if entry.kind == "begin"
    )
    processes = [entry for entry in evidence.entries if entry.kind == "process"]
    return {
        **dict(sorted(outcomes.items())),
        "requests": sum(len(operation.attempts) for operation in evidence.operations),
        "conversations": len(logs),
        "events logged": sum(len(log.log) for log in logs),
        "turns": sum(len(log.of_type("turn_ended")) for log in logs),
        "processes started": len(processes),
        "of which with older code": sum(process.facts.get("code") != str(ROOT) for process in processes),
        "own actors of moving conversations": sum(
            str(process.facts.get("actor")).startswith(actor_name("auto-")) for process in processes
        ),
        "incarnations that wrote": _incarnations(evidence),
        "model calls": sum(entry.kind == "model" for entry in evidence.entries),
        "tool calls begun": len(begun),
        "of which made again": sum(times > 1 for times in begun.values()),
        "event streams": sum(len(watcher.streams) for watcher in evidence.watchers),
    }


def faults(result: Result) -> dict[str, int]:
    """How often each kind of fault happened."""
    return dict(sorted(Counter(hit.kind for hit in result.injected).items()))


def pause(result: Result) -> str:
    """Sentences on the longest pause of a running turn, what was broken meanwhile, and how long takeovers took."""
    found = longest_pause(result.evidence)
    if found is None:
        return "No turn ran."
    broken = {
        hit.kind: hit for hit in result.injected if hit.begun < found.begun + found.seconds and hit.healed > found.begun
    }
    return (
        f"The longest pause of a running turn was {found.seconds:.1f} s, after event {found.seq} of "
        f"{found.conversation}, while broken: {', '.join(broken) or 'nothing'}. {_explained(result)} "
        + _takeovers(result.evidence)
    )


def _explained(result: Result) -> str:
    """The pause of which the most was not the fault's own time."""
    most = explain(result.evidence, result.injected)[0]
    return (
        f"Without the time for which a fault held the turn's own process or Redis, the longest took "
        f"{most.other_seconds:.1f} s ({most.pause.seconds:.1f} s in all, after event {most.pause.seq} of "
        f"{most.pause.conversation} in {most.place or 'an unknown actor'})."
    )


def _takeovers(evidence: Evidence) -> str:
    seconds = [pause.seconds for pause in takeovers(evidence)]
    if not seconds:
        return "No running turn was taken over."
    return (
        f"{len(seconds)} times another incarnation took a running turn over: "
        f"after {median(seconds):.1f} s in the middle, after {max(seconds):.1f} s at most."
    )


def text(result: Result, found: Sequence[Violation]) -> str:
    """For the terminal."""
    lines = [f"seed {result.plan.seed}, {result.plan.size.seconds:.0f} s, at rest after {result.rest_seconds:.1f} s"]
    lines += [f"  {times:6} {name}" for name, times in (*counts(result).items(), *faults(result).items())]
    lines += [pause(result)]
    lines += [f"VIOLATION {violation.name} in {violation.conversation}: {violation.seen}" for violation in found]
    return "\n".join([*lines, f"{len(found)} violations"])


def markdown(result: Result, found: Sequence[Violation]) -> str:
    """For the documentation."""
    size = result.plan.size
    lines = [
        f"Seed {result.plan.seed}, {size.seconds:.0f} seconds, {size.people} people, {size.dedicated} dedicated and "
        f"{size.shared} shared conversations: **{len(found) or 'no'} violations**. "
        f"Everything was at rest {result.rest_seconds:.1f} s after the last fault was healed. " + pause(result),
        *_table("What happened", counts(result)),
        *_table("What was broken", faults(result)),
        "Run on: " + "; ".join(f"{name} {value}" for name, value in machine.facts().items()) + ".",
        "",
    ]
    return "\n".join(lines)


def _table(title: str, rows: Mapping[str, int]) -> list[str]:
    return ["", f"| {title} | times |", "| --- | --: |", *(f"| {name} | {times} |" for name, times in rows.items()), ""]


def save_details(result: Result, found: Sequence[Violation], directory: Path) -> None:
    """Write files: the timeline of the run, and of each conversation with a violation or with the longest pause."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{result.plan.seed}.txt").write_text("\n".join(line for _, line in sorted(_timeline(result))))
    explained = explain(result.evidence, result.injected)[:PAUSES]
    (directory / f"{result.plan.seed}-pauses.txt").write_text("\n".join(map(str, explained)))
    paused = longest_pause(result.evidence)
    for conversation in {violation.conversation for violation in found} | ({paused.conversation} if paused else set()):
        known = [f"VIOLATION {violation}" for violation in found if violation.conversation == conversation]
        known += [line for _, line in sorted(_timeline_of(result, conversation))]
        (directory / f"{result.plan.seed}-{conversation.replace('/', '_')}.txt").write_text("\n".join(known))


def _timeline(result: Result) -> Iterator[tuple[float, str]]:
    """The faults, and each request with its outcome."""
    for hit in result.injected:
        yield hit.begun, f"{hit.begun:.3f} FAULT {hit.kind}: {hit.target}, healed at {hit.healed:.3f}"
    for operation in result.evidence.operations:
        for attempt in operation.attempts:
            description = f"{operation.kind} to {operation.conversation} until {attempt.ended:.3f}: {attempt.outcome}"
            yield attempt.begun, f"{attempt.begun:.3f} {operation.person} {description} {attempt.answer}"


def _timeline_of(result: Result, conversation: str) -> Iterator[tuple[float, str]]:
    evidence = result.evidence
    for hit in result.injected:
        yield hit.begun, f"{hit.begun:.3f} FAULT {hit.kind}: {hit.target}, healed at {hit.healed:.3f}"
    for operation in evidence.operations:
        if operation.conversation == conversation:
            for attempt in operation.attempts:
                description = f"{operation.kind} {operation.request} until {attempt.ended:.3f}"
                yield (
                    attempt.begun,
                    f"{attempt.begun:.3f} {operation.person} {description}: {attempt.outcome} {attempt.answer}",
                )
    for entry in evidence.entries:
        if entry.kind == "process" or entry.facts.get("conversation") == conversation:
            yield entry.at, f"{entry.at:.3f} LEDGER {entry.kind} in {entry.pid} {entry.facts}"
    epochs = {
        event["seq"]: notice.epoch for notice in evidence.notices.get(conversation, ()) for event in notice.events
    }
    if (transcript := evidence.transcripts.get(conversation)) is not None:
        for event in transcript.log:
            yield event["at"] / 1000, f"{event['at'] / 1000:.3f} LOG epoch {epochs.get(event['seq'])} {event}"


def _incarnations(evidence: Evidence) -> int:
    return sum(len({notice.epoch for notice in notices}) for notices in evidence.notices.values())
