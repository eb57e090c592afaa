"""Two versions of one agent, each with its own word in its answers; and how the second replaces the first."""

from ray import serve

from agents.agent import Agent, Catalog
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns, user_texts
from deployments.app import bind
from deployments.local.application import APPLICATION
from deployments.settings import Settings
from tests.support.service_agents import Ledger, ask, risky_tools


def first(settings: Settings) -> Catalog:
    """What RAYLOGUE_AGENTS names at first."""
    return catalog(settings, "first")


def second(settings: Settings) -> Catalog:
    """What RAYLOGUE_AGENTS names after the next deployment."""
    return catalog(settings, "second")


def catalog(settings: Settings, word: str) -> Catalog:
    def tell(request: ModelRequest) -> Step:
        """Make the call that the message names; say which version answers."""
        if results := tool_returns(request.messages):
            return Step(f"{word}: {results[-1].text}")
        name, _, argument = user_texts(request.messages)[-1].partition(":")
        offered = {offer["name"] for offer in request.tools}
        return Step(calls=[Call(name, {"text": argument})]) if name in offered else Step(f"{word}: {name}")

    tools = (*risky_tools(Ledger(settings.data_dir)), ask)
    return Catalog({"versioned": Agent(name="versioned", model=ScriptedModel(tell), tools=tools)}, default="versioned")


def redeploy(agents: str) -> None:
    """Deploy the application again, with other agents; return when a replica of it answers."""
    environment = {"RAYLOGUE_AGENTS": f"tests.support.code_versions:{agents}", "RAYLOGUE_CODE_VERSION": agents}
    options = {"num_cpus": 0, "runtime_env": {"env_vars": environment}}
    serve.run(bind(agents, options), name=APPLICATION, route_prefix="/")
