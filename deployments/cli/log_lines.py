"""Lines that the processes of the service have logged about one conversation: found in files, and shown to people."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deployments.cli.transcript import strip_controls

FILES = ("logs/worker-*.err*", "logs/serve/replica_*.log*")
"""Below the directory of a Ray session: what hosts and dedicated actors write, and what replicas do."""
SHOWN_FIRST = ("timestamp", "level", "event")
NOT_REPEATED = ("conversation_id", "exception")
CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
ID_PREFIX_CHARACTERS = 87
"""A sub-agent's id begins with as much of its parent's, and a dot: see `agents.middleware.sub_agent`."""
DURING = "\nDuring handling of the above exception, another exception occurred:\n"

Fields = dict[str, Any]


class LogLine(NamedTuple):
    """One line; lines are in the order of their time (ISO 8601, UTC). `node` is the address of its node, if told."""

    timestamp: str
    fields: Fields
    node: str = ""


class SessionFiles:
    """The log files of all Ray sessions of this machine, as far as they are still there.

    Those of other programs are read too: the id of a conversation is not in them.
    """

    def __init__(self, sessions: Path, positions: Mapping[int, int] | None = None) -> None:
        self._sessions = sessions
        self._read = dict(positions or {})

    @property
    def positions(self) -> dict[int, int]:
        """How many bytes of each file (by its inode) have been read, for another object to go on."""
        return dict(self._read)

    def read(self) -> Iterator[str]:
        """The lines since the last call; of a line that is being written, nothing yet."""
        for session in self._sessions.glob("session_*"):
            if not session.is_symlink():
                for file in (found for pattern in FILES for found in session.glob(pattern)):
                    yield from self._read_on(file)

    def _read_on(self, file: Path) -> Iterator[str]:
        try:
            with file.open("rb") as opened:
                inode = file.stat().st_ino  # Ray gives a file that is full another name
                opened.seek(self._read.get(inode, 0))
                whole, newline, _ = opened.read().rpartition(b"\n")
        except OSError:  # it was removed in this moment
            return
        self._read[inode] = self._read.get(inode, 0) + len(whole) + len(newline)
        yield from whole.decode(errors="replace").splitlines()


class About(NamedTuple):
    """What is looked for: lines about a conversation, about one turn of it, about its sub-agents' as well."""

    conversation_id: str
    turn: int | None = None
    sub_agents: bool = False

    def covers(self, conversation_id: object) -> bool:
        """Whether lines about that conversation are meant."""
        if conversation_id == self.conversation_id or not self.sub_agents:
            return bool(conversation_id == self.conversation_id)
        return str(conversation_id).startswith(f"{self.conversation_id[:ID_PREFIX_CHARACTERS]}.")


def select_lines(lines: Iterable[str], about: About) -> list[LogLine]:
    """The lines that are looked for, oldest first."""
    found = (_parse(line) for line in lines if about.conversation_id[:ID_PREFIX_CHARACTERS] in line)
    named = ((line, line.fields.get("conversation_id")) for line in found if line is not None)
    selected = [
        line if known == about.conversation_id else line._replace(fields={**line.fields, "sub_agent": known})
        for line, known in named
        if about.covers(known) and (about.turn is None or line.fields.get("turn") == about.turn)
    ]
    return sorted(selected, key=lambda line: line.timestamp)


def newest(lines: Sequence[LogLine], max_bytes: int) -> list[LogLine]:
    """As many of the last lines as have so many bytes together as JSON."""
    size = 0
    for place in reversed(range(len(lines))):
        size += len(json.dumps(lines[place].fields).encode())
        if size > max_bytes:
            return list(lines[place + 1 :])
    return list(lines)


def merge(by_node: Mapping[str, Iterable[LogLine]]) -> list[LogLine]:
    """The lines of all nodes, oldest first; each with its node if there are several."""
    lines = [
        line._replace(node=node) if len(by_node) > 1 else line for node, found in by_node.items() for line in found
    ]
    return sorted(lines, key=lambda line: line.timestamp)


def render(line: LogLine) -> str:
    """The line for people: node, time, level, event, all else by name; a traceback below, as Python writes it."""
    known = [str(line.fields[name]) for name in SHOWN_FIRST if name in line.fields]
    first = " ".join([line.node, *known] if line.node else known)
    rest = {name: value for name, value in line.fields.items() if name not in (*SHOWN_FIRST, *NOT_REPEATED)}
    shown = " ".join([first, *(f"{name}={_show(value)}" for name, value in rest.items())])
    trace = line.fields.get("exception")
    return strip_controls("\n".join([shown, *_traceback(trace)] if trace else [shown]))


def _parse(line: str) -> LogLine | None:
    """None if it is no line of ours; Serve writes something of its own in front of what a replica says."""
    try:
        fields = json.loads(line[line.index("{") :])
    except ValueError:
        return None
    return LogLine(str(fields.get("timestamp", "")), fields) if isinstance(fields, dict) else None


def _show(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False)


def _traceback(stacks: object) -> Iterator[str]:
    """The lines of an exception and its causes; structlog has what was raised last in front."""
    if not isinstance(stacks, list):
        yield str(stacks)
        return
    for left, stack in reversed(list(enumerate(stacks))):
        yield "Traceback (most recent call last):"
        for frame in stack.get("frames", ()):
            yield f'  File "{frame["filename"]}", line {frame["lineno"]}, in {frame["name"]}'
        yield f"{stack['exc_type']}: {stack['exc_value']}"
        yield from stack.get("exc_notes", ())
        for number, inner in enumerate(stack.get("exceptions", ()), start=1):
            yield f"  {number}:"
            yield from (f"  {text}" for text in "\n".join(_traceback(inner)).splitlines())
        if left:
            yield CAUSED if stack.get("is_cause") else DURING
