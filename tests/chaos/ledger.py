"""The world outside the system: a file in which every tool and model notes what it does, before and after.

Each line is one write, so a killed process has noted something or has not. As at a bank that takes idempotency keys,
work that was done twice under one key counts once.
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
    """`kind` is `process`, `model`, `begin`, `apply` or `heard`; `at` is in seconds since the epoch."""

    kind: str
    at: float
    pid: int
    facts: Mapping[str, Any]


class Ledger:
    """Any number of processes write it; the checker reads it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "ledger.jsonl"

    def note(self, kind: str, **facts: Any) -> None:
        """Add an entry; when this returns, it survives the end of any process."""
        line = orjson.dumps({"kind": kind, "at": time.time(), "pid": os.getpid(), "facts": facts}) + b"\n"
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [Entry(**orjson.loads(line)) for line in lines]
