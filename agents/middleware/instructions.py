"""Instructions: what a person wants every agent to heed; she writes it, the model only reads it."""

from agents.middleware.file_system.mounts import INSTRUCTIONS
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.pipeline.user_file import UserFile, excerpt

MOST_CHARACTERS = 16_000


class Instructions(Middleware):
    """`instructions.md` among the user's files becomes a section of the system prompt; without it there is none."""

    async def system_prompt(self, context: TurnContext) -> str | None:
        # It changes rarely, so it may stand in what is cached.
        text = await UserFile.seen_by(context, INSTRUCTIONS).text()
        return f"# Standing instructions of the user\n{excerpt(text, MOST_CHARACTERS)}" if text else None
