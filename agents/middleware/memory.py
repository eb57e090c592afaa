"""Memory: what agents remember of a user from one conversation to the next, in a file that the user can read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from agents.errors import ToolError
from agents.middleware.file_system.user_file import UserFile, excerpt
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.tools import Tool, ToolContext, tool

PATH = "memory.md"
MAX_ENTRY_CHARACTERS = 500
MAX_CHARACTERS = 8000

TEACHING = """\
# Memory
With remember you keep what will matter in later conversations with this user: facts about the user, preferences,
decisions; one short sentence each, nothing secret. With forget you drop what is no longer true or what the user wants
forgotten. What you remember is shown to you behind the messages."""

Entry = Annotated[str, Field(min_length=1, max_length=MAX_ENTRY_CHARACTERS)]


@tool(timeout=30.0)
async def remember(text: Entry, context: ToolContext) -> str:
    """Remember a fact about the user in all later conversations."""
    entry = f"- {' '.join(text.split())}"
    await UserFile.of_call(context, PATH).change(lambda before: _add_entry(before, entry))
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

    await UserFile.of_call(context, PATH).change(without)
    return f"Forgotten: {forgotten[0]}" if forgotten else "No entry contains that."


class Memory(Middleware):
    """Keeps entries as lines of the user's file `memory.md`; all agents of the user share them."""

    def tools(self) -> Sequence[Tool]:
        return remember, forget

    async def system_prompt(self, context: TurnContext) -> str:
        return TEACHING

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        # After the messages: in the system prompt, a new entry would invalidate the cache of the whole conversation.
        entries = await UserFile.of_conversation(context, PATH).text()
        if not entries:
            return request
        words = f"What you remember of the user:\n{excerpt(entries, MAX_CHARACTERS)}"
        return replace(request, injected=[*request.injected, {"type": "text", "text": words}])


def _add_entry(before: str, entry: str) -> str:
    if entry.casefold() in (line.strip().casefold() for line in before.splitlines()):
        return before
    after = f"{before}\n{entry}\n" if before and not before.endswith("\n") else f"{before}{entry}\n"
    if len(after) > MAX_CHARACTERS:
        raise ToolError(f"Your memory is full ({len(before)} characters): forget something first.")
    return after
