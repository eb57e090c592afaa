"""Code with its syntax marked by CSS classes, for the languages that Pygments knows."""

from typing import Final

from pygments import formatters, highlight, lexers, token, util

MAX_COLOURED: Final = 20_000
"""Longer code stays plain: colouring costs time in the process that serves everybody's streams."""

CLASSES: Final = frozenset(str(name) for name in token.STANDARD_TYPES.values() if name)
"""Every class that `coloured` can put on a span."""

_FORMATTER = formatters.HtmlFormatter(nowrap=True)


def coloured(code: str, language: str) -> str | None:
    """The HTML of `code`, escaped; None when the language is unknown or the code too long to be worth it."""
    if not language or len(code) > MAX_COLOURED:
        return None
    try:
        return str(highlight(code, lexers.get_lexer_by_name(language), _FORMATTER))
    except util.ClassNotFound:
        return None
