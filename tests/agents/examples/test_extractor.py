"""The extractor offline: it answers any text with an object of its class."""

from typing import Any

import pytest

from agents.examples import extractor
from agents.examples.extractor import Contacts
from agents.examples.offline.extractor import extractor_script
from agents.models import ScriptedModel
from agents.turn.events import AssistantMsg
from tests.support.conversations import World, ends, rest, say

NOTE = """\
I met Ada Lovelace of Analytical Engines, ada@engines.example. You can call Charles Babbage (+44 20 7946 0000)!
info@engines.example is read by nobody; it was a nice day.
"""


def contact(**known: str) -> dict[str, str | None]:
    return {"name": None, "email": None, "telephone": None, "organisation": None, **known}


@pytest.mark.parametrize(
    ("said", "contacts"),
    [
        (
            NOTE,
            [
                contact(name="Ada Lovelace", email="ada@engines.example", organisation="Analytical Engines"),
                contact(name="Charles Babbage", telephone="+44 20 7946 0000"),
                contact(email="info@engines.example"),
            ],
        ),
        ("nobody at all", []),
    ],
    ids=["three", "none"],
)
async def test_the_answer_is_an_object(world: World, said: str, contacts: list[Any]) -> None:
    conversation = await world.start(extractor(ScriptedModel(extractor_script)))
    await say(conversation, said)
    assert await rest(conversation) == "idle"
    events = await world.events()
    [answer] = [event for event in events if isinstance(event, AssistantMsg)]
    assert answer.output == {"contacts": contacts}
    assert Contacts.model_validate(answer.output).model_dump(mode="json") == answer.output
    assert ends(events) == [("completed", None)]
