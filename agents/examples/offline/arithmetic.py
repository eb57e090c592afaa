"""Finds the arithmetic expression in a sentence, if there is one."""

import re

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


def find_expression(text: str) -> str | None:
    """The first stretch of the text that is an operation on numbers; dates are not taken for differences."""
    text = DATE.sub(" ", text)
    for pattern, symbol in WORDS:
        text = pattern.sub(symbol, text)
    candidates = (match.group().strip(" \n\t,.=+") for match in CANDIDATE.finditer(text))
    return next((_balanced(found) for found in candidates if OPERATION.search(found)), None)


def _balanced(expression: str) -> str:
    """Without the closing bracket or the opening one that belongs to the sentence around it."""
    surplus = expression.count(")") - expression.count("(")
    while surplus > 0 and expression.endswith(")"):
        expression, surplus = expression[:-1].rstrip(), surplus - 1
    while surplus < 0 and expression.startswith("("):
        expression, surplus = expression[1:].lstrip(), surplus + 1
    return expression
