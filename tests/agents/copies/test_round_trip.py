"""What an export writes, an import reads back as it was: under the same id, or another one."""

from pathlib import Path

import orjson
import pytest

from agents.agent import Agent
from agents.copies.lawful_log import LawfulReader
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns, user_texts
from agents.tools import tool
from agents.turn.inputs import Resolve
from store import ConversationExists, ConversationMeta, Record, Scope, Store
from store.files.files import File
from store.registries.lists import of_principal
from tests.support.conversations import World, rest, say, spoken, until
from tests.support.copies import NOW, exported, imported
from tests.support.long_log import write_log
from tests.support.sub_agent_world import boss, child_of, scholar, task

LOGS = sorted((Path(__file__).parents[1] / "conversation" / "samples" / "logs").glob("*/*.jsonl"))
OWN = (
    "agent",
    "principal",
    "channel",
    "title",
    "project",
    "placement",
    "created_at",
    "updated_at",
    "last_seq",
    "state",
)
"""What both have; ids, epochs and where they lived are their own."""


@tool(approval="required")
def remove(what: str) -> str:
    """Remove something."""
    return f"{what} is gone"


def remover() -> Agent:
    def script(request: ModelRequest) -> Step:
        if request.messages[-1]["content"][-1]["type"] == "tool_result":
            return Step(tool_returns(request.messages)[-1].text)
        return Step(calls=[Call("remove", {"what": user_texts(request.messages)[-1]})])

    return Agent(name="remover", model=ScriptedModel(script), tools=[remove])


async def contents(store: Store, conversation_id: str) -> tuple[list[object], list[Record], list[File]]:
    """All that a conversation is made of."""
    meta = await store.registry.get(conversation_id)
    files, scope = store.files, Scope("conversation", conversation_id)
    return (
        [getattr(meta, name) for name in (*OWN, "summary_seq", "forked_from", "forked_seq")],
        await store.log.read(conversation_id),
        [await files.read(scope, info.path) for info in await files.list(scope)],
    )


async def delete_all(world: World) -> None:
    for meta in (await world.store.registry.list(of_principal("ada"), limit=100))[0]:
        await world.store.registry.delete(meta.id)


async def talk(world: World) -> None:
    """A conversation with an approved call, a cancelled one, and files."""
    conversation = await world.start(remover())
    for decision in ("approve", "cancel"):
        await say(conversation, f"the ⅷ {decision}", client_id=decision)
        assert await rest(conversation) == "awaiting_input"
        [key] = conversation.inspect().pending
        if decision == "cancel":
            await conversation.cancel("ada")
        else:
            await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="bob"))
        await rest(conversation)
    await world.store.registry.rename("c", "Removing", NOW)
    scope = Scope("conversation", "c")
    version = await world.store.files.write(scope, "a/b.txt", "žluť".encode(), expected_version=None, now=5)
    await world.store.files.write(scope, "a/b.txt", b"two", expected_version=version, now=6)
    await world.store.files.write(scope, "bytes", bytes(range(256)), expected_version=None, now=7)
    await world.store.files.write(scope, "empty", b"", expected_version=None, now=8)


async def test_under_the_same_id_all_is_as_it_was(world: World) -> None:
    await talk(world)
    lines, before = await exported(world.store, "c"), await contents(world.store, "c")
    await delete_all(world)
    made = await imported(world.store, lines)
    assert (made.id, made.imported_at) == ("c", NOW)
    assert await contents(world.store, "c") == before
    again = await exported(world.store, "c")
    assert again[:-1] == lines[:-1]
    conversation = await world.open(remover())
    known = await say(conversation, "again", client_id="approve")
    assert (known.seq, known.duplicate) == (1, True)
    await say(conversation, "it")
    assert await rest(conversation) == "awaiting_input"


async def test_under_another_id_it_stands_beside_the_first(world: World) -> None:
    await talk(world)
    lines = await exported(world.store, "c")
    with pytest.raises(ConversationExists):
        await imported(world.store, lines)
    await imported(world.store, lines, "other")
    assert await contents(world.store, "other") == await contents(world.store, "c")
    listed, _ = await world.store.registry.list(of_principal("ada"), limit=10)
    assert {meta.id for meta in listed} == {"c", "other"}


@pytest.mark.parametrize("name", ["c", "other"])
async def test_sub_agents_come_along_at_every_depth(world: World, name: str) -> None:
    helper = scholar(Step("It is 42."), name="helper")
    scholar_ = boss(helper, calls=[task("helper", "compute")])
    middle = Agent(name="middle", model=scholar_.model, middleware=scholar_.middleware)
    conversation = await world.start(boss(middle, calls=[task("middle", "think"), task("middle", "think again")]))
    await say(conversation)
    await rest(conversation)
    await world.store.files.write(Scope("conversation", "c"), "note", b"n", expected_version=None, now=5)
    tree, before = await family(world.store, "c"), {}
    assert len(tree) == 5
    for one in tree:
        before[one.id] = await contents(world.store, one.id)
    lines = await exported(world.store, "c")
    await delete_all(world)
    await imported(world.store, lines, name)
    renamed = await family(world.store, name)
    assert [one.id.replace(name, "c", 1) for one in renamed] == [one.id for one in tree]
    for one, former in zip(renamed, tree, strict=True):
        assert await contents(world.store, one.id) == before[former.id]
        assert (one.depth, one.parent_call, one.parent_seq) == (former.depth, former.parent_call, former.parent_seq)
        assert (one.root, one.parent) == (name, former.parent and former.parent.replace("c", name, 1))
    assert [listed.id for listed in (await world.store.registry.list(of_principal("ada"), limit=10))[0]] == [name]


async def family(store: Store, conversation_id: str) -> list[ConversationMeta]:
    found = [await store.registry.get(conversation_id)]
    for one in found:
        found += sorted(await store.registry.children(one.id), key=lambda child: (child.parent_seq, child.id))
    return found


async def test_a_turn_that_waits_is_left_out_with_its_sub_agent(world: World) -> None:
    conversation = await world.start(boss(scholar(Step(hangs="before"), name="slow"), calls=[task("slow", "wait")]))
    await say(conversation)
    await until(lambda: next(reversed(world.doors.live)) != "c")
    assert (await child_of(world)).parent_seq > 0
    lines = await exported(world.store, "c")
    assert [next(iter(orjson.loads(line))) for line in lines] == ["format", "conversation", "end"]
    made = await imported(world.store, lines, "other")
    assert (made.last_seq, made.state) == (0, None)
    await conversation.cancel("ada")
    await rest(conversation)


async def test_a_long_log_with_a_summary_is_read_back(world: World) -> None:
    agent = Agent(name="talker", model=ScriptedModel(lambda request: Step(str(len(user_texts(request.messages))))))
    await write_log(world, agent, "c", turns=700, keep=5, words="hello")
    lines, before = await exported(world.store, "c"), await contents(world.store, "c")
    assert len(lines) == 2101 + 3
    await delete_all(world)
    await imported(world.store, lines)
    assert await contents(world.store, "c") == before
    conversation = await world.open(agent)
    assert (await say(conversation, "x", client_id="message-00000007")).duplicate
    await say(conversation, "x")
    await rest(conversation)
    assert spoken(await world.events())[-1][1] == "completed"


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_log_ever_written_is_lawful(path: Path) -> None:
    reader = LawfulReader()
    for seq, line in enumerate(path.read_bytes().splitlines(), 1):
        reader.check(orjson.loads(line), Record(seq, line))
    assert reader.facts.last_seq > 0
