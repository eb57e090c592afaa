"""The meaning of a conversation: its turn machine, the driver, models and tools. Knows neither Ray nor Redis.

What a program needs to define agents and to talk to them is exported here. Each name is imported when it is first
used, for most need packages that take long to import, and not every program needs all of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from agents.former_names import answer_to_former_names

if TYPE_CHECKING:
    from agents.agent import Agent, Catalog
    from agents.conversation.conversation import Conversation
    from agents.errors import ToolError, TurnError
    from agents.local import local_conversations
    from agents.middleware.pipeline.middleware import Middleware
    from agents.models.anthropic.model import AnthropicModel
    from agents.models.scripted.model import ScriptedModel
    from agents.models.scripted.steps import Call, Step
    from agents.tools.decorator import tool
    from agents.tools.tool import ToolContext
    from agents.turn.inputs import Resolve
else:
    _MODULES = {
        "Agent": "agents.agent",
        "AnthropicModel": "agents.models.anthropic.model",
        "Call": "agents.models.scripted.steps",
        "Catalog": "agents.agent",
        "Conversation": "agents.conversation.conversation",
        "Middleware": "agents.middleware.pipeline.middleware",
        "Resolve": "agents.turn.inputs",
        "ScriptedModel": "agents.models.scripted.model",
        "Step": "agents.models.scripted.steps",
        "ToolContext": "agents.tools.tool",
        "ToolError": "agents.errors",
        "TurnError": "agents.errors",
        "local_conversations": "agents.local",
        "tool": "agents.tools.decorator",
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value


__all__ = [
    "Agent",
    "AnthropicModel",
    "Call",
    "Catalog",
    "Conversation",
    "Middleware",
    "Resolve",
    "ScriptedModel",
    "Step",
    "ToolContext",
    "ToolError",
    "TurnError",
    "local_conversations",
    "tool",
]

answer_to_former_names()
