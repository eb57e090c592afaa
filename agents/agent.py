"""An agent: the immutable configuration of a conversation. It comes from code; it and its secrets are never stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from agents.context import AgentContext
from agents.errors import AgentDefinitionError, UnknownAgent
from agents.models import Model
from agents.ray_options import ray_problems
from agents.tools import Tool
from agents.turn.draft import Limits
from agents.turn.inputs import OnBusy
from store import ConversationMeta, Placement

if TYPE_CHECKING:
    from agents.mcp.server import McpServer  # its SDK takes a second to import


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiries:
    """How long a suspension waits, in seconds: for a client program that executes, and for a person who decides.

    `unattended` is how long a call for a client waits while no client is connected at all; then it fails.
    """

    client: float = 300.0
    people: float = 86_400.0
    unattended: float = 10.0


class AgentMiddleware(Protocol):
    """What the definition of an agent needs of its middleware; `agents.middleware.pipeline` has all the callbacks."""

    @property
    def name(self) -> str:
        """Unique among the middleware of an agent."""

    @property
    def members(self) -> "Sequence[AgentMiddleware]":
        """The middleware itself; several, if it is a group."""

    def init(self, agent: "Agent") -> None:
        """Check or prepare, once, when the agent is defined; raises `AgentDefinitionError`."""

    def tools(self) -> Sequence[Tool]:
        """The tools that it adds for the model."""

    @property
    def sub_agents(self) -> "Sequence[Agent]":
        """The agents to which it delegates, except copies of the agent itself."""

    def delegate(self, agent: "Agent", name: str) -> "Agent | None":
        """The sub-agent to which `agent` delegates work under this name."""

    def pass_down(self, agent: "Agent") -> "AgentMiddleware | None":
        """What of it holds for the sub-agents of `agent`; None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """How a conversation behaves, in full.

    `description` says in a few words what the agent is good for; agents that may delegate to it read that. A message
    may choose one of `models`, by name, instead of `model`. `middleware` is in order from the outside in. `mcp` are
    servers whose tools the model gets too. `output` makes each answer an object of that class. `until_tool` names the
    only tool whose success ends a turn. `on_busy` decides about a message that comes while a turn runs; a message may
    override it.

    `placement` says where its conversations live: `dedicated`, each in a process of its own; `shared`, many in one
    process; `auto`, in a process of its own while there is room. `ray` are the options of a dedicated process' actor,
    for work that needs resources or a runtime environment of its own. `stays_while_watched` exempts a conversation
    from eviction while a watcher is connected.
    """

    name: str
    model: Model
    description: str = ""
    system_prompt: str = ""
    tools: Sequence[Tool] = ()
    middleware: Sequence[AgentMiddleware] = ()
    mcp: Sequence["McpServer"] = ()
    models: Mapping[str, Model] = field(default_factory=dict)
    output: type[BaseModel] | None = None
    until_tool: str | None = None
    placement: Placement = "auto"
    ray: Mapping[str, Any] | None = None
    stays_while_watched: bool = False
    on_busy: OnBusy = "reject"
    max_tokens: int = 8192
    limits: Limits = field(default_factory=Limits)
    expiries: Expiries = field(default_factory=Expiries)

    def __post_init__(self) -> None:
        """Raises `AgentDefinitionError`."""
        for middleware in self.each_middleware():
            middleware.init(self)
            self._check_tools_of(middleware)
        self._refuse_duplicates("tool", (tool.name for tool, _ in self.sourced_tools()))
        self._refuse_duplicates("middleware", (middleware.name for middleware in self.each_middleware()))
        self._refuse_duplicates("MCP server", (server.name for server in self.mcp))
        if self.until_tool is not None and self.tool(self.until_tool) is None:
            raise AgentDefinitionError(self.name, f"until_tool names {self.until_tool}, which is no tool of it")
        for problem in self._ray_problems():
            raise AgentDefinitionError(self.name, problem)

    def each_middleware(self) -> Iterator[AgentMiddleware]:
        """Its middleware in order, the members of groups one by one."""
        return chain.from_iterable(middleware.members for middleware in self.middleware)

    def sourced_tools(self) -> Iterator[tuple[Tool, str | None]]:
        """Its own tools, with None, and the tools of its middleware, each with the middleware's name."""
        for tool in self.tools:
            yield tool, None
        for middleware in self.each_middleware():
            for tool in middleware.tools():
                yield tool, middleware.name

    def tool(self, name: str) -> Tool | None:
        """The tool called `name`, its own or its middleware's; the tools of MCP servers are not known here."""
        return next((tool for tool, _ in self.sourced_tools() if tool.name == name), None)

    def tool_below(self, name: str) -> Tool | None:
        """The tool called `name` of an agent to which this one delegates, at any depth."""
        below = (agent for middleware in self.each_middleware() for agent in middleware.sub_agents)
        found = (agent.tool(name) or agent.tool_below(name) for agent in below)
        return next((tool for tool in found if tool is not None), None)

    def model_named(self, name: str | None) -> Model:
        """The model that a message chose, or the agent's own."""
        return self.models.get(name, self.model) if name is not None else self.model

    def _check_tools_of(self, middleware: AgentMiddleware) -> None:
        tools: object = middleware.tools()
        if not isinstance(tools, Sequence) or not all(isinstance(tool, Tool) for tool in tools):
            raise AgentDefinitionError(self.name, f"the middleware {middleware.name} has tools that are none")

    def _ray_problems(self) -> Iterator[str]:
        if self.ray is None:
            return
        if self.placement == "shared":
            yield "ray is for processes of their own: a shared one is everybody's"
        yield from ray_problems(self.ray)

    def _refuse_duplicates(self, what: str, names: Iterator[str]) -> None:
        duplicates = [name for name, count in Counter(names).items() if count > 1]
        if duplicates:
            raise AgentDefinitionError(self.name, f"two of its {what}s are called {duplicates[0]}")


