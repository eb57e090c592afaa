"""The agent that is measured: what the plain application does, a model and no more."""

from agents.agent import Agent, Catalog
from deployments.catalog import default_model
from deployments.settings import Settings


def catalog(settings: Settings) -> Catalog:
    """For RAYLOGUE_AGENTS."""
    agent = Agent(name="plain", model=default_model(settings))
    return Catalog({agent.name: agent}, default=agent.name)
