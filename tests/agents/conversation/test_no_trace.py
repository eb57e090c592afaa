"""A deleted conversation leaves no trace: every key and value of Redis and every file of the archive is looked at."""

import gzip
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agents.agent import Agent
from agents.copies.export import export
from agents.copies.fork import NewFork, fork
from agents.errors import Superseded
from agents.middleware.budget import Budget
from agents.middleware.file_system import FileSystem
from agents.middleware.model_calls import ModelCalls
from agents.models import Call, ModelRequest, ScriptedModel, Step
from store import Archive, ConversationNotFound, Scope
from store.live.client_tools import new_watcher
from store.registries.copies import CopyMeta
from tests.servers.contents import dump_contents
from tests.support.conversations import World, rest, say, until
from tests.support.sub_agent_world import SubAgent, task

NAME = "zzz-the-conversation-zzz"
MARKER = "xylophone"
NOW = 1_800_000_000_000


def agent() -> Agent:
    """It writes a file, delegates, and is audited: all with the marker in it."""

    def work(request: ModelRequest) -> Step:
        steps = [
            Step(calls=[Call("write_file", {"path": f"{MARKER}.txt", "content": MARKER})]),
            Step(calls=[task("helper", MARKER)]),
            Step(f"{MARKER}!"),
        ]
        return steps[sum(message["role"] == "assistant" for message in request.messages)]

    helper = Agent(name="helper", model=ScriptedModel([Step(MARKER)]))
    middleware = (
        FileSystem(),
        SubAgent((helper,), general=False),
        Budget(conversation_tokens=10**9),
        ModelCalls(),
    )
    return Agent(name="worker", model=ScriptedModel(work), middleware=middleware)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
async def world(redis_url: str, redis_prefix: str, archive: Path) -> World:
    return World(redis_url, redis_prefix, archive=lambda: Archive(str(archive), segment_events=4, keep_events=1))


async def test_nothing_of_it_is_left(world: World, archive: Path, redis_url: str) -> None:
    store = world.store
    await store.registry.create(NAME, agent="worker", principal="acme/ada", title=f"On {MARKER}", now=NOW)
    conversation = await world.open(agent(), NAME)
    await say(conversation, f"play the {MARKER}", client_id=f"{MARKER}-1")
    await rest(conversation)
    await until(lambda: not conversation._driver.runtime.has_background)
    assert len(await store.registry.children(NAME)) == 1
    await store.members.set(NAME, "acme/vera", "viewer", NOW)
    await store.members.set(NAME, "acme/will", "writer", NOW)
    await store.members.remove(NAME, "acme/will", NOW)
    await store.registry.rename(NAME, f"{MARKER} again", NOW)
    files, scope = store.files, Scope("conversation", NAME)
    await files.write(scope, f"{MARKER}/a", MARKER.encode(), expected_version=None, now=NOW, change="0a")
    await files.move(scope, f"{MARKER}/a", f"{MARKER}/b", now=NOW, change="0b")
    await files.delete(scope, f"{MARKER}/b", change="0c")
    await store.client_tools.declare(NAME, new_watcher(), [MARKER])
    await store.texts.keep(await store.registry.get(NAME), MARKER.encode())
    meta = await store.registry.get(NAME)
    other = await fork(store, meta, None, NewFork(id="other", principal="acme/ada", channel="api"), NOW)
    [part async for part in export(store, meta, NOW)]
    await store.log.move_to_archive((NAME, meta.epoch), meta.archived_seq or 0, meta.last_seq - 1)
    assert (await store.registry.get(NAME)).archived_seq
    before = await dump_contents(redis_url, f"{store.keys.prefix}:*")
    assert NAME in before
    assert MARKER in before
    assert any(MARKER in text for text in texts_of(archive))
    conversation.abandon()

    await store.registry.delete(other.id)  # a copy that is of the same words, and knows where it comes from
    await store.registry.delete(NAME)

    left = await dump_contents(redis_url, f"{store.keys.prefix}:*")
    assert NAME not in left, find(left, NAME)
    assert MARKER not in left, find(left, MARKER)
    assert not any(NAME in path.name or MARKER in path.name for path in archive.rglob("*"))
    assert not any(MARKER in text for text in texts_of(archive))


async def test_what_is_done_to_it_afterwards_is_for_nothing(world: World, redis_url: str) -> None:
    """By processes that have not heard of it yet."""
    store = world.store
    await store.registry.create(NAME, agent="worker", principal="acme/ada", now=NOW)
    conversation = await world.open(agent(), NAME)
    meta = await store.registry.get(NAME)
    copy = await store.copies.begin(NAME)
    await store.registry.delete(NAME)
    for late in (
        say(conversation, MARKER),
        store.registry.rename(NAME, MARKER, NOW),
        store.members.set(NAME, MARKER, "viewer", NOW),
        store.files.write(Scope("conversation", NAME), MARKER, b"", expected_version=None, now=NOW),
        store.usage.record(f"conversation:{NAME}", MARKER, tokens=1, cost=1, lifetime=None),
        store.model_calls.record(NAME, MARKER.encode(), lifetime=60, now=NOW),
        store.texts.keep(meta, MARKER.encode()),
    ):
        with suppress(ConversationNotFound, Superseded):
            await late
    left = await dump_contents(redis_url, f"{store.keys.prefix}:*")
    assert NAME not in left, find(left, NAME)
    assert MARKER not in left, find(left, MARKER)
    await store.copies.complete(copy, CopyMeta(agent="a", principal="p", channel="api", created_at=1, updated_at=1))
    await store.registry.delete(NAME)


def texts_of(archive: Path) -> Iterator[str]:
    for path in archive.rglob("*.gz"):
        yield gzip.decompress(path.read_bytes()).decode()


def find(text: str, word: str) -> str:
    """Around its first place."""
    at = text.index(word)
    return text[max(0, at - 300) : at + 100]