def owner_context(meta: ConversationMeta) -> AgentContext:
    """The context of work that came without one, as after a crash: the owner of the conversation acts."""
    return AgentContext(principal=meta.principal)


@dataclass(frozen=True, slots=True, init=False)
class Catalog:
    """The agents of a deployment by name. A conversation that names none gets `default`.

    They may be given in a sequence as well; the first is the default, unless another is named. `context` makes the
    context of work that goes on without a caller: contexts are never stored.
    """

    agents: Mapping[str, Agent]
    default: str
    context: Callable[[ConversationMeta], AgentContext]

    def __init__(
        self,
        agents: Mapping[str, Agent] | Iterable[Agent],
        default: str | None = None,
        context: Callable[[ConversationMeta], AgentContext] = owner_context,
    ) -> None:
        by_name = agents if isinstance(agents, Mapping) else _by_name(agents)
        if default is None:
            default = next(iter(by_name), None)
        if default is None:
            raise ValueError("a catalog needs an agent")
        object.__setattr__(self, "agents", by_name)
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "context", context)

    def get(self, name: str) -> Agent:
        """The agent called `name`; `above/name` is a sub-agent of the agent `above`. Raises `UnknownAgent`."""
        agent = self.agents.get(name) or self._delegate(name)
        if agent is None:
            raise UnknownAgent(name)
        return agent

    def _delegate(self, path: str) -> Agent | None:
        """The sub-agent at `above/name`; conversations are stored under that path."""
        above, _, name = path.rpartition("/")
        if not above:
            return None
        agent = self.get(above)
        for middleware in agent.each_middleware():
            delegate = middleware.delegate(agent, name)
            if delegate is not None:
                return _with_restrictions(delegate, agent, middleware)
        return None


def _with_restrictions(delegate: Agent, above: Agent, delegating: AgentMiddleware) -> Agent:
    """The delegate within what the agent above passes down: it may add restrictions, never leave one out.

    A delegate that has the middleware which delegated to it is a copy of the agent above: what it copied is in place.
    Otherwise even the same object in its own list is not enough, since other middleware may be outside of it there.
    """
    own = list(delegate.each_middleware())
    copied = own if delegating in own else []
    passed = (member.pass_down(above) for member in above.each_middleware() if member not in copied)
    missing = [member for member in passed if member is not None and member not in own]
    return replace(delegate, middleware=(*missing, *delegate.middleware)) if missing else delegate


def _by_name(agents: Iterable[Agent]) -> Mapping[str, Agent]:
    by_name: dict[str, Agent] = {}
    for agent in agents:
        if by_name.setdefault(agent.name, agent) is not agent:
            raise AgentDefinitionError(agent.name, "another agent of the catalog has that name")
    return by_name
