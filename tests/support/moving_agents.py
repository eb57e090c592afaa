"""The agents of the service in which conversations move: those of the run's service, and the examples."""

from dataclasses import replace

from agents.agent import Catalog
from deployments.settings import Settings
from tests.support import service_agents
from tests.support.example_dialogues import DIALOGUES


def example(name: str) -> str:
    """The name of that example agent in the catalog."""
    return f"example_{name}"


def catalog(settings: Settings) -> Catalog:
    """What RAYLOGUE_AGENTS names."""
    known = service_agents.catalog(settings)
    examples = {example(name): replace(dialogue.agent(), name=example(name)) for name, dialogue in DIALOGUES.items()}
    return Catalog({**known.agents, **examples}, default=known.default)
