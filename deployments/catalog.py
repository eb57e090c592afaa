"""Which agents this deployment serves: ours, on the model the settings choose, or the operator's own."""

from importlib import import_module
from typing import Any

from agents.agent import Catalog
from agents.examples import assistant
from agents.models import Model, ScriptedModel
from deployments.settings import Settings

OFFLINE_DELAY_SECONDS = 0.02
"""Between two words of an offline answer, so that it can be watched as it streams."""

ANTHROPIC_MODEL = "agents.models.anthropic:AnthropicModel"


def catalog(settings: Settings) -> Catalog:
    """Build the agents; `RAYLOGUE_AGENTS=module:function` names a function from `Settings` to a `Catalog`."""
    if settings.agents is None:
        agent = assistant(default_model(settings))
        return Catalog({agent.name: agent}, default=agent.name)
    built = _named(settings.agents)(settings)
    if not isinstance(built, Catalog):
        raise TypeError(f"{settings.agents} returned {type(built).__name__}, not agents.agent.Catalog")
    return built


def default_model(settings: Settings) -> Model:
    """Claude when there is a key for it, the scripted model otherwise."""
    if settings.anthropic_api_key is None:
        return ScriptedModel(delay=OFFLINE_DELAY_SECONDS)
    # By name, so that a process without a key does not spend the second that the SDK's import takes.
    model: Model = _named(ANTHROPIC_MODEL)(
        settings.model,
        api_key=settings.anthropic_api_key.get_secret_value(),
        base_url=settings.anthropic_base_url,
    )
    return model


def _named(name: str) -> Any:  # noqa: ANN401 - whatever `module:attribute` is
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
