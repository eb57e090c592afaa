"""An agent: the immutable configuration of a conversation. It comes from code; it and its secrets are never stored."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, get_args

from pydantic import BaseModel

from agents.context import AgentContext, MakeContext, bare_context
from agents.definition_checks import (
    choice_problems,
    count_problems,
    element_problems,
    flag_problems,
    function_problems,
    line_problems,
    list_problems,
    mapping_problems,
    model_problems,
    seconds_problems,
    shown,
    text_problems,
)
from agents.errors import AgentDefinitionError, CatalogDefinitionError, UnknownAgent
from agents.models import Model
from agents.ray_options import ray_problems
from agents.tools import Tool
from agents.tools.checks import check
from agents.turn.draft import Limits
from agents.turn.inputs import OnBusy
from store import ConversationMeta, Placement
from store.principals import tenant_of

if TYPE_CHECKING:
    from agents.mcp.server import McpServer  # its SDK takes a second to import

PLACEMENTS: tuple[str, ...] = get_args(Placement)
BUSY_POLICIES: tuple[str, ...] = get_args(OnBusy)
CALLBACKS = ("handle_message", "system_prompt", "before_model", "after_model", "stream", "run_tool", "on_start")
"""What an object of a class that is not derived from `Middleware` lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiries:
    """How long a suspension waits, in seconds: for a client program that executes, and for a person who decides.

    `unattended` is how long a call for a client waits for one that can execute it to connect; then it fails at once.
    """

    client: float = 300.0
    people: float = 86_400.0
    unattended: float = 3.0


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

    `description` says in a few words what the agent is good for; agents that may delegate to it read that.
    `suggestions` are short messages with which people may begin; the page offers them. A message may choose one of
    `models`, by name, instead of `model`. `middleware` is in order from the outside in. `mcp` are servers whose tools
    the model gets too. `output` makes each answer an object of that class. `until_tool` names the only tool whose
    success ends a turn. `on_busy` decides about a message that comes while a turn runs; a message may override it.

    `placement` says where its conversations live: `dedicated`, each in a process of its own; `shared`, many in one
    process; `auto`, first there, then in one of its own if it goes on. `ray` are the options of a dedicated process'
    actor, for work that needs resources or a runtime environment of its own. `stays_while_watched` exempts a
    conversation from eviction while a watcher is connected. An answer in a scheduled run that is exactly `quiet_token`
    says that there is nothing new: its owner is not told.
    """

    name: str
    model: Model
    description: str = ""
    suggestions: Sequence[str] = ()
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
    quiet_token: str | None = None
    on_busy: OnBusy = "reject"
    max_tokens: int = 8192
    limits: Limits = field(default_factory=Limits)
    expiries: Expiries = field(default_factory=Expiries)

    def __post_init__(self) -> None:
        """Raises `AgentDefinitionError`, or `ToolDefinitionError` for a tool that was made without `@tool`."""
        for problem in chain(self._text_and_choice_problems(), self._part_problems(), self._bound_problems()):
            raise AgentDefinitionError(str(self.name), problem)
        for middleware in self.each_middleware():
            middleware.init(self)
            self._check_tools_of(middleware)
        for tool, _ in self.sourced_tools():
            check(tool)
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

    def _text_and_choice_problems(self) -> Iterator[str]:
        yield from text_problems("name", self.name, filled=True)
        yield from text_problems("description", self.description)
        yield from list_problems("suggestions", self.suggestions, "texts")
        yield from element_problems("suggestions", self.suggestions, line_problems)
        yield from text_problems("system_prompt", self.system_prompt)
        if self.until_tool is not None:
            yield from text_problems("until_tool", self.until_tool, filled=True)
        if self.quiet_token is not None:
            yield from text_problems("quiet_token", self.quiet_token, filled=True)
        yield from choice_problems("placement", self.placement, PLACEMENTS)
        yield from choice_problems("on_busy", self.on_busy, BUSY_POLICIES)
        yield from flag_problems("stays_while_watched", self.stays_while_watched)
        yield from _output_problems(self.output)

    def _part_problems(self) -> Iterator[str]:
        yield from model_problems("model", self.model)
        yield from mapping_problems("models", self.models, "models")
        for name, model in self.models.items():
            yield from model_problems(f"models[{name!r}]", model)
        yield from list_problems("tools", self.tools, "tools")
        yield from element_problems("tools", self.tools, _tool_problems)
        yield from list_problems("middleware", self.middleware, "middleware")
        yield from element_problems("middleware", self.middleware, middleware_problems)
        yield from list_problems("mcp", self.mcp, "McpServer")
        yield from element_problems("mcp", self.mcp, _server_problems)

    def _bound_problems(self) -> Iterator[str]:
        yield from count_problems("max_tokens", self.max_tokens, 1)
        yield from _limit_problems(self.limits)
        yield from _expiry_problems(self.expiries)

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


def _output_problems(output: object) -> Iterator[str]:
    if output is not None and not (isinstance(output, type) and issubclass(output, BaseModel)):
        yield f"output is a class derived from pydantic's BaseModel, not {shown(output)}"


def _limit_problems(limits: object) -> Iterator[str]:
    if not isinstance(limits, Limits):
        yield f"limits are Limits(...), not {shown(limits)}"
        return
    for bound in fields(limits):
        minimum = 1 if bound.name == "model_calls" else 0
        yield from count_problems(f"limits: {bound.name}", getattr(limits, bound.name), minimum)


def _expiry_problems(expiries: object) -> Iterator[str]:
    if not isinstance(expiries, Expiries):
        yield f"expiries are Expiries(...), not {shown(expiries)}"
        return
    for bound in fields(expiries):
        yield from seconds_problems(f"expiries: {bound.name}", getattr(expiries, bound.name), or_zero=True)


def _tool_problems(what: str, tool: object) -> Iterator[str]:
    if not isinstance(tool, Tool):
        yield f"{what} is no tool but {shown(tool)}{': write @tool above it' if callable(tool) else ''}"


def _server_problems(what: str, server: object) -> Iterator[str]:
    if isinstance(server, type) or not (hasattr(server, "name") and hasattr(server, "connection")):
        yield f"{what} is no McpServer but {shown(server)}"


def middleware_problems(what: str, middleware: object) -> Iterator[str]:
    """What is wrong with an entry of a list of middleware; what its class has to be is known further out."""
    if isinstance(middleware, type):
        yield f"{what} is {shown(middleware)}, not one of its objects: write {middleware.__name__}()"
    elif not all(callable(getattr(middleware, callback, None)) for callback in CALLBACKS):
        yield f"{what} is no middleware but {shown(middleware)}: its class is derived from Middleware"


@dataclass(frozen=True, slots=True, init=False)
class Catalog:
    """The agents of a deployment by name. A conversation that names none gets `default`.

    They may be given in a sequence as well; the first is the default, unless another is named. `context` makes the
    context of work that goes on without a caller, from its tenant, its principal and the conversation: contexts are
    never stored.
    """

    agents: Mapping[str, Agent]
    default: str
    context: MakeContext

    def __init__(
        self,
        agents: Mapping[str, Agent] | Iterable[Agent],
        default: str | None = None,
        context: MakeContext = bare_context,
    ) -> None:
        """Raises `CatalogDefinitionError`, and `AgentDefinitionError` for two agents of one name."""
        by_name = dict(agents) if isinstance(agents, Mapping) else _by_name(agents)
        if default is None:
            default = next(iter(by_name), None)
        if default is None:
            raise CatalogDefinitionError("a catalog needs an agent")
        for problem in _catalog_problems(by_name, default, context):
            raise CatalogDefinitionError(problem)
        object.__setattr__(self, "agents", by_name)
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "context", context)

    def get(self, name: str) -> Agent:
        """The agent called `name`; `above/name` is a sub-agent of the agent `above`. Raises `UnknownAgent`."""
        agent = self.agents.get(name) or self._delegate(name)
        if agent is None:
            raise UnknownAgent(name)
        return agent

    def make_context(self, conversation: ConversationMeta, principal: str | None) -> AgentContext:
        """The context of work of the principal that came without one. Raises TypeError, and what `context` raises."""
        made: object = self.context(tenant_of(principal), principal, conversation)
        if not isinstance(made, AgentContext):
            raise TypeError(f"the catalog's context returned {type(made).__name__}, not AgentContext")
        return made

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


def _catalog_problems(agents: Mapping[str, object], default: object, context: object) -> Iterator[str]:
    for name, agent in agents.items():
        if not isinstance(agent, Agent):
            yield f"what it has as {name!r} is no Agent but {shown(agent)}"
        elif name != agent.name:
            yield f"what it has as {name!r} is the agent {agent.name}: both names must be the same"
    if default not in agents:
        yield f"its default {default!r} is none of its agents, which are {', '.join(agents)}"
    yield from function_problems("context", context)


def _by_name(agents: Iterable[Agent]) -> dict[str, Agent]:
    by_name: dict[str, Agent] = {}
    if isinstance(agents, Agent) or not isinstance(agents, Iterable):
        raise CatalogDefinitionError(f"agents are a list or a mapping of agents, not {shown(agents)}")
    for position, agent in enumerate(agents):
        if not isinstance(agent, Agent):
            raise CatalogDefinitionError(f"agents[{position}] is no Agent but {shown(agent)}")
        if by_name.setdefault(agent.name, agent) is not agent:
            raise AgentDefinitionError(agent.name, "another agent of the catalog has that name")
    return by_name
