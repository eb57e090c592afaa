"""What an agent may ask of the cluster, and the mistakes that its definition refuses."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import AgentDefinitionError
from agents.examples.offline.assistant import assistant_script
from agents.models import ScriptedModel


def analyst(**fields: Any) -> Agent:
    return Agent(name="analyst", model=ScriptedModel(assistant_script), **fields)


def test_resources_and_an_environment_of_its_own() -> None:
    ray = {"num_cpus": 0.5, "memory": 2**30, "resources": {"disk": 1}, "runtime_env": {"env_vars": {"A": "b"}}}
    assert analyst(ray=ray).ray == ray
    assert analyst().ray is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"ray": 1}, "ray is a mapping"),
        ({"ray": {"cpus": 1}}, "each key of ray is one of num_cpus"),
        ({"ray": {"name": "mine"}}, "each key of ray is one of num_cpus"),
        ({"ray": {"num_cpus": -1}}, "num_cpus must be a number, 0 or more"),
        ({"ray": {"memory": "2 GB"}}, "memory must be a number, 0 or more"),
        ({"ray": {"runtime_env": "numpy"}}, "runtime_env must be a mapping"),
        ({"ray": {"num_cpus": 1}, "placement": "shared"}, "a shared one is everybody's"),
    ],
)
def test_what_the_cluster_does_not_know_is_a_mistake(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(AgentDefinitionError, match=problem):
        analyst(**fields)
