"""Memory: what agents remember of a person from one conversation to the next; all agents and channels share it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from agents.errors import AgentError, ToolError
from agents.memory import Entry, PersonalMemory, Ranking, by_words
from agents.memory.personal_memory import MAX_CHARACTERS
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.store_retry import retry_while_store_is_away
from agents.middleware.pipeline.turn_context import TurnContext
from agents.tools import Tool, ToolContext, tool
from agents.turn.events import UserMsg
from store import StoreError

MAX_SHOWN_CHARACTERS = 8000
MAX_FOUND = 20

TEACHING = """\
# Memory
With remember you keep what will matter in later conversations with this user: facts about the user, preferences,
decisions; one short sentence each, nothing secret. With correct_memory you change what is different now, with forget
you drop what is no longer true or what the user wants forgotten. What you remember is shown to you behind the messages;
if that is not all of it, search_memory finds the rest."""

Text = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]


class Memory(Middleware):
    """Remembers for the person whose turn it is, not for a conversation: in a shared one each person has an own memory.

    `ranking` says which memories fit a query best, and which are shown when there are too many for all.
    """

    def __init__(self, ranking: Ranking = by_words) -> None:
        self.ranking = ranking
        self._tools = (remember, _make_search(ranking), correct_memory, forget)

    def tools(self) -> Sequence[Tool]:
        return self._tools

    async def system_prompt(self, context: TurnContext) -> str:
        return TEACHING

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        memory = PersonalMemory(context.services.store, context.person, context.services.clock)
        entries = await retry_while_store_is_away(memory.entries)
        if not entries:
            return request
        shown = await self._select(entries, context)
        lines = ["What you remember of the user:", *(f"- {entry.text}" for entry in shown)]
        if len(shown) < len(entries):
            lines.append(f"({len(entries) - len(shown)} more, which search_memory finds.)")
        # After the messages: in the system prompt, a new entry would invalidate the cache of the whole conversation.
        return replace(request, injected=[*request.injected, {"type": "text", "text": "\n".join(lines)}])

    async def _select(self, entries: Sequence[Entry], context: TurnContext) -> Sequence[Entry]:
        """All of them if they fit, else what fits the newest message best, then the newest; in their order."""
        if sum(len(entry.text) + 3 for entry in entries) <= MAX_SHOWN_CHARACTERS:
            return entries
        scores = await self.ranking(_newest_words(context), [entry.text for entry in entries])
        places = sorted(range(len(entries)), key=lambda place: (-scores[place], -place))
        room, chosen = MAX_SHOWN_CHARACTERS, set[int]()
        for place in places:
            room -= len(entries[place].text) + 3
            if room < 0:
                break
            chosen.add(place)
        return [entry for place, entry in enumerate(entries) if place in chosen]


@tool(timeout=30.0)
async def remember(text: Text, context: ToolContext) -> str:
    """Remember a fact about the user in all later conversations."""
    try:
        await _memory_of(context).add(text, _source(context))
    except (AgentError, StoreError) as error:
        raise ToolError(f"That is not remembered: {error}.") from error
    return "Remembered."


@tool(timeout=30.0)
async def correct_memory(old: Text, new: Text, context: ToolContext) -> str:
    """Replace the one entry of your memory that contains the old text by a new sentence."""
    memory = _memory_of(context)
    try:
        entry = await _find_one(memory, old)
        if entry is None:
            raise ToolError("No entry contains that.")
        await memory.correct(entry.id, new, _source(context))
    except (AgentError, StoreError) as error:
        raise _told(error, "That is not corrected") from error
    return f"Corrected; it was: {entry.text}"


@tool(timeout=30.0)
async def forget(text: Text, context: ToolContext) -> str:
    """Forget the one entry of your memory that contains this text."""
    memory = _memory_of(context)
    try:
        entry = await _find_one(memory, text)
        if entry is None:
            return "No entry contains that."
        await memory.forget(entry.id)
    except (AgentError, StoreError) as error:
        raise _told(error, "That is not forgotten") from error
    return f"Forgotten: {entry.text}"


def _make_search(ranking: Ranking) -> Tool:
    @tool(timeout=30.0)
    async def search_memory(query: Text, context: ToolContext) -> str:
        """Find entries of your memory by words."""
        try:
            found = await _memory_of(context).search(query, ranking, MAX_FOUND)
        except StoreError as error:
            raise ToolError(f"The memory cannot be searched: {error}.") from error
        return "\n".join(f"- {entry.text}" for entry in found) or "No entry fits that."

    return search_memory


async def _find_one(memory: PersonalMemory, text: str) -> Entry | None:
    """The entry that contains the text. Raises ToolError if several do."""
    found = [entry for entry in await memory.entries() if text.casefold() in entry.text.casefold()]
    if len(found) > 1:
        entries = "\n".join(f"- {entry.text}" for entry in found)
        raise ToolError(f"{len(found)} entries contain that; say which one, with more of its words:\n{entries}")
    return next(iter(found), None)


def _memory_of(context: ToolContext) -> PersonalMemory:
    """Of the person whose turn it is, also where another person has approved the call."""
    if context.services is None or context.meta is None:
        raise ToolError("There is no conversation here with a person whom one could remember.")
    person = context.sender or context.principal or context.meta.principal
    return PersonalMemory(context.services.store, person, context.services.clock)


def _source(context: ToolContext) -> dict[str, Any]:
    meta = context.meta
    known = {} if meta is None else {"channel": meta.channel, "agent": meta.agent}
    return {"conversation": context.conversation_id, "turn": context.turn, **known}


def _told(error: Exception, what: str) -> ToolError:
    return error if isinstance(error, ToolError) else ToolError(f"{what}: {error}.")


def _newest_words(context: TurnContext) -> str:
    message = next((event for event in reversed(context.events) if isinstance(event, UserMsg)), None)
    blocks = () if message is None else message.content
    return " ".join(str(block.get("text", "")) for block in blocks)
