"""Language models behind one protocol, and a scripted one without a network.

Claude is in `agents.models.anthropic`, which is not imported here: its SDK takes a second to import, and a process
without a key does not need it.
"""

from agents.models.protocol import (
    Completed,
    Json,
    Model,
    ModelEvent,
    ModelRequest,
    TextChunk,
    ThinkingChunk,
    ToolUseStarted,
    Usage,
)
from agents.models.scripted.model import ScriptedModel
from agents.models.scripted.steps import Call, Step

__all__ = [
    "Call",
    "Completed",
    "Json",
    "Model",
    "ModelEvent",
    "ModelRequest",
    "ScriptedModel",
    "Step",
    "TextChunk",
    "ThinkingChunk",
    "ToolUseStarted",
    "Usage",
]
