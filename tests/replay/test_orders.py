"""What may be ordered: models, agents and tools that are there, and live tools only if it is said twice."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from agents.agent import Agent, Catalog
from agents.errors import UnknownAgent
from agents.models import ScriptedModel, Step
from deployments.access.principal import LOCAL, Principal
from deployments.replay.order import ModelUnknown, OrderedBy, ReplayOrder, check_order, find_model
from deployments.settings import Settings

MODEL = ScriptedModel([Step("x")], name="small")
OTHER = ScriptedModel([Step("x")], name="large")
AGENTS = Catalog([Agent(name="a", model=MODEL, models={"big": OTHER}), Agent(name="b", model=MODEL)])


def test_a_live_replay_is_said_twice() -> None:
    with pytest.raises(ValidationError, match="run_tools"):
        ReplayOrder(where="agent=a", mode="live")
    assert ReplayOrder(where="agent=a", mode="live", run_tools=True).mode == "live"


def test_a_model_is_an_agent_s_or_the_provider_s() -> None:
    offline = Settings(anthropic_api_key=None)
    assert find_model(offline, AGENTS, "small") is MODEL
    assert find_model(offline, AGENTS, "big") is OTHER
    with pytest.raises(ModelUnknown, match="claude-opus-5-5"):
        find_model(offline, AGENTS, "claude-opus-5-5")
    online = Settings(anthropic_api_key="k", anthropic_base_url="http://127.0.0.1:1")
    assert find_model(online, AGENTS, "claude-opus-5-5").name == "claude-opus-5-5"


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"agent": "none"}, UnknownAgent),
        ({"judge": "none"}, UnknownAgent),
        ({"model": "none"}, LookupError),
        ({"agent": "a", "without_tools": ["none"]}, LookupError),
    ],
)
def test_names_that_are_not_there_are_refused_at_once(order: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_order(Settings(anthropic_api_key=None), AGENTS, ReplayOrder(where="agent=a", **order))  # type: ignore[arg-type]


def test_the_principal_of_an_order_is_the_same_later() -> None:
    ada = Principal("acme", "ada", frozenset({"user", "admin"}), frozenset({"read", "write"}))
    for one in (ada, LOCAL):
        stored = OrderedBy.model_validate_json(OrderedBy.of(one).model_dump_json())
        assert stored.principal() == replace(one, values={}, credential=None)
