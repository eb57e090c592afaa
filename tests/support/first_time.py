"""What this process does for the first time and a later request need not wait for: imports, sources, connections."""

import sys
from typing import Any

WATCHED = ("import", "compile", "open", "socket.connect")


class FirstTimeEvents:
    """Notes such events while it is on, by Python's audit hooks; a hook stays as long as the process."""

    def __init__(self) -> None:
        self.is_on = False
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on and event in WATCHED and (event != "open" or str(arguments[0]).endswith((".py", ".pyc"))):
            self.seen.append(f"{event} {str(arguments[-1 if event == 'socket.connect' else 0])[:100]}")
