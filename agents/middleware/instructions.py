"""Instructions: what a user tells every agent; the user writes it, the model only reads it."""

from agents.middleware.file_system.mounts import INSTRUCTIONS
from agents.middleware.file_system.user_file import UserFile, excerpt
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext

MAX_CHARACTERS = 16_000


class Instructions(Middleware):
    """Adds the file `instructions.md` of the user to the system prompt, if there is one."""

    async def system_prompt(self, context: TurnContext) -> str | None:
        # It changes rarely, so it belongs in the part of the request that is cached.
        text = await UserFile.of_conversation(context, INSTRUCTIONS).text()
        return f"# Standing instructions of the user\n{excerpt(text, MAX_CHARACTERS)}" if text else None
