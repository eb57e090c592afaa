"""The offline assistant: a script with sensible, deterministic answers and tool calls, without a model."""

import re
from collections.abc import Container, Iterator, Sequence

from agents.examples.offline import phrases
from agents.examples.offline.entities import find_expression, find_timezone
from agents.models.protocol import Json, ModelRequest
from agents.models.scripted.message_history import assistant_texts, split_injected, tool_returns, user_texts
from agents.models.scripted.steps import Call, Step

NAME_TOLD = re.compile(r"\b(?:[Mm]y name is|[Cc]all me)\s+([^\W\d_][\w'-]*(?:\s+[A-Z][\w'-]*)*)")
NAME_ASKED = re.compile(r"\b(?:(?:what(?:'s| is| was)?|know|remember) my name|who am i)\b", re.IGNORECASE)
WORDS_ASKED = re.compile(r"\bwhat (?:did i|have i) (?:just )?(?:say|said|write|written)\b", re.IGNORECASE)
TIME_ASKED = re.compile(
    r"\bwhat (?:time|date|day)\b|\bwhat(?:'s| is) (?:the )?(?:time|date|weekday|day|today)\b|\btime is it\b"
    r"|\b(?:current|the|local) (?:time|date)\b|\bclock\b",
    re.IGNORECASE,
)
ANNOUNCEMENT = re.compile(
    r"\bannounce\b(?:\s+to (?:all|everybody|everyone))?(?:\s+that\b)?[\s:,]+(.+)", re.IGNORECASE | re.DOTALL
)
MEMORY_TOLD = re.compile(r"^\W*(?:please )?(remember|forget)\b(?: that\b)?[\s:,]+(.+)", re.IGNORECASE | re.DOTALL)
MEMORY_ASKED = re.compile(r"\bwhat do you (?:remember|know)(?: about me| of me)?\W*$", re.IGNORECASE)
LOCATION_ASKED = re.compile(r"\bwhere am i\b|\bmy (?:location|position)\b", re.IGNORECASE)
FILE_OFFERED = re.compile(r"\b(?:read|look at|open) (?:a|one of my|my) (?:file|picture|document)s?\b", re.IGNORECASE)
MAX_MEMORY = 500
SMALL_TALK = (
    (re.compile(r"\b(?:story|poem|long (?:answer|text))\b", re.IGNORECASE), phrases.STORY),
    (re.compile(r"\b(?:help|what can you do|who are you|what are you)\b", re.IGNORECASE), phrases.ABILITIES),
    (re.compile(r"\b(?:thanks|thank you)\b", re.IGNORECASE), phrases.WELCOME),
    (re.compile(r"^\W*(?:hi|hello|hey|good (?:morning|evening))\b", re.IGNORECASE), phrases.GREETING),
)


def assistant_script(request: ModelRequest) -> Step:
    """A sentence for each tool result, then a reply to the last message; it says once that it is offline."""
    messages, remembered = split_injected(request)
    paragraphs = [] if _notice_given(messages) else [phrases.NOTICE]
    results = tool_returns(messages)
    paragraphs += [phrases.describe_result(result) for result in results]
    calls: Sequence[Call] = ()
    if not results or user_texts(messages[-1:]):
        calls, answer = _respond(user_texts(messages), remembered, {tool.get("name") for tool in request.tools})
        paragraphs.append(answer)
    return Step("\n\n".join(paragraphs), calls)


def _notice_given(messages: Sequence[Json]) -> bool:
    return any(phrases.NOTICE in text for text in assistant_texts(messages))


def _respond(texts: Sequence[str], remembered: str, offered: Container[str | None]) -> tuple[Sequence[Call], str]:
    """Calls and text for the last of the user's texts; `remembered` is what middleware has injected."""
    if not texts:
        return (), phrases.SILENCE
    calls = list(_wanted_calls(texts[-1]))
    missing = [call.name for call in calls if call.name not in offered]
    if missing:
        return (), f"For that I would need the tool `{missing[0]}`, which this agent does not have."
    if calls:
        return calls, phrases.CALLING[calls[0].name] if len(calls) == 1 else phrases.CALLING_SEVERAL
    if MEMORY_ASKED.search(texts[-1]):
        return (), remembered or phrases.NOTHING_KNOWN
    return (), _answer(texts)


def _wanted_calls(text: str) -> Iterator[Call]:
    if announcement := ANNOUNCEMENT.search(text):
        yield Call("announce", {"text": announcement[1].strip()})
        return
    if memory := MEMORY_TOLD.search(text):
        yield Call(memory[1].lower(), {"text": memory[2].strip()[:MAX_MEMORY]})
        return
    if LOCATION_ASKED.search(text):
        yield Call("get_location", {"purpose": "You asked where you are."})
    if FILE_OFFERED.search(text):
        yield Call("pick_file", {"purpose": "You offered a file."})
    if TIME_ASKED.search(text):
        yield Call("clock", {"timezone": find_timezone(text) or "UTC"})
    if expression := find_expression(text):
        yield Call("calculator", {"expression": expression})


def _answer(texts: Sequence[str]) -> str:
    text = texts[-1]
    if NAME_ASKED.search(text):
        return _name(texts)
    if WORDS_ASKED.search(text):
        return phrases.NOTHING_SAID if len(texts) < 2 else f"Just before, you said: “{texts[-2]}”"
    if told := NAME_TOLD.search(text):
        return f"Nice to meet you, {told[1]}. I will remember your name in this conversation."
    small_talk = (reply for pattern, reply in SMALL_TALK if pattern.search(text))
    return next(small_talk, None) or phrases.echo(text)


def _name(texts: Sequence[str]) -> str:
    names = [match[1] for text in texts if (match := NAME_TOLD.search(text))]
    return f"Your name is {names[-1]}." if names else phrases.NAME_UNKNOWN
