"""Redaction: replaces secrets and personal data in answers before watchers see them and before they are logged.

A match may be split across the pieces of a stream. So the end of the text so far is held back as long as it may be the
beginning of a match. Whether something is a match depends only on the text, never on where the stream was split.
"""

import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from agents.definition_checks import check_middleware, element_problems, flag_problems, list_problems, shown
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware, StreamCall
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Completed, Json, ModelEvent, ModelRequest, TextChunk, ThinkingChunk, ToolUseStarted

MAX_MATCH_CHARACTERS = 512
WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%+@-]*\Z")


def _whole_match(match: str) -> int:
    return len(match)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is redacted; `name` replaces it, in brackets.

    `expression` matches it, and looks at no more than one character around it. `beginning` matches everything at the
    end of a text that may be the beginning of a match. `matched_length` gives the length of the part of a match to
    redact, from its start; 0: it was no match. No match has more than `max_characters`, and no more are held back.
    """

    name: str
    expression: re.Pattern[str]
    beginning: re.Pattern[str] = WORD
    matched_length: Callable[[str], int] = _whole_match
    max_characters: int = MAX_MATCH_CHARACTERS

    def first_match(self, text: str, position: int, limit: int) -> "Span | None":
        """The first match that begins from `position` up to, not including, `limit`."""
        while (match := self.expression.search(text, position)) is not None and (start := match.start()) < limit:
            if match.end() - start > self.max_characters:
                match = self.expression.match(text, start, start + self.max_characters)
            length = self.matched_length(match[0]) if match is not None else 0
            if length > 0:
                return Span(start, start + length, f"[{self.name}]")
            position = start + 1
        return None

    def undecided_from(self, text: str) -> int:
        """The position from which the end of the text may become a match, or a longer one, with more text."""
        start = max(0, len(text) - self.max_characters)
        beginning = self.beginning.search(text, start)
        return beginning.start() if beginning is not None else len(text)


@dataclass(frozen=True, slots=True)
class Span:
    """A match, from `start` up to, not including, `end`."""

    start: int
    end: int
    replacement: str


def _card_number_length(match: str) -> int:
    """The length of the longest prefix of 13 to 19 digits whose check digit (Luhn) is right."""
    digits = [position for position, character in enumerate(match) if character.isdigit()]
    for count in range(len(digits), 12, -1):
        end = digits[count - 1] + 1
        ends_here = end == len(match) or not match[end].isdigit()
        if ends_here and _has_valid_check_digit([int(match[position]) for position in digits[:count]]):
            return end
    return 0


def _has_valid_check_digit(digits: list[int]) -> bool:
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _key_length(match: str) -> int:
    """Keys are random and contain a digit; long words with hyphens do not."""
    return len(match) if any(character.isdigit() for character in match) else 0


E_MAIL = Pattern(
    "e-mail address",
    re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}"),
)
CARD_NUMBER = Pattern(
    "card number",
    re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])"),
    re.compile(r"[0-9](?:[ -]?[0-9])*[ -]?\Z"),
    _card_number_length,
    max_characters=37,
)
API_KEY = Pattern(
    "API key",
    re.compile(
        r"(?<![A-Za-z0-9])"
        r"(?:(?:sk|pk|rk)[-_]|gh[oprsu]_|github_pat_|glpat-|xox[abeoprs]-|AKIA|ASIA|AIza)[A-Za-z0-9_-]{16,256}"
    ),
    matched_length=_key_length,
)
DEFAULTS = (API_KEY, E_MAIL, CARD_NUMBER)


class Redactor:
    """Redacts a text that comes in pieces; it holds back the end that may be part of a match."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._text = ""
        self._position = 0

    def feed(self, piece: str) -> str:
        """The redacted text that is decided now."""
        self._text += piece
        decided = min((pattern.undecided_from(self._text) for pattern in self._patterns), default=len(self._text))
        return self._release(decided)

    def end(self) -> str:
        """The redacted text that was held back; the text has ended."""
        said = self._release(len(self._text))
        self._text, self._position = "", 0
        return said

    def _release(self, decided: int) -> str:
        said = []
        for span in spans(self._text, self._patterns, self._position, decided):
            said += [self._text[self._position : span.start], span.replacement]
            self._position = span.end
        if self._position < decided:
            said.append(self._text[self._position : decided])
            self._position = decided
        keep_from = max(0, self._position - 1)  # an expression may look at one character before its match
        self._text, self._position = self._text[keep_from:], self._position - keep_from
        return "".join(said)


