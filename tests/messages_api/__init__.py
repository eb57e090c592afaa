"""A stand-in for the Messages API: real HTTP, exact wire format, scripted replies and scripted trouble."""

from tests.messages_api.reply import ErrorReply, Reply, ToolUse, Trouble
from tests.messages_api.server import MessagesServer, Received

__all__ = ["ErrorReply", "MessagesServer", "Received", "Reply", "ToolUse", "Trouble"]
