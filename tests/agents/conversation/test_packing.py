"""A conversation at rest keeps its working set packed; nothing else about it changes."""

import pytest

from agents.agent import Agent
from agents.conversation import Conversation, driver
from agents.conversation import history as history_module
from agents.conversation.history import History
from agents.models import ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import user_texts
from agents.turn import Facts, Logged
from agents.turn.events import UserMsg
from tests.support.conversations import World, rest, say, text, until


def parrot(request: ModelRequest) -> Step:
    return Step(" / ".join(user_texts(request.messages)))


def packed(history: History) -> bool:
    return history._set is None


async def talk(conversation: Conversation, said: str) -> None:
    await say(conversation, said)
    await rest(conversation)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "PACK_SECONDS", 0.0)


async def test_it_remembers_when_it_is_spoken_to(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel(parrot)))
    for said in ("one", "two", "three"):
        await talk(conversation, said)
        await until(lambda: packed(conversation.history))
    [answer] = [
        block["text"]
        for event in conversation.history.events[-2:-1]
        for block in event.content  # type: ignore[union-attr]
    ]
    assert answer == "one / two / three"


async def test_a_double_is_known(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel(parrot)))
    first = await say(conversation, client_id="x")
    await rest(conversation)
    await until(lambda: packed(conversation.history))
    again = await say(conversation, client_id="x")
    assert (again.seq, again.duplicate) == (first.seq, True)


async def test_an_incarnation_without_work_is_packed_from_its_start(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel(parrot))
    conversation = await world.start(agent)
    await talk(conversation, "one")
    await world.crash(conversation)
    revived = await world.open(agent)
    await until(lambda: packed(revived.history))
    assert [entry.seq for entry in revived.history.logged] == [1, 2, 3]


def test_a_large_one_is_not_packed_since_unpacking_would_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MAX_PACKED_EVENTS", 2)
    logged = [Logged(seq, 1, UserMsg(turn=seq, content=text("hello"))) for seq in range(1, 4)]
    small, large = History(Facts(), None, logged[:2]), History(Facts(), None, logged)
    small.pack()
    large.pack()
    assert (packed(small), packed(large)) == (True, False)


def test_an_empty_one() -> None:
    history = History(Facts())
    history.pack()
    history.pack()
    assert history.logged == []
