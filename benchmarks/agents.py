"""The agents that are measured: one with only a model, like the plain application, and one that compacts."""

from agents.agent import Agent, Catalog
from agents.middleware.compaction import Compaction, Thresholds
from deployments.process.agents import default_model
from deployments.settings import Settings

PLAIN, COMPACTING = "plain", "compacting"

WORKING_SET = Thresholds(stub=10_000, summary=20_000, window=40_000, working_set=80_000)
"""In tokens; small, so that a long history differs from a short one only in its length."""


def catalog(settings: Settings) -> Catalog:
    """For RAYLOGUE_AGENTS."""
    model = default_model(settings)
    agents = [
        Agent(name=PLAIN, model=model),
        Agent(name=COMPACTING, model=model, middleware=[Compaction(thresholds=WORKING_SET)]),
    ]
    return Catalog({agent.name: agent for agent in agents}, default=PLAIN)
