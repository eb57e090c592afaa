"""Every watcher ends with the rows of the log, in whatever way it was connected; no stream repeats, skips or mixes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.chaos.checks.answers import text_of
from tests.chaos.evidence import Event, Evidence, Violation
from tests.chaos.sightings import Connection, Watched, is_logged

MESSAGE_ID = re.compile(r"msg_\d+_\d+_\d+_(\d+)")


def check(evidence: Evidence) -> Iterator[Violation]:
    for watched in evidence.watched:
        logged = {event["seq"]: event for event in evidence.transcripts[watched.conversation].log}
        for law, seen in _judged(watched, logged):
            yield Violation(law, watched.conversation, f"a watcher that {watched.kind}: {seen}")


def _judged(watched: Watched, logged: Mapping[int, Event]) -> Iterator[tuple[str, str]]:
    rows = watched.rows()
    if missing := sorted(logged.keys() - rows.keys()):
        yield "watcher_missed", f"it never saw {missing}"
    for seq, row in rows.items():
        if row != logged.get(seq):
            yield "watcher_differs", f"it saw {row}, the log has {logged.get(seq)}"
    for connection in watched.connections:
        yield from _in_order(connection)
        yield from _of_one_voice(connection)
        yield from _streamed(connection)


def _in_order(connection: Connection) -> Iterator[tuple[str, str]]:
    expected = connection.after + 1
    for event in filter(is_logged, connection.events):
        if event["seq"] != expected:
            yield "stream_out_of_order", f"{event['seq']} came where {expected} was due"
        expected = event["seq"] + 1


def _of_one_voice(connection: Connection) -> Iterator[tuple[str, str]]:
    """Once a newer incarnation has been heard, the older ones say nothing more."""
    newest = 0
    for event in connection.events:
        if event["type"] not in ("text_delta", "thinking_delta"):
            continue
        found = MESSAGE_ID.fullmatch(event["message_id"])
        assert found is not None, event
        if int(found[1]) < newest:
            yield "fenced_voice", f"{event['message_id']} is told after epoch {newest} was heard"
        newest = max(newest, int(found[1]))


def _streamed(connection: Connection) -> Iterator[tuple[str, str]]:
    """The text that was streamed is the beginning of the text that was logged, without a hole."""
    texts: dict[str, str] = {}
    for event in connection.events:
        if event["type"] == "text_delta":
            yield from _grown(texts, event)
        elif event["type"] == "assistant_msg":
            streamed = texts.pop(event["message_id"], "")
            if not text_of(event).startswith(streamed):
                yield "text_differs", f"{event['message_id']} streamed {streamed!r}, logged as {text_of(event)!r}"


def _grown(texts: dict[str, str], delta: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = texts.get(delta["message_id"], "")
    if delta["index"] > len(known):
        yield "text_hole", f"{delta['message_id']} goes on at {delta['index']}, {len(known)} are known"
    texts[delta["message_id"]] = known[: delta["index"]] + delta["text"]
