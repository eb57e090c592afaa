"""Finds what a sentence is about: the arithmetic expression in it, or the time zone that it names."""

import re
from functools import cache
from zoneinfo import available_timezones

WORDS = (
    (re.compile(r"\bplus\b", re.IGNORECASE), "+"),
    (re.compile(r"\bminus\b", re.IGNORECASE), "-"),
    (re.compile(r"\b(?:times|multiplied by)\b", re.IGNORECASE), "*"),
    (re.compile(r"\bdivided by\b", re.IGNORECASE), "/"),
    (re.compile(r"\bto the power of\b", re.IGNORECASE), "**"),
    (re.compile(r"\bsquare root of\s+(\d+(?:\.\d+)?)", re.IGNORECASE), r"sqrt(\1)"),
    (re.compile(r"(?<=[\d)])\s*x\s*(?=[\d(])"), " * "),
)
FUNCTION = r"(?:sqrt|log10|log2|log|exp|sin|cos|tan|abs|round|floor|ceil|min|max)\s*\("
CANDIDATE = re.compile(rf"(?:{FUNCTION}|\bpi\b|\d|[-+(.])(?:{FUNCTION}|\bpi\b|[\d\s.,+\-*/%^()×÷·−])*")
OPERATION = re.compile(r"[\d)i]\s*(?:[-+*/%^×÷·−]|\*\*|//)\s*[-+]?\s*[\d(a-z.]|[a-z]\s*\(")
DATE = re.compile(r"\b\d{4}-\d\d?-\d\d?\b|\b\d\d?[./]\d\d?[./]\d{2,4}\b")
IANA = re.compile(r"\b[A-Z][A-Za-z]+/[A-Z][A-Za-z_+-]+(?:/[A-Z][A-Za-z_]+)?\b")
PLACE = re.compile(r"\bin ((?:[^\W\d_]+[ ]?){1,3})", re.IGNORECASE)


def find_expression(text: str) -> str | None:
    """The first part of the text that is an operation on numbers, None without one; a date is no difference."""
    text = DATE.sub(" ", text)
    for pattern, symbol in WORDS:
        text = pattern.sub(symbol, text)
    candidates = (match.group().strip(" \n\t,.=+") for match in CANDIDATE.finditer(text))
    return next((_balanced(found) for found in candidates if OPERATION.search(found)), None)


def find_timezone(text: str) -> str | None:
    """The IANA name in the text, or the zone of the city after "in"; None when the text names neither."""
    if named := IANA.search(text):
        return named[0]
    if place := PLACE.search(text):
        words = place[1].lower().split()
        lengths = range(len(words), 0, -1)
        return next((zone for length in lengths if (zone := _cities().get("_".join(words[:length])))), None)
    return None


def _balanced(expression: str) -> str:
    """The expression without the brackets that belong to the sentence around it."""
    surplus = expression.count(")") - expression.count("(")
    while surplus > 0 and expression.endswith(")"):
        expression, surplus = expression[:-1].rstrip(), surplus - 1
    while surplus < 0 and expression.startswith("("):
        expression, surplus = expression[1:].lstrip(), surplus + 1
    return expression


@cache
def _cities() -> dict[str, str]:
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return {zone.rsplit("/", 1)[-1].lower(): zone for zone in zones}
