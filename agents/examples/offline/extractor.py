"""The script of the extractor: patterns find what looks like a contact."""

import re

import orjson

from agents.models import ModelRequest, Step
from agents.models.scripted.message_history import turn_of

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
TELEPHONE = re.compile(r"\+?\d[\d /()-]{5,}\d")
NAME = re.compile(r"\b[A-ZÄÖÜ][a-zäöüß]+(?: [A-ZÄÖÜ][a-zäöüß]+)+")
ORGANISATION = re.compile(r"\b(?:of|at|from|with) ((?:[A-ZÄÖÜ][\w&-]*)(?: [A-ZÄÖÜ][\w&-]*)*)")
PASSAGE = re.compile(r"[\n;]+|(?<=[.!?])\s+(?=[A-ZÄÖÜ])")


def extractor_script(request: ModelRequest) -> Step:
    """One contact for each passage with an email address or a telephone number."""
    passages = PASSAGE.split(turn_of(request).prompt)
    contacts = [_contact(passage) for passage in passages if EMAIL.search(passage) or TELEPHONE.search(passage)]
    return Step(orjson.dumps({"contacts": contacts}, option=orjson.OPT_INDENT_2).decode())


def _contact(passage: str) -> dict[str, str | None]:
    email, telephone = EMAIL.search(passage), TELEPHONE.search(passage)
    name, organisation = NAME.search(passage), ORGANISATION.search(passage)
    return {
        "name": name and name[0],
        "email": email and email[0],
        "telephone": telephone and telephone[0],
        "organisation": organisation and organisation[1],
    }
