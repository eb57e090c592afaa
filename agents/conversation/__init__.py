"""A complete conversation under plain asyncio: the turn machine, its driver, and the projection for the model."""

from agents.conversation.conversation import Conversation
from agents.conversation.driver import ConversationStatus
from agents.receipt import Receipt

__all__ = ["Conversation", "ConversationStatus", "Receipt"]
