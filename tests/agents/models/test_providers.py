"""Several providers of the Messages API in one process: each model talks to its own, with its own key."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from agents.agent import Agent, Catalog
from agents.models.anthropic.model import AnthropicModel
from agents.turn.inputs import UserMessage
from tests.messages_api import MessagesServer, Reply
from tests.support.conversations import World, ends, rest, spoken, text
from tests.support.model_requests import model_at, read, read_until_failure, request, text_of

KEYS = {"north": "key of the north", "south": "key of the south"}


@pytest.fixture
def providers() -> Iterator[dict[str, MessagesServer]]:
    """Two providers that accept one key each, and answer with their name."""
    with MessagesServer(key=KEYS["north"]) as north, MessagesServer(key=KEYS["south"]) as south:
        north.responder = lambda _: Reply("This is the north.")
        south.responder = lambda _: Reply("This is the south.")
        yield {"north": north, "south": south}


@pytest.fixture
async def models(providers: dict[str, MessagesServer]) -> AsyncIterator[dict[str, AnthropicModel]]:
    models = {name: model_at(server, api_key=KEYS[name]) for name, server in providers.items()}
    yield models
    for model in models.values():
        await model.aclose()


def check_keys(providers: dict[str, MessagesServer]) -> None:
    """No provider has ever seen the key of another."""
    for name, server in providers.items():
        for received in server.requests:
            assert received.headers["authorization"] == f"Bearer {KEYS[name]}"
            others = [key for other, key in KEYS.items() if other != name]
            assert not any(key in f"{received.headers} {received.body}" for key in others)


async def test_at_once_in_one_process(providers: dict[str, MessagesServer], models: dict[str, AnthropicModel]) -> None:
    names = ["north", "south"] * 10
    answers = await asyncio.gather(*(read(models[name], request()) for name in names))
    assert [text_of(events) for events in answers] == [f"This is the {name}." for name in names]
    assert [len(server.requests) for server in providers.values()] == [10, 10]
    check_keys(providers)


async def test_a_wrong_key_is_no_way_in(providers: dict[str, MessagesServer]) -> None:
    model = model_at(providers["south"], api_key=KEYS["north"])
    _, error = await read_until_failure(model, request())
    await model.aclose()
    assert error.reason == "authentication"
    assert KEYS["north"] not in str(error)
    assert providers["south"].requests == []


async def test_closing_one_leaves_the_other_open(models: dict[str, AnthropicModel]) -> None:
    for model in models.values():
        await read(model, request())
    await models["north"].aclose()
    assert text_of(await read(models["south"], request())) == "This is the south."


async def test_in_one_catalog_and_in_one_conversation(
    providers: dict[str, MessagesServer], models: dict[str, AnthropicModel], world: World
) -> None:
    """An agent of each, and the other model by choice of the sender."""
    agents = [Agent(name=name, model=models[name], models=models) for name in models]
    assert Catalog({agent.name: agent for agent in agents}, default="north").get("south").model is models["south"]
    for agent in agents:
        other = "south" if agent.name == "north" else "north"
        conversation_id = f"with-{agent.name}"
        await world.create(agent, conversation_id)
        conversation = await world.open(agent, conversation_id)
        for model in (None, other):
            await conversation.send(UserMessage(content=text("Who is there?"), principal="ada", model=model))
            await rest(conversation)
        events = await world.events(conversation_id)
        assert [words for words, _ in spoken(events)] == [f"This is the {agent.name}.", f"This is the {other}."]
        assert ends(events) == [("completed", None)] * 2
    assert [server.rejections for server in providers.values()] == [[], []]
    check_keys(providers)
