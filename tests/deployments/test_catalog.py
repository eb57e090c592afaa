"""The agents that are served by default: the four examples, on scripts or on Claude."""

import pytest

from agents.examples.researcher import WEB_SEARCH
from agents.models import ScriptedModel
from agents.models.anthropic.model import AnthropicModel
from deployments.process.agents import catalog
from deployments.settings import Settings

EXAMPLES = ["assistant", "researcher", "operator", "extractor"]
KEY = "a key"


def settings(**chosen: object) -> Settings:
    return Settings(**{"anthropic_api_key": None, "agents": None, **chosen})  # type: ignore[arg-type]


def test_offline_every_example_plays_a_script_of_its_own() -> None:
    served = catalog(settings())
    assert (list(served.agents), served.default) == (EXAMPLES, "assistant")
    models = [agent.model for agent in served.agents.values()]
    assert all(isinstance(model, ScriptedModel) for model in models)
    assert len({id(model) for model in models}) == 4
    assert all(agent.models == {} for agent in served.agents.values())


def test_with_a_key_all_are_on_claude_and_a_message_may_choose() -> None:
    served = catalog(settings(anthropic_api_key=KEY, model="large", models="small, ,tiny"))
    for agent in served.agents.values():
        assert isinstance(agent.model, AnthropicModel)
        assert (agent.model.name, list(agent.models)) == ("large", ["large", "small", "tiny"])
    assert served.get("researcher/scout").model.name == "large"


@pytest.mark.parametrize(("base_url", "searches"), [(None, True), ("http://127.0.0.1:1", False)])
def test_only_the_providers_own_server_is_asked_to_search(base_url: str | None, searches: bool) -> None:
    served = catalog(settings(anthropic_api_key=KEY, anthropic_base_url=base_url))
    assert (WEB_SEARCH in served.get("researcher/scout").tools) == searches


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_says_what_it_is_for(name: str) -> None:
    agent = catalog(settings()).get(name)
    assert agent.description
    assert agent.system_prompt


def test_what_an_operator_names_must_make_a_catalog() -> None:
    with pytest.raises(TypeError, match=r"returned str, not agents\.agent\.Catalog"):
        catalog(settings(agents="builtins:str"))