def spans(text: str, patterns: Sequence[Pattern], position: int, limit: int) -> Iterator[Span]:
    """The matches that begin from `position` up to, not including, `limit`, in order.

    None overlap. Where several begin at one position, the first pattern counts.
    """
    while found := [span for pattern in patterns if (span := pattern.first_match(text, position, limit)) is not None]:
        span = min(found, key=lambda span: span.start)
        yield span
        position = span.end


def redact(text: str, patterns: Sequence[Pattern] = DEFAULTS) -> str:
    """The text with its matches replaced."""
    redactor = Redactor(patterns)
    return "".join((redactor.feed(text), redactor.end()))


class Redaction(Middleware):
    """Redacts text and thinking; `arguments` says whether the arguments of calls are redacted as well.

    Put it before middleware that must not see the matches, and after middleware that must. Changed thinking loses the
    provider's signature, so it is kept for people and not sent again. The answers of sub-agents are redacted as well.
    """

    inherited = True

    def __init__(self, patterns: Sequence[Pattern] = DEFAULTS, *, arguments: bool = False) -> None:
        check_middleware(
            "Redaction",
            list_problems("patterns", patterns, "Pattern"),
            element_problems("patterns", patterns, _pattern_problems),
            flag_problems("arguments", arguments),
        )
        self._patterns = tuple(patterns)
        self._arguments = arguments

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        messages = [_without_unsigned_thinking(message) for message in request.messages]
        return replace(request, messages=[message for message in messages if message["content"]])

    async def stream(
        self, request: ModelRequest, call: StreamCall, context: TurnContext
    ) -> AsyncGenerator[ModelEvent, None]:
        redactor = Redactor(self._patterns)
        kind: type[TextChunk | ThinkingChunk] = TextChunk
        async with aclosing(call(request)) as events:
            async for event in events:
                if isinstance(event, TextChunk | ThinkingChunk) and not event.text:
                    continue
                if not isinstance(event, kind) and (rest := redactor.end()):
                    yield kind(rest)
                match event:
                    case TextChunk(text) | ThinkingChunk(text):
                        kind = type(event)
                        if said := redactor.feed(text):
                            yield kind(said)
                    case ToolUseStarted():
                        yield event
                    case Completed():
                        yield replace(event, content=self._redact_content(event.content))

    def _redact_content(self, blocks: Sequence[Json]) -> list[Json]:
        """The blocks as the stream has shown them; a match may reach from one block into the next."""
        content = [dict(block) for block in blocks]
        visible = [block for block in content if _visible_kind(block)]
        for kind, run in groupby(visible, _visible_kind):
            if kind == "tool_use":
                for block in run if self._arguments else ():
                    block |= {part: self._redact_value(block[part]) for part in ("input", "malformed") if part in block}
            else:
                self._redact_run(kind, list(run))
        return content

    def _redact_run(self, kind: str, blocks: Sequence[Json]) -> None:
        texts = [block[kind] for block in blocks]
        for block, text in zip(blocks, redact_run(texts, self._patterns), strict=True):
            if text != block[kind]:
                block[kind] = text
                block.pop("signature", None)

    def _redact_value(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        match value:
            case str():
                return redact(value, self._patterns)
            case dict():
                return {key: self._redact_value(inner) for key, inner in value.items()}
            case list():
                return [self._redact_value(inner) for inner in value]
        return value


def redact_run(texts: Sequence[str], patterns: Sequence[Pattern]) -> list[str]:
    """Adjacent texts, redacted as one text; the replacement of a match is in the text in which the match begins."""
    whole = "".join(texts)
    found = list(spans(whole, patterns, 0, len(whole)))
    results, start = [], 0
    for text in texts:
        end, position, said = start + len(text), start, []
        for span in found:
            if span.end > position and span.start < end:
                said.append(text[position - start : max(0, span.start - start)])
                said.append(span.replacement if span.start >= start else "")
                position = min(end, span.end)
        results.append("".join([*said, text[position - start :]]))
        start = end
    return results


def _visible_kind(block: Json) -> str:
    """How the stream shows a block; "" if it does not: such a block does not separate the blocks around it."""
    kind = str(block["type"])
    return kind if kind == "tool_use" or (kind in ("text", "thinking") and block[kind]) else ""


def _without_unsigned_thinking(message: Json) -> Json:
    if message["role"] != "assistant" or isinstance(message["content"], str):
        return message
    kept = [block for block in message["content"] if block["type"] != "thinking" or block.get("signature")]
    return {**message, "content": kept}


def _pattern_problems(what: str, pattern: object) -> Iterator[str]:
    if not isinstance(pattern, Pattern):
        yield f"{what} is no Pattern but {shown(pattern)}"
