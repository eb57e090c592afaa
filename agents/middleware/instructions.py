"""Instructions: what a person tells every agent. The person writes it; agents change it only when the person agrees."""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field

from agents.errors import ToolError
from agents.middleware.file_system.mounts import INSTRUCTIONS
from agents.middleware.file_system.user_file import UserFile, excerpt
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.tools import Tool, ToolContext, tool

MAX_CHARACTERS: Final = 2000

Part = Annotated[str, Field(max_length=MAX_CHARACTERS)]


class Instructions(Middleware):
    """Adds the file `instructions.md` of the person whose turn it is to the system prompt, if there is one."""

    def tools(self) -> Sequence[Tool]:
        return (change_instructions,)

    async def system_prompt(self, context: TurnContext) -> str | None:
        # It changes rarely, so it belongs in the part of the request that is cached.
        text = await UserFile(context.services, context.person, INSTRUCTIONS).text()
        return f"# Standing instructions of the user\n{excerpt(text, MAX_CHARACTERS)}" if text else None


@tool(timeout=30.0, approval="required", decisions=("approve", "edit", "reject"))
async def change_instructions(old: Part, new: Part, context: ToolContext) -> str:
    """Change the user's standing instructions, if the user agrees.

    The old text, which is there once, is replaced by the new. Without an old text the new one is added at the end;
    without a new text the old one goes.
    """
    if context.services is None or context.meta is None:
        raise ToolError("There is no conversation here with a person who could have instructions.")
    person = context.sender or context.meta.principal
    if context.principal != person:
        raise ToolError(f"Only {person} may agree to a change of the instructions of {person}.")
    await UserFile(context.services, person, INSTRUCTIONS).change(lambda before: changed(before, old, new))
    return "The instructions are changed."


def changed(before: str, old: str, new: str) -> str:
    """The instructions with `new` in place of `old`, which is there once. Raises ToolError."""
    if not old.strip():
        if not new.strip():
            raise ToolError("There is nothing to change: give the old text, the new one, or both.")
        if new.strip() in before:
            return before
        after = f"{before.rstrip()}\n{new.strip()}\n".lstrip()
    else:
        count = before.count(old)
        if count == 0 and new.strip() and new in before:
            return before  # it was changed before: a call may be repeated
        if count != 1:
            raise ToolError(f"The old text is {count} times in the instructions; it has to be there once.")
        after = before.replace(old, new)
    if len(after) > MAX_CHARACTERS:
        raise ToolError(f"The instructions would have {len(after)} characters, and may have {MAX_CHARACTERS}.")
    return after
