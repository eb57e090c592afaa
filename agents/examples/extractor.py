"""Finds the contacts in any text and answers with an object; start here for structured output."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from agents.agent import Agent
from agents.models import Model

PROMPT = """\
Extract every contact from what you are given: text, images or documents. Copy, never guess: what is not there is null.
Write telephone numbers as they stand. Nobody in it means an empty list.
"""


class Contact(BaseModel):
    """One person, or an address without a name."""

    name: str | None
    email: str | None
    telephone: str | None
    organisation: str | None


class Contacts(BaseModel):
    """The answer: it is validated, kept on the message, and asked for again if it does not fit."""

    contacts: Annotated[Sequence[Contact], Field(description="In the order in which they appear.")]


def extractor(model: Model) -> Agent:
    """An extractor on `model`; it reads images and documents if the model does."""
    return Agent(
        name="extractor",
        description="reads contacts out of text, images and documents",
        suggestions=("Ada Lovelace, ada@example.org, +44 20 7946 0000",),
        model=model,
        system_prompt=PROMPT,
        output=Contacts,
        on_busy="queue",
    )
