"""ConversationTitle: gives a conversation a short title in the background; a title that a person has set stays."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeGuard

import structlog

from agents.definition_checks import check_middleware, function_problems, model_problems
from agents.errors import ModelError
from agents.middleware.pipeline.exchange import Reply
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Completed, Model, ModelRequest, ScriptedModel
from agents.models.metering import stream_of
from agents.storable import storable_text
from agents.turn.events import AssistantMsg, Block, Event, TurnEnded, UserMsg
from agents.turn.live import TitleChanged
from store import StoreError

MAX_TITLE_CHARACTERS = 60
MAX_QUOTED_CHARACTERS = 2000
MAX_FIRST_WORDS = 6
TIMEOUT_SECONDS = 60.0
"""For one attempt."""

TASK = """\
Write a title for the conversation that begins as you are shown: at most six words, in the language of the user,
without quotation marks and without a full stop. Answer with the title alone, not with what the user asks for."""

MARKUP = re.compile(r"[*`\"“”„«»]+")
OPENING = re.compile(r"^[\s#]*(?:title\s*:)?", re.IGNORECASE)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FirstExchange:
    """What the user said first and how it was answered; either may be ""."""

    user: str
    assistant: str


TitleOf = Callable[[FirstExchange], Awaitable[str]]
"""Makes a title. Raises ModelError."""


class ConversationTitle(Middleware):
    """Calls `title_of` if it is given, else asks `model`, by default the agent's own.

    The title of a scripted agent is the user's first words. A failure is logged, and the next attempt is made after the
    next turn or when the conversation is started again. State: `{"done": true}`.
    """

    def __init__(self, model: Model | None = None, *, title_of: TitleOf | None = None) -> None:
        check_middleware(
            "ConversationTitle",
            model_problems("model", model) if model is not None else (),
            function_problems("title_of", title_of) if title_of is not None else (),
        )
        self._model = model
        self._title_of = title_of
        self._naming: set[str] = set()  # in this process, so that each conversation has one attempt at a time

    async def on_start(self, context: TurnContext) -> None:
        """Make up for an attempt that ended with an earlier incarnation."""
        if any(isinstance(event, TurnEnded) and event.outcome == "completed" for event in context.events):
            await self._find_title(context, _first_exchange(context))

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        """Make the title when an answer ends its turn."""
        if not reply.calls and not reply.feedback:
            context.background(self._find_title(context, _first_exchange(context, reply.content)))
        return reply

    async def _find_title(self, context: TurnContext, exchange: FirstExchange) -> None:
        if context.state.get("done") or context.meta.parent is not None or not (exchange.user or exchange.assistant):
            return
        if context.conversation_id in self._naming:
            return
        self._naming.add(context.conversation_id)
        try:
            await self._set_title(context, exchange)
        except (ModelError, StoreError, TimeoutError) as error:
            log.warning("title_failed", conversation_id=context.conversation_id, cause=str(error))
        finally:
            self._naming.discard(context.conversation_id)

    async def _set_title(self, context: TurnContext, exchange: FirstExchange) -> None:
        """Set a title unless there is one: from a person, or from an incarnation that died before it noted `done`."""
        registry, clock = context.services.store.registry, context.services.clock
        if (await registry.get(context.conversation_id)).title is None:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                title = clean_title(await self._title_maker(context)(exchange))
            if not title:
                raise ModelError("invalid_output", "The answer holds no title.")
            if await registry.set_title_if_absent(context.conversation_id, title, clock()):
                context.tell(TitleChanged(turn=context.turn, title=title))
        context.patch_later({"done": True})

    def _title_maker(self, context: TurnContext) -> TitleOf:
        if self._title_of is not None:
            return self._title_of
        model = self._model or context.agent.model
        if self._model is None and isinstance(model, ScriptedModel):
            return first_words
        return title_by_model(model, context.agent.max_tokens)


async def first_words(exchange: FirstExchange) -> str:
    """A title without a model: the first words of the user."""
    words = (exchange.user or exchange.assistant).split()
    return " ".join(words[:MAX_FIRST_WORDS]) + ("…" if len(words) > MAX_FIRST_WORDS else "")


def title_by_model(model: Model, max_tokens: int) -> TitleOf:
    """A function that has `model` make the title; `max_tokens` has to leave room for its thinking."""

    async def title_of(exchange: FirstExchange) -> str:
        quotes = (
            f"User: {exchange.user[:MAX_QUOTED_CHARACTERS]}\n\nAssistant: {exchange.assistant[:MAX_QUOTED_CHARACTERS]}"
        )
        messages = [{"role": "user", "content": [{"type": "text", "text": quotes}]}]
        async with aclosing(stream_of(model)(ModelRequest(TASK, messages, max_tokens=max_tokens))) as stream:
            async for event in stream:
                if isinstance(event, Completed):
                    return _text(event.content)
        raise ModelError("stream_broken", "The model's answer ended before it was complete.")

    return title_of


def clean_title(words: str) -> str:
    """One line without decoration, of at most `MAX_TITLE_CHARACTERS`; "" if nothing is left."""
    title = next(filter(None, map(_plain_line, storable_text(words).splitlines())), "")
    if len(title) <= MAX_TITLE_CHARACTERS:
        return title
    kept = title[: MAX_TITLE_CHARACTERS - 1]
    return f"{kept.rpartition(' ')[0] or kept}…"


def _plain_line(line: str) -> str:
    return " ".join(OPENING.sub("", MARKUP.sub("", line)).split()).rstrip(" .:;,")


def _first_exchange(context: TurnContext, answer: Sequence[Block] = ()) -> FirstExchange:
    """The user's first message with text, and the last answer of its turn; `answer` is not logged yet."""
    said = ((event.turn, _text(event.content)) for event in context.events if _is_from_user(event))
    turn, user = next(((turn, words) for turn, words in said if words), (context.turn, ""))
    answers = [_text(event.content) for event in context.events if _is_answer(event, turn)]
    if turn == context.turn:
        answers.append(_text(answer))
    return FirstExchange(user, next(filter(None, reversed(answers)), ""))


def _is_from_user(event: Event) -> TypeGuard[UserMsg]:
    return isinstance(event, UserMsg) and event.origin == "user"


def _is_answer(event: Event, turn: int) -> TypeGuard[AssistantMsg]:
    return isinstance(event, AssistantMsg) and event.turn == turn and event.status == "completed"


def _text(content: Sequence[Block]) -> str:
    return "\n".join(block["text"] for block in content if block["type"] == "text").strip()
