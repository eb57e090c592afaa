"""By what texts of people are compared, where they search and where they repeat themselves."""

import unicodedata


def fold(text: str) -> str:
    """The text without regard to case and to forms of the same letter."""
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
