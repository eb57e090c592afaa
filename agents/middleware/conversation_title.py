"""ConversationTitle: a short title, made beside the work once something has been said; a person's own title stays."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeGuard

import structlog

from agents.errors import ModelError
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.reply import Reply
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Completed, Model, ModelRequest, ScriptedModel
from agents.turn.events import AssistantMsg, Block, Event, TurnEnded, UserMsg
from agents.turn.live import TitleChanged
from store import StoreError

LONGEST_TITLE = 60
LONGEST_QUOTE = 2000
FEW_WORDS = 6
PATIENCE = 60.0
"""Seconds for one attempt."""

TASK = """\
Write a title for the conversation that begins as you are shown: at most six words, in the language of the user,
without quotation marks and without a full stop. Answer with the title alone, not with what the user asks for."""

MARKUP = re.compile(r"[*`\"“”„«»]+")
OPENING = re.compile(r"^[\s#]*(?:title\s*:)?", re.IGNORECASE)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the conversation began with: the words of the user and how they were answered; either may be ""."""

    asked: str
    answered: str


TitleOf = Callable[[Exchange], Awaitable[str]]
"""Makes a title, or fails with ModelError."""


class ConversationTitle(Middleware):
    """Asks `model`, by default the agent's own, or whatever `title_of` is; an agent on a script needs no model.

    A failure is logged and costs nothing more: it is tried again after the next turn, and when the conversation is
    taken up again. State: `{"done": true}`.
    """

    def __init__(self, model: Model | None = None, *, title_of: TitleOf | None = None) -> None:
        self._model = model
        self._title_of = title_of
        self._under_way: set[str] = set()  # of this process, lest two attempts of one conversation overlap

    async def on_start(self, context: TurnContext) -> None:
        """An incarnation may have died before its title was there."""
        if any(isinstance(event, TurnEnded) and event.outcome == "completed" for event in context.events):
            await self._entitle(context, _exchange(context))

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        """An answer that asks for nothing more ends the turn: that is the time."""
        if not reply.calls and not reply.feedback:
            context.background(self._entitle(context, _exchange(context, reply.content)))
        return reply

    async def _entitle(self, context: TurnContext, exchange: Exchange) -> None:
        if context.state.get("done") or context.meta.parent is not None or not (exchange.asked or exchange.answered):
            return
        if context.conversation_id in self._under_way:
            return
        self._under_way.add(context.conversation_id)
        try:
            await self._try(context, exchange)
        except (ModelError, StoreError, TimeoutError) as error:
            log.warning("title_failed", conversation=context.conversation_id, cause=str(error))
        finally:
            self._under_way.discard(context.conversation_id)

    async def _try(self, context: TurnContext, exchange: Exchange) -> None:
        """Done is done, whoever did it: a person, or an incarnation that died before it could say so."""
        registry, clock = context.services.store.registry, context.services.clock
        if (await registry.get(context.conversation_id)).title is None:
            async with asyncio.timeout(PATIENCE):
                title = cleaned(await self._maker(context)(exchange))
            if not title:
                raise ModelError("invalid_output", "The answer holds no title.")
            if await registry.set_title_if_absent(context.conversation_id, title, clock()):
                context.tell(TitleChanged(turn=context.turn, title=title))
        context.patch_later({"done": True})

    def _maker(self, context: TurnContext) -> TitleOf:
        if self._title_of is not None:
            return self._title_of
        model = self._model or context.agent.model
        if self._model is None and isinstance(model, ScriptedModel):
            return first_words
        return asked_of(model, context.agent.max_tokens)


async def first_words(exchange: Exchange) -> str:
    """A title without a model: how the user began."""
    words = (exchange.asked or exchange.answered).split()
    return " ".join(words[:FEW_WORDS]) + ("…" if len(words) > FEW_WORDS else "")


def asked_of(model: Model, max_tokens: int) -> TitleOf:
    """Titles in the words of a model; `max_tokens` has to leave room for its thinking."""

    async def title_of(exchange: Exchange) -> str:
        quotes = f"User: {exchange.asked[:LONGEST_QUOTE]}\n\nAssistant: {exchange.answered[:LONGEST_QUOTE]}"
        messages = [{"role": "user", "content": [{"type": "text", "text": quotes}]}]
        async with aclosing(model.stream(ModelRequest(TASK, messages, max_tokens=max_tokens))) as stream:
            async for event in stream:
                if isinstance(event, Completed):
                    return _text(event.content)
        raise ModelError("stream_broken", "The model's answer ended before it was complete.")

    return title_of


def cleaned(words: str) -> str:
    """One line without decoration, of at most `LONGEST_TITLE` characters; "" if nothing is left."""
    title = next(filter(None, map(_plain, words.splitlines())), "")
    if len(title) <= LONGEST_TITLE:
        return title
    kept = title[: LONGEST_TITLE - 1]
    return f"{kept.rpartition(' ')[0] or kept}…"


def _plain(line: str) -> str:
    return " ".join(OPENING.sub("", MARKUP.sub("", line)).split()).rstrip(" .:;,")


def _exchange(context: TurnContext, answer: Sequence[Block] = ()) -> Exchange:
    """The first words of the user, and the last of the turn that they began; `answer` is not logged yet."""
    said = ((event.turn, _text(event.content)) for event in context.events if _is_said(event))
    turn, asked = next(((turn, words) for turn, words in said if words), (context.turn, ""))
    answers = [_text(event.content) for event in context.events if _is_answer(event, turn)]
    if turn == context.turn:
        answers.append(_text(answer))
    return Exchange(asked, next(filter(None, reversed(answers)), ""))


def _is_said(event: Event) -> TypeGuard[UserMsg]:
    return isinstance(event, UserMsg) and event.origin == "user"


def _is_answer(event: Event, turn: int) -> TypeGuard[AssistantMsg]:
    return isinstance(event, AssistantMsg) and event.turn == turn and event.status == "completed"


def _text(content: Sequence[Block]) -> str:
    return "\n".join(block["text"] for block in content if block["type"] == "text").strip()
