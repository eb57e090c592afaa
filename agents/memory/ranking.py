"""Which memories fit some words best: by the words themselves, or by another ranking, such as one of embeddings."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from agents.folding import fold

WORD: Final = re.compile(r"\w+")

Ranking = Callable[[str, Sequence[str]], Awaitable[Sequence[float]]]
"""For a query and some texts: how well each fits, 0 for not at all. The order of the answer is that of the texts."""


async def by_words(query: str, texts: Sequence[str]) -> Sequence[float]:
    """The share of the query's words that a text has; a beginning of a word of at least three letters counts half."""
    wanted = words_of(query)
    return [_share(wanted, words_of(text)) for text in texts]


def fold_words(text: str) -> str:
    """By what memories are compared: as `fold`, and without regard to white space."""
    return " ".join(fold(text).split())


def words_of(text: str) -> frozenset[str]:
    """The words of a text, as they are compared."""
    return frozenset(WORD.findall(fold_words(text)))


def _share(wanted: frozenset[str], known: frozenset[str]) -> float:
    if not wanted:
        return 0.0
    found = len(wanted & known) + sum(0.5 for word in wanted - known if _begins(word, known))
    return found / len(wanted)


def _begins(word: str, known: frozenset[str]) -> bool:
    return len(word) >= 3 and any(other.startswith(word) for other in known)
