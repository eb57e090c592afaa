"""Where the ports of agents and store end: what conversations and their logs tell is recorded as the table has it."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from agents.agent import Agent, Catalog
from agents.middleware.sub_agent.sub_agent import GENERAL
from agents.middleware.sub_agent.sub_agent_call import agent_path
from agents.models.prices import PRICES
from deployments.metrics import table
from deployments.metrics.recorder import Recorder
from deployments.overview.recent import RecentFigures
from store.client.observer import AppendOutcome, Trouble

NO_STATUS = "none"
TOKEN_KINDS: Mapping[str, str] = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_creation",
}
DOLLAR = 1_000_000
"""In the unit of costs."""
MAX_DEPTH = 3
"""Sub-agents below that have no value of their own in the label `agent`."""


class ConversationMetrics:
    """`agents.ports.Metrics`; what an operator sees without Prometheus is kept in `recent` as well."""

    def __init__(self, recorder: Recorder, catalog: Catalog, recent: RecentFigures) -> None:
        self._recorder = recorder
        self._recent = recent
        learn_names(recorder, catalog)
        recorder.begin(table.COST)
        names = _models(catalog)
        self._model = lru_cache(256)(lambda name: nearest(name, names))

    def note_turn(self, agent: str, outcome: str, seconds: float, *, waited: bool) -> None:
        self._recent.note_turn(outcome, seconds, waited=waited)
        self._recorder.count(table.TURNS, agent, outcome)
        self._recorder.observe(table.TURN_SECONDS, seconds, agent, "yes" if waited else "no")

    def note_first_token(self, agent: str, seconds: float) -> None:
        self._recent.note_first_token(seconds)
        self._recorder.observe(table.FIRST_TOKEN_SECONDS, seconds, agent)

    def note_model_call(self, model: str, outcome: str, status: int | None, seconds: float) -> None:
        model = self._model(model)
        self._recorder.count(table.MODEL_CALLS, model, outcome, NO_STATUS if status is None else str(status))
        self._recorder.observe(table.MODEL_CALL_SECONDS, seconds, model)

    def note_usage(self, model: str, tokens: Mapping[str, int], cost: int) -> None:
        self._recent.note_usage(sum(tokens.values()), cost)
        model = self._model(model)
        for kind, count in tokens.items():
            self._recorder.count(table.TOKENS, model, TOKEN_KINDS.get(kind, kind), by=count)
        if cost > 0:
            self._recorder.count(table.COST, model, by=cost / DOLLAR)

    def note_tool_call(self, tool: str, outcome: str, seconds: float) -> None:
        self._recorder.count(table.TOOL_CALLS, tool, outcome)
        self._recorder.observe(table.TOOL_CALL_SECONDS, seconds, tool)

    def note_exit(self, reason: str) -> None:
        self._recorder.count(table.EVICTIONS, reason)


class StoreMetrics:
    """`store.client.observer.StoreObserver`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        recorder.begin(table.APPEND_SECONDS, table.FENCED_WRITES, table.STORE_TROUBLE)

    def note_append(self, outcome: AppendOutcome, seconds: float) -> None:
        self._recorder.observe(table.APPEND_SECONDS, seconds, outcome)

    def note_fenced(self) -> None:
        self._recorder.count(table.FENCED_WRITES)

    def note_trouble(self, kind: Trouble) -> None:
        self._recorder.count(table.STORE_TROUBLE, kind)


def learn_names(recorder: Recorder, catalog: Catalog) -> None:
    """Tell the recorder which agents, models and tools there are."""
    agents = list(_each_agent(catalog))
    recorder.learn(table.AGENT, [name for name, _ in agents])
    recorder.learn(table.MODEL, _models(catalog))
    recorder.learn(table.TOOL, [tool.name for _, agent in agents for tool, _ in agent.sourced_tools()])


def nearest(name: str, known: Iterable[str]) -> str:
    """The longest known name that `name` begins with: a provider answers with the name of a dated snapshot."""
    found = [one for one in known if name == one or name.startswith(f"{one}-")]
    return max(found, key=len, default=name)


def _each_agent(catalog: Catalog) -> Iterator[tuple[str, Agent]]:
    """Each agent with the name that its conversations are stored under, with the sub-agents that have names."""
    for name, agent in catalog.agents.items():
        yield from _with_sub_agents(name, agent, MAX_DEPTH)


def _with_sub_agents(path: str, agent: Agent, depth: int) -> Iterator[tuple[str, Agent]]:
    yield path, agent
    for middleware in agent.each_middleware():
        if depth and middleware.delegate(agent, GENERAL) is not None:
            yield agent_path(path, GENERAL), agent
        for sub_agent in middleware.sub_agents if depth else ():
            yield from _with_sub_agents(agent_path(path, sub_agent.name), sub_agent, depth - 1)


def _models(catalog: Catalog) -> frozenset[str]:
    """The names of all models that turns may ask, and of all that have a price: middleware may ask others."""
    models = (model for _, agent in _each_agent(catalog) for model in (agent.model, *agent.models.values()))
    return frozenset((*(model.name for model in models), *PRICES))
