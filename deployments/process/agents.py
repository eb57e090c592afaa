"""Which agents this deployment serves: the examples, on the model the settings choose, or the operator's own."""

from dataclasses import replace
from importlib import import_module
from typing import Any

from agents.agent import Agent, Catalog
from agents.examples import assistant, extractor, operator, researcher
from agents.examples.offline.assistant import assistant_script
from agents.examples.offline.extractor import extractor_script
from agents.examples.offline.operator import operator_script
from agents.examples.offline.researcher import researcher_script, scout_script
from agents.examples.researcher import WEB_SEARCH
from agents.models import Model, ScriptedModel
from agents.models.scripted.steps import ScriptFunction
from deployments.settings import Settings

OFFLINE_DELAY_SECONDS = 0.02
"""Between two words of an offline answer, so that it can be watched as it streams."""

ANTHROPIC_MODEL = "agents.models.anthropic.model:AnthropicModel"


def catalog(settings: Settings) -> Catalog:
    """Build the agents; `RAYLOGUE_AGENTS=module:function` names a function from `Settings` to a `Catalog`."""
    if settings.agents is None:
        return examples(settings)
    built = _import_by_name(settings.agents)(settings)
    if not isinstance(built, Catalog):
        raise TypeError(f"{settings.agents} returned {type(built).__name__}, not agents.agent.Catalog")
    return built


def examples(settings: Settings) -> Catalog:
    """The agents of `agents.examples`; without a key each plays a script of its own."""
    names = () if settings.offline else (settings.model, *settings.further_models)
    models = {name: claude(settings, name) for name in names}

    def model_for(script: ScriptFunction) -> Model:
        return _offline_model(script) if settings.offline else models[settings.model]

    agents = (
        assistant(model_for(assistant_script)),
        researcher(
            model_for(researcher_script),
            model_for(scout_script),
            # Other servers of the Messages API need not have the provider's own tools.
            search=(WEB_SEARCH,) if settings.anthropic_base_url is None else (),
        ),
        operator(model_for(operator_script)),
        extractor(model_for(extractor_script)),
    )
    return Catalog({agent.name: replace(agent, models=models) for agent in agents}, default="assistant")


def is_offline(agent: Agent) -> bool:
    """Whether a script answers in place of a model."""
    return isinstance(agent.model, ScriptedModel)


def import_ahead() -> None:
    """Import the operator's agents, and the SDK, which alone takes a second: for a process that will need them."""
    settings = Settings()
    if settings.agents is not None:
        _import_by_name(settings.agents)
    if not settings.offline:
        _import_by_name(ANTHROPIC_MODEL)


def default_model(settings: Settings) -> Model:
    """Claude when there is a key for it, the offline assistant otherwise."""
    return _offline_model(assistant_script) if settings.offline else claude(settings, settings.model)


def claude(settings: Settings, name: str) -> Model:
    """A model of the Messages API; the settings have a key for it."""
    assert settings.anthropic_api_key is not None
    # By name, so that a process without a key does not spend the second that the SDK's import takes.
    model: Model = _import_by_name(ANTHROPIC_MODEL)(
        name,
        api_key=settings.anthropic_api_key.get_secret_value(),
        base_url=settings.anthropic_base_url,
    )
    return model


def _offline_model(script: ScriptFunction) -> Model:
    return ScriptedModel(script, delay=OFFLINE_DELAY_SECONDS)


def _import_by_name(name: str) -> Any:  # noqa: ANN401 - the type of `module:attribute`
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
