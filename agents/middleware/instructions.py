"""Instructions: what a person wants every agent to heed; she writes it, the model only reads it."""

from agents.middleware.file_system.mounts import INSTRUCTIONS
from agents.middleware.middleware import Middleware
from agents.middleware.personal_file import PersonalFile, excerpt
from agents.middleware.turn_context import TurnContext

MOST_CHARACTERS = 16_000


class Instructions(Middleware):
    """`instructions.md` among the user's files becomes a section of the system prompt; without it there is none."""

    async def system_prompt(self, context: TurnContext) -> str | None:
        # It changes rarely, so it may stand in what is cached.
        text = await PersonalFile.seen_by(context, INSTRUCTIONS).text()
        return f"# Standing instructions of the user\n{excerpt(text, MOST_CHARACTERS)}" if text else None
