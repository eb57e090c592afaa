"""The world outside of the system: a file to which every tool and model says what it does, before and after.

One line, one write: a process that is killed has said a thing or has not. As with a bank that takes idempotency
keys, what was applied twice under one key counts once.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind` is `process`, `model`, `begin` or `apply`; `at` is in seconds since the epoch."""

    kind: str
    at: float
    pid: int
    facts: Mapping[str, Any]


class Ledger:
    """Written by any number of processes, read by the checker."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "ledger.jsonl"

    def note(self, kind: str, **facts: Any) -> None:
        """Durable for everybody but the machine itself when this returns."""
        line = orjson.dumps({"kind": kind, "at": time.time(), "pid": os.getpid(), "facts": facts}) + b"\n"
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def entries(self) -> list[Entry]:
        """All of it, oldest first."""
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [Entry(**orjson.loads(line)) for line in lines]
