"""Which paths a pattern means: `*.md` by name anywhere, `notes/*.md` by place, `**` for any number of directories."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache


def matches(path: str, pattern: str) -> bool:
    """A pattern without `/` is compared with the name alone."""
    parts = tuple(path.split("/"))
    if "/" not in pattern:
        return fnmatchcase(parts[-1], pattern)
    return _matches(parts, tuple(pattern.removeprefix("/").split("/")))


def _matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    # By remembered positions: a recursion without memory would take exponential time for some patterns.
    @cache
    def rest(part: int, pattern: int) -> bool:
        if pattern == len(patterns):
            return part == len(parts)
        if patterns[pattern] == "**":
            return rest(part, pattern + 1) or (part < len(parts) and rest(part + 1, pattern))
        return part < len(parts) and fnmatchcase(parts[part], patterns[pattern]) and rest(part + 1, pattern + 1)

    return rest(0, 0)
