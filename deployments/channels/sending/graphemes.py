"""Where a text may be cut without tearing a character apart that people see as one (UAX #29, with some caution)."""

import unicodedata

JOINER = "\u200d"
EXTENDING = frozenset({"Mn", "Me", "Mc"})
VIRAMA = 9
"""The combining class of the sign that joins two consonants of an Indic script."""
PREPENDED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
MAX_LOOK_BACK = 64
"""How many code points before a place are looked at to pair the letters of flags."""


def is_boundary(text: str, place: int) -> bool:
    """Whether a new grapheme begins at `place`. Where two scripts of rules disagree, it does not."""
    if not 0 < place < len(text):
        return True
    before, after = text[place - 1], text[place]
    if before.isascii() and after.isascii():
        return (before, after) != ("\r", "\n")
    if before == JOINER or before in PREPENDED or _extends(after):
        return False
    if unicodedata.combining(before) == VIRAMA and unicodedata.category(after) == "Lo":
        return False
    if _is_flag_letter(before) and _is_flag_letter(after):
        return _flag_letters_before(text, place) % 2 == 0
    return not (_is_jamo(before) and _is_jamo(after))


def boundary_before(text: str, place: int) -> int:
    """The last boundary at `place` or before it; 0 if the text is one grapheme up to there."""
    while place > 0 and not is_boundary(text, place):
        place -= 1
    return place


def _extends(character: str) -> bool:
    """Whether it belongs to the character before it: a mark, a skin tone, a selector, a tag, half a vowel's sign."""
    code = ord(character)
    if character == JOINER or code == 0x200C or 0x1F3FB <= code <= 0x1F3FF or 0xE0020 <= code <= 0xE007F:
        return True
    return code in (0xFF9E, 0xFF9F) or unicodedata.category(character) in EXTENDING


def _is_flag_letter(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _flag_letters_before(text: str, place: int) -> int:
    count = 0
    while count < min(place, MAX_LOOK_BACK) and _is_flag_letter(text[place - 1 - count]):
        count += 1
    return count


def _is_jamo(character: str) -> bool:
    """A part of a Hangul syllable, or a whole one, which may have further parts."""
    code = ord(character)
    return 0x1100 <= code <= 0x11FF or 0xA960 <= code <= 0xA97F or 0xAC00 <= code <= 0xD7FB
