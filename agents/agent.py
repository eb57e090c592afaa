"""An agent: the immutable configuration of a conversation, from code and never stored, nor are its secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.errors import UnknownAgent
from agents.models import Model
from agents.tools import Tool
from agents.turn.draft import Limits
from agents.turn.inputs import OnBusy


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiries:
    """How long a suspension waits, in seconds: for a program that executes, and for a person who decides."""

    client: float = 300.0
    people: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Everything a conversation needs to know about how to behave.

    `on_busy` says what happens to a message that meets a running turn; a message may override it.
    """

    name: str
    model: Model
    system_prompt: str = ""
    tools: Sequence[Tool] = ()
    on_busy: OnBusy = "reject"
    max_tokens: int = 8192
    limits: Limits = field(default_factory=Limits)
    expiries: Expiries = field(default_factory=Expiries)

    def tool(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The agents of a deployment by name, and which of them a conversation gets that names none."""

    agents: Mapping[str, Agent]
    default: str

    def get(self, name: str) -> Agent:
        """The agent called `name`; raises `UnknownAgent`."""
        if name not in self.agents:
            raise UnknownAgent(name)
        return self.agents[name]
