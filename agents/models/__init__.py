"""Language models behind one protocol, and a scripted one without a network.

The Messages API is in `agents.models.anthropic`, apart: its SDK takes a second to import, which whoever has no key is
spared.
"""

from agents.models.protocol import (
    Completed,
    Json,
    Model,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    Usage,
)
from agents.models.scripted import ScriptedModel
from agents.models.steps import Call, Step

__all__ = [
    "Call",
    "Completed",
    "Json",
    "Model",
    "ModelEvent",
    "ModelRequest",
    "ScriptedModel",
    "Step",
    "TextDelta",
    "ThinkingDelta",
    "ToolCallStarted",
    "Usage",
]
