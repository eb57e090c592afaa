"""Reads a list of tools entry by entry: the SDK refuses the whole list for a single entry that is malformed."""

from collections.abc import Mapping
from typing import Any

import mcp_types
from mcp.shared.message import SessionMessage
from mcp_types import methods
from pydantic import ValidationError

NEEDED = ("name", "description", "inputSchema")
"""What of an entry is kept, if it is the rest that does not fit."""


class ListingFilter:
    """Takes the malformed entries out of each list of tools that a server sends, before the SDK reads the list.

    `version` is the protocol's, as soon as it is known. `problems` has a sentence for each entry that was left out
    of the list read last; `names` are those of the others.
    """

    def __init__(self) -> None:
        self.version: str | None = None
        self.problems: list[str] = []
        self.names: list[str] = []

    def begin(self) -> None:
        """Forget the list read last."""
        self.problems, self.names = [], []

    def filter(self, message: SessionMessage | Exception) -> None:
        """Change the message in place, if it is a list of tools."""
        if not isinstance(message, SessionMessage) or not isinstance(message.message, mcp_types.JSONRPCResponse):
            return
        result: Any = message.message.result
        if isinstance(result, dict) and isinstance(result.get("tools"), list):
            entries = [self._entry(position, entry) for position, entry in enumerate(result["tools"], start=1)]
            result["tools"] = [entry for entry in entries if entry is not None]

    def _entry(self, position: int, entry: object) -> object | None:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        called = f"Its tool {name!r}"[:200] if isinstance(name, str) and name else f"Its tool number {position}"
        if not isinstance(entry, Mapping) or not isinstance(name, str) or not name:
            self.problems.append(f"{called} is left out: it has no name.")
            return None
        if not isinstance(entry.get("inputSchema"), Mapping):
            self.problems.append(f"{called} is left out: it has no schema of its arguments.")
            return None
        for candidate in (dict(entry), self._least(entry)):
            if self._is_valid(candidate):
                self.names.append(name)
                return candidate
        self.problems.append(f"{called} is left out: its description is malformed.")
        return None

    def _least(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The entry without what the model does not need; older protocols want the type of the schema to be named."""
        least = {key: entry[key] for key in NEEDED if key in entry}
        if not isinstance(least.get("description", ""), str):
            del least["description"]
        schema = least["inputSchema"]
        return {**least, "inputSchema": {"type": "object", **schema}}

    def _is_valid(self, entry: dict[str, Any]) -> bool:
        try:
            mcp_types.Tool.model_validate(entry, by_name=False)
            if self.version is not None:
                methods.validate_server_result("tools/list", self.version, {**_ENVELOPE, "tools": [entry]})
        except (ValidationError, RecursionError):
            return False
        except (KeyError, ValueError):  # a version that the SDK has no table for
            return True
        return True


_ENVELOPE: dict[str, Any] = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
"""What the newer protocol wants of a list beside the tools."""
