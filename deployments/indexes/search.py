"""Searches the titles and the messages of conversations; how much one page of a list reads for it is bounded.

There is no inverted index. Beside each conversation that is searched stands its text, in the conversation's own
slot, made of the log at the first search, brought up to the log at each later one, and gone a week after the last.
So a turn never waits for it, it is as large as what is searched, and nothing is found of a conversation that is gone.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents.folding import fold
from deployments.indexes.message_text import MessageText, Said, read_text, unpack
from store import ConversationMeta, Store

MAX_TEXTS: Final = 200
MAX_EVENTS: Final = 10_000
"""So many texts, and so many events of logs, are read for one page; the events are exceeded by one conversation's."""
WORD: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')
"""A phrase whose end is not written yet goes to the end."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where the words were found: in the title, or in a message."""

    said: Said | None = None

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        if self.said is None:
            return {"in": "title"}
        return {"in": "messages", "seq": self.said.seq, "text": self.said.text}


def words_of(text: str) -> tuple[str, ...]:
    """What has to be found, each anywhere: words, and phrases in quotation marks."""
    found = (fold(" ".join((quoted or word).split())) for quoted, word in WORD.findall(text))
    return tuple(dict.fromkeys(word for word in found if word))


class Search:
    """The search of one page."""

    def __init__(self, store: Store, words: Sequence[str], *, in_messages: bool) -> None:
        self._store = store
        self._words = words
        self._in_messages = in_messages
        self._texts = 0
        self._events = 0
        self.matches: dict[str, Match] = {}

    async def select(self, metas: Sequence[ConversationMeta], accepted: Sequence[bool]) -> list[bool]:
        """Which of the accepted ones are found; for fewer of them when enough has been read for one page."""
        missing = {
            meta.id: [word for word in self._words if word not in fold(" ".join((meta.title or "").split()))]
            for meta, is_accepted in zip(metas, accepted, strict=True)
            if is_accepted
        }
        asked = [meta for meta in metas if missing.get(meta.id)] if self._in_messages else []
        room = MAX_TEXTS - self._texts
        kept = dict(
            zip(
                (meta.id for meta in asked[:room]),
                await self._store.texts.get_many([meta.id for meta in asked[:room]]),
                strict=True,
            )
        )
        answers: list[bool] = []
        for meta in metas:
            if missing.get(meta.id) == []:
                self.matches[meta.id] = Match()
            elif meta.id in missing and self._in_messages:
                if meta.id not in kept or self._events >= MAX_EVENTS:
                    return answers
                await self._look_into(meta, kept[meta.id], missing[meta.id])
            answers.append(meta.id in self.matches)
        return answers

    async def _look_into(self, meta: ConversationMeta, packed: bytes | None, words: Sequence[str]) -> None:
        self._texts += 1
        text = await asyncio.to_thread(unpack, packed)
        if text is None or text.upto != meta.last_seq:
            # What lies ahead of the log was written for another conversation with this id, or for a log that was lost.
            known = text if text is not None and text.upto < meta.last_seq else None
            text, events = await read_text(self._store, meta, known)
            self._events += events
            if text.is_whole:  # else it is made again, when the archive is back
                await self._store.texts.keep(meta, await asyncio.to_thread(text.pack))
        found = await asyncio.to_thread(_find, text, words)
        if found is not None:
            self.matches[meta.id] = Match(found)


def _find(text: MessageText, words: Sequence[str]) -> Said | None:
    return text.find(words)
