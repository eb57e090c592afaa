"""Every watcher ends with the rows of the log, however it was connected; streams keep the order of the log."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.chaos.checks.answers import text_of
from tests.chaos.evidence import Event, Evidence, Violation
from tests.chaos.watcher_record import EventStream, WatcherRecord, is_logged

MESSAGE_ID = re.compile(r"msg_\d+_\d+_\d+_(\d+)")


def check(evidence: Evidence) -> Iterator[Violation]:
    for watcher in evidence.watchers:
        logged = {event["seq"]: event for event in evidence.transcripts[watcher.conversation].log}
        for name, seen in _violations(watcher, logged):
            yield Violation(name, watcher.conversation, f"a {watcher.kind} watcher: {seen}")


def _violations(watcher: WatcherRecord, logged: Mapping[int, Event]) -> Iterator[tuple[str, str]]:
    rows = watcher.rows()
    if missing := sorted(logged.keys() - rows.keys()):
        yield "watcher_missed", f"it never saw {missing}"
    for seq, row in rows.items():
        if row != logged.get(seq):
            yield "watcher_differs", f"it saw {row}, the log has {logged.get(seq)}"
    for stream in watcher.streams:
        yield from _in_order(stream)
        yield from _epochs_rise(stream)
        yield from _texts_match(stream)


def _in_order(stream: EventStream) -> Iterator[tuple[str, str]]:
    expected = stream.after + 1
    for event in filter(is_logged, stream.events):
        if event["seq"] != expected:
            yield "stream_out_of_order", f"{event['seq']} came instead of {expected}"
        expected = event["seq"] + 1


def _epochs_rise(stream: EventStream) -> Iterator[tuple[str, str]]:
    """After the first delta of a newer incarnation, there are none of an older one."""
    newest = 0
    for event in stream.events:
        if event["type"] not in ("text_delta", "thinking_delta"):
            continue
        found = MESSAGE_ID.fullmatch(event["message_id"])
        assert found is not None, event
        if int(found[1]) < newest:
            yield "fenced_voice", f"{event['message_id']} came after a delta of epoch {newest}"
        newest = max(newest, int(found[1]))


def _texts_match(stream: EventStream) -> Iterator[tuple[str, str]]:
    """The streamed text is the beginning of the logged text, without a gap."""
    texts: dict[str, str] = {}
    for event in stream.events:
        if event["type"] == "text_delta":
            yield from _extend(texts, event)
        elif event["type"] == "assistant_msg":
            streamed = texts.pop(event["message_id"], "")
            if not text_of(event).startswith(streamed):
                yield "text_differs", f"{event['message_id']} streamed {streamed!r}, logged as {text_of(event)!r}"


def _extend(texts: dict[str, str], delta: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = texts.get(delta["message_id"], "")
    if delta["index"] > len(known):
        yield "text_hole", f"{delta['message_id']} continues at {delta['index']}, after {len(known)} characters"
    texts[delta["message_id"]] = known[: delta["index"]] + delta["text"]
