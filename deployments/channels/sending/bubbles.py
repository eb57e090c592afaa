"""Makes bubbles of an answer: at the model's own breaks, and where a part is longer than the channel takes.

A part that is too long is cut at the end of a line, of a sentence, at a space, and only then within a word: never in a
code block, a link or a grapheme, unless that alone is too long. A block of code that is too long is closed and opened
again. White space at a cut is left out, and nothing else.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from deployments.channels.channel import Bubble, Channel
from deployments.channels.sending.graphemes import boundary_before

Length = Callable[[str], int]

BREAK = "[break]"
HOW_TO_BREAK = (
    "You write to a person in a chat. Text as people do: short messages. A blank line ends a message and begins the "
    f"next one. If a message needs blank lines of its own, put {BREAK} alone on a line between your messages instead."
)
"""What an agent is told that answers in such a channel."""

MAX_OWN_BREAKS = 10
"""More parts than these are put together again: an essay is not texted by the paragraph."""

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
BREAK_LINE = re.compile(rf"^[ \t]*{re.escape(BREAK)}[ \t]*$", re.MULTILINE)
WHOLE = re.compile(
    r"!?\[[^\]\n]{0,300}\]\([^)\s]{0,2000}(?:\s[^)\n]{0,300})?\)|`[^`\n]+`|(?:https?://|www\.|mailto:)\S+"
)
"""What is not to be cut: links and code within a line."""
SENTENCE_END = re.compile(r"[.!?…]+[\"')\]»”’]*(?=\s)|[。！？｡]+[」』”’）)]*")
MIN_FILLED = 0.5
"""A sentence's end, or a line's, counts as a place to cut if it leaves at least this part of a bubble filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A bubble to send, and the answer whose words it has; None: it is no part of one, such as a notice."""

    bubble: Bubble
    message_id: str | None = None


def outgoing(answers: Sequence[tuple[str, str]], job: str, channel: Channel) -> list[Outgoing]:
    """The bubbles of answers, each given as its `message_id` and text, with the guids `{job}-{index}`."""
    limit = channel.capabilities.max_characters
    parts = [(message_id, part) for message_id, text in answers for part in split(text, limit, channel.length)]
    return [
        Outgoing(bubble=Bubble(guid=f"{job}-{index}", text=part), message_id=message_id)
        for index, (message_id, part) in enumerate(parts)
    ]


def split(text: str, limit: int, length: Length = len) -> list[str]:
    """The parts of a text, each with something to read and at most `limit` long, as `length` counts.

    By `length`, a text is no longer than its parts together, and no shorter than any of them. A code point that alone
    is longer than the limit is a part all the same. Raises ValueError without room.
    """
    if limit < 1:
        raise ValueError(f"no text fits into {limit} characters")
    parts = _at_break_lines(text)
    if len(parts) == 1:
        parts = _gathered([*_at_blank_lines(text)], limit, length)
    return [piece for part in parts for piece in _within(part, limit, length)]


def _at_break_lines(text: str) -> list[str]:
    """The parts between lines that have nothing but the token; such a line in a code block is code."""
    parts: list[list[str]] = [[]]
    for line, is_code in _lines(text):
        if not is_code and BREAK_LINE.fullmatch(line.rstrip("\r\n")):
            parts.append([])
        else:
            parts[-1].append(line)
    return ["".join(part) for part in parts]


def _at_blank_lines(text: str) -> Iterator[str]:
    part: list[str] = []
    for line, is_code in _lines(text):
        if line.strip() or is_code:
            part.append(line)
        elif part:
            yield "".join(part)
            part = []
    if part:
        yield "".join(part)


def _gathered(parts: Sequence[str], limit: int, length: Length) -> list[str]:
    """The parts with headings, and with what announces something, put before what follows; and not too many."""
    joined: list[str] = []
    smallest = -(-sum(map(len, parts)) // MAX_OWN_BREAKS) if len(parts) > MAX_OWN_BREAKS else 0
    for part in parts:
        together = f"{joined[-1].rstrip()}\n\n{part}" if joined else part
        belongs = joined and (_announces(joined[-1]) or len(joined[-1]) < smallest)
        if belongs and length(together.strip()) <= limit:
            joined[-1] = together
        else:
            joined.append(part)
    return joined


def _announces(part: str) -> bool:
    last = part.rstrip().rpartition("\n")[2]
    return last.startswith("#") or last.endswith((":", "："))


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """The lines with their ends, and the number of the block of code that each is in, with its fences; 0: in none."""
    fence, blocks = "", 0
    for line in re.split(r"(?<=\n)", text):
        found = FENCE.fullmatch(line.rstrip("\r\n"))
        if fence:
            yield line, blocks
            if found and found[1].startswith(fence) and not found[2].strip():
                fence = ""
        else:
            fence = found[1] if found and "`" not in found[2] else ""
            blocks += bool(fence)
            yield line, blocks if fence else 0


def _within(part: str, limit: int, length: Length) -> Iterator[str]:
    """The part, or several of it where it is too long: words and blocks of code by themselves."""
    part = _trimmed(part)
    if not part:
        return
    if length(part) <= limit:
        yield part
        return
    for block, lines in groupby(_lines(part), key=itemgetter(1)):
        run = _trimmed("".join(line for line, _ in lines))
        if run and length(run) <= limit:
            yield run
        elif block:
            yield from _code_within(run, limit, length)
        else:
            yield from _words_within(run, limit, length)


def _code_within(block: str, limit: int, length: Length) -> Iterator[str]:
    """A block of code in blocks that fit, each with the fences; without them if these leave no room for code."""
    first, _, body = block.partition("\n")
    opening = FENCE.fullmatch(first.rstrip("\r"))
    fence = opening[1] if opening else "```"
    lines = body.split("\n")
    closing = FENCE.fullmatch(lines[-1].rstrip("\r"))
    if closing and closing[1].startswith(fence) and not closing[2].strip():
        lines.pop()
    around = length(f"{first}\n\n{fence}")
    if 2 * around > limit:
        yield from _words_within(block, limit, length)
        return
    kept = ""
    for line in lines:
        for piece in _cut_line(line, limit - around, length):
            longer = f"{kept}\n{piece}" if kept else piece
            if kept and length(f"{first}\n{longer}\n{fence}") > limit:
                if kept.strip():
                    yield f"{first}\n{kept}\n{fence}"
                longer = piece
            kept = longer
    if kept.strip():
        yield f"{first}\n{kept}\n{fence}"


def _cut_line(line: str, limit: int, length: Length) -> Iterator[str]:
    while length(line) > limit:
        place = _last_grapheme(line, _most(line, limit, length))
        yield line[:place]
        line = line[place:]
    yield line


def _words_within(words: str, limit: int, length: Length) -> Iterator[str]:
    while length(words) > limit:
        place = _place_to_cut(words, _most(words, limit, length))
        if piece := _trimmed(words[:place]):
            yield piece
        rest = words[place:]
        words = _trimmed(rest if words[place - 1] == "\n" else rest.lstrip(" \t"))
    if piece := _trimmed(words):
        yield piece


def _place_to_cut(words: str, most: int) -> int:
    """The best place to cut within the first `most` code points; at least 1."""
    least = most * MIN_FILLED
    whole = [(found.start(), found.end()) for found in WHOLE.finditer(words[: 2 * most])]

    def is_free(place: int) -> bool:
        return not any(start < place < end for start, end in whole)

    lines = words.rfind("\n", 0, most + 1)
    if lines >= least and is_free(lines):
        return lines + 1
    ends = [found.end() for found in SENTENCE_END.finditer(words[: most + 1]) if found.end() <= most]
    for place in reversed(ends):
        if place >= least and is_free(place) and boundary_before(words, place) == place:
            return place
    for place in range(min(most, len(words) - 1), 0, -1):
        if words[place].isspace() and is_free(place) and boundary_before(words, place) == place:
            return place
    started = next((start for start, end in whole if start < most < end and start > 0), most)
    return _last_grapheme(words, started)


def _last_grapheme(words: str, most: int) -> int:
    """The last boundary of graphemes, or `most` if the first one alone is longer."""
    return boundary_before(words, most) or most


def _most(words: str, limit: int, length: Length) -> int:
    """How many code points of the words are at most `limit` long; at least one, or none would ever be sent."""
    low, high = 1, min(limit, len(words))
    while high < len(words) and length(words[:high]) <= limit:
        low, high = high, min(2 * high, len(words))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if length(words[:middle]) <= limit else (low, middle - 1)
    return low


def _trimmed(part: str) -> str:
    """Without blank lines before it and white space after it; the indentation of its first line stays."""
    return re.sub(r"\A(?:[^\S\n]*\n)+", "", part.rstrip())
