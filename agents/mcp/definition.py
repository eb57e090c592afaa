"""The definition of an MCP server: where it is, how far its tools are trusted, and what the model calls them."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agents.definition_checks import approver_problems
from agents.errors import McpDefinitionError
from agents.turn.approvers import Approver
from agents.turn.events import Approval, Trust

NAME = re.compile(r"[a-zA-Z0-9_-]{1,30}")
TRUSTS = ("auto", "user_configurable", "requires_approval")
APPROVALS = ("auto", "required")
MAX_TOOL_NAME = 64
"""Characters that the Messages API allows in the name of a tool."""
FORBIDDEN = re.compile(r"[^a-zA-Z0-9_-]")
"""What it does not allow in one."""

ReportServer = Callable[[str, Sequence[str] | None, Sequence[str]], None]
"""Hears after each listing, and when a server cannot be reached: its name, the tools that the model is offered (None:
this process has never seen them, and they stay as others have reported them), and the warnings."""
RecallTools = Callable[[str], Awaitable[Sequence[str]]]
"""The names of the tools that the server of that name offered when any process listed it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDefinition:
    """Either `command`, which starts a server that speaks over stdio, or `url` of a server over streamable HTTP.

    Its tools are called `{name}__{tool}`. They have the `trust` that is given here (`approval` is the default of
    "user_configurable"), not what the server claims; `approvers` says who decides about their calls. `timeout` is in
    seconds, per call. Of our environment a started server sees only variables such as PATH and HOME, and `environment`.
    """

    name: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    trust: Trust = "requires_approval"
    approval: Approval = "required"
    approvers: Approver | Sequence[Approver] | None = None
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
            "url begins with http:// or https:// and a host": self.url is None or _has_host(self.url),
            "environment is for a server with a command": not (self.url and self.environment),
            "headers are for a server with a url": not (self.command and self.headers),
            f"trust is one of {', '.join(TRUSTS)}": self.trust in TRUSTS,
            f"approval is one of {', '.join(APPROVALS)}": self.approval in APPROVALS,
            'trust "requires_approval" cannot be lowered by approval': self.trust != "requires_approval"
            or self.approval == "required",
            f"{'; '.join(approver_problems(self.approvers))}": not any(approver_problems(self.approvers)),
            'approvers are for trust "requires_approval"': not self.approvers or self.trust == "requires_approval",
            "timeout and connect_timeout are positive numbers of seconds": min(self.timeout, self.connect_timeout) > 0,
        }
        return [problem for problem, holds in checks.items() if not holds]


def exposed_name(server: str, tool: str) -> str:
    """What the model calls the tool: `{server}__{tool}`; a name that had to be changed ends in a hash of the original.

    It is changed if it is too long, has other characters, or could be the name of another server's tool (`a__b` and
    `c`, `a` and `b__c`). The hash keeps two such names apart. The name depends on nothing but the arguments: the log
    keeps it, and another process must find the same tool under it.
    """
    full = f"{server}__{tool}"
    ambiguous = full.partition("__")[0] != server
    if not ambiguous and FORBIDDEN.search(full) is None and len(full) <= MAX_TOOL_NAME:
        return full
    return with_hash(full, f"{server}\0{tool}" if ambiguous else full)


def name_beside(name: str) -> str:
    """What the model calls a server's tool whose name `name` an agent has given to a tool of its own."""
    return with_hash(name, f"{name}\0")


def with_hash(name: str, original: str) -> str:
    """A name that fits, made of `name`, and unique to `original`."""
    digest = hashlib.sha256(original.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{FORBIDDEN.sub('_', name)[: MAX_TOOL_NAME - 9]}_{digest}"


def _has_host(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
