"""Language models behind one protocol, and a scripted model without a network.

Claude is in `agents.models.anthropic`, not here: importing its SDK takes a second, and a process without a key does not
need it.
"""

from agents.models.protocol import (
    Completed,
    Json,
    Model,
    ModelEvent,
    ModelRequest,
    TextChunk,
    ThinkingChunk,
    TokenUsage,
    ToolUseStarted,
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
    "TokenUsage",
    "ToolUseStarted",
]
