"""The definition of an MCP server: where it is and how far its tools are trusted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agents.errors import McpDefinitionError
from agents.tools.tool import Trust
from agents.turn.events import Approval

NAME = re.compile(r"[a-zA-Z0-9_-]{1,30}")
TRUSTS = ("auto", "user_configurable", "requires_approval")
APPROVALS = ("auto", "required")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDefinition:
    """`command` starts a server that speaks over stdio, `url` reaches one over streamable HTTP: one of the two.

    Its tools are called `{name}__{tool}`. They have the server's `trust` (`approval` is the default of
    "user_configurable"), whatever the server says of itself. `timeout` is in seconds, per call. A server that is
    started sees of our environment only where it is (PATH, HOME and their like), and `environment`.
    """

    name: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    trust: Trust = "requires_approval"
    approval: Approval = "required"
    timeout: float = 60.0
    connect_timeout: float = 10.0

    def __post_init__(self) -> None:
        """Raises `McpDefinitionError`."""
        for problem in self._problems():
            raise McpDefinitionError(self.name, problem)

    def _problems(self) -> list[str]:
        checks = {
            "a name has 1 to 30 letters, digits, `_` or `-`": NAME.fullmatch(self.name),
            "it needs either a command or a url": bool(self.command) != bool(self.url),
            "command is a sequence of words, the program first": not isinstance(self.command, str),
            "url begins with http:// or https:// and a host": self.url is None or _reaches_a_host(self.url),
            "environment is for a server with a command": not (self.url and self.environment),
            "headers are for a server with a url": not (self.command and self.headers),
            f"trust is one of {', '.join(TRUSTS)}": self.trust in TRUSTS,
            f"approval is one of {', '.join(APPROVALS)}": self.approval in APPROVALS,
            'trust "requires_approval" cannot be lowered by approval': self.trust != "requires_approval"
            or self.approval == "required",
            "timeout and connect_timeout are positive numbers of seconds": min(self.timeout, self.connect_timeout) > 0,
        }
        return [problem for problem, holds in checks.items() if not holds]


def _reaches_a_host(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
