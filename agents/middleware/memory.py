"""Memory: what the agent keeps of a person from one conversation to the next, in a file that she can read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from agents.errors import ToolError
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.request import Request
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.pipeline.user_file import UserFile, excerpt
from agents.tools import Tool, ToolContext, tool

PATH = "memory.md"
LONGEST_ENTRY = 500
MOST_CHARACTERS = 8000

TEACHING = """\
# Memory
With remember you keep what will matter in later conversations with this user: facts about the user, preferences,
decisions; one short sentence each, nothing secret. With forget you drop what is no longer true or what the user wants
forgotten. What you remember is shown to you behind the messages."""

Entry = Annotated[str, Field(min_length=1, max_length=LONGEST_ENTRY)]


@tool(timeout=30.0)
async def remember(text: Entry, context: ToolContext) -> str:
    """Remember a fact about the user in all later conversations."""
    entry = f"- {' '.join(text.split())}"
    await UserFile.called_by(context, PATH).change(lambda before: _with(before, entry))
    return "Remembered."


@tool(timeout=30.0)
async def forget(text: Entry, context: ToolContext) -> str:
    """Forget the one entry of your memory that contains this text."""
    forgotten: list[str] = []

    def without(before: str) -> str:
        lines = before.splitlines(keepends=True)
        forgotten[:] = [line.strip() for line in lines if text.casefold() in line.casefold()]
        if len(forgotten) > 1:
            entries = "\n".join(forgotten)
            raise ToolError(f"{len(forgotten)} entries contain that; say which one, with more of its words:\n{entries}")
        return "".join(line for line in lines if line.strip() not in forgotten)

    await UserFile.called_by(context, PATH).change(without)
    return f"Forgotten: {forgotten[0]}" if forgotten else "No entry contains that."


class Memory(Middleware):
    """The entries are lines of `memory.md` among the user's files; all agents of the user share them."""

    def tools(self) -> Sequence[Tool]:
        return remember, forget

    async def system_prompt(self, context: TurnContext) -> str:
        return TEACHING

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        # Behind the messages: in the system prompt, each new entry would cost the cache of the whole conversation.
        entries = await UserFile.seen_by(context, PATH).text()
        if not entries:
            return request
        words = f"What you remember of the user:\n{excerpt(entries, MOST_CHARACTERS)}"
        return replace(request, injected=[*request.injected, {"type": "text", "text": words}])


def _with(before: str, entry: str) -> str:
    if entry.casefold() in (line.strip().casefold() for line in before.splitlines()):
        return before
    after = f"{before}\n{entry}\n" if before and not before.endswith("\n") else f"{before}{entry}\n"
    if len(after) > MOST_CHARACTERS:
        raise ToolError(f"Your memory is full ({len(before)} characters): forget something first.")
    return after
