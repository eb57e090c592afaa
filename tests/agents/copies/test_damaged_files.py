"""Files that are not as an export wrote them: each is refused with the number of the line, and leaves nothing."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from agents.copies import import_file as importing
from agents.errors import InvalidImport
from agents.models import Step
from store import ConversationExists, Scope
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, rest, say
from tests.support.copies import exported, imported, sealed
from tests.support.leaks import all_keys
from tests.support.long_log import write_log
from tests.support.sub_agent_world import boss, scholar, task

Lines = list[bytes]
Change = Callable[[Any], object]


async def lines_of(world: World) -> Lines:
    """Header, conversation, two files, the six records of a turn with a call, a sub-agent's four lines, the end."""
    agent = boss(scholar(Step("Done."), name="helper"), calls=[task("helper", "do it")])
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    for path in ("a", "b"):
        await world.store.files.write(Scope("conversation", "c"), path, b"x", expected_version=None, now=1)
    lines = await exported(world.store, "c")
    await world.store.registry.delete("c")
    assert [next(iter(orjson.loads(line))) for line in lines] == [
        *("format", "conversation", "file", "file", "seq", "seq", "seq", "seq", "seq", "seq"),
        *("conversation", "seq", "seq", "seq", "end"),
    ]
    return lines


def changed(number: int, change: Change) -> Callable[[Lines], Lines]:
    """The file with another object at that line (from 1), and a true digest."""

    def rewrite(lines: Lines) -> Lines:
        found = orjson.loads(lines[number - 1])
        change(found)
        rewritten = [*lines[: number - 1], orjson.dumps(found), *lines[number:]]
        return rewritten if number == len(lines) else sealed(rewritten)

    return rewrite


def put(*path: str | int, value: object) -> Change:
    def change(found: Any) -> None:
        for name in path[:-1]:
            found = found[name]
        found[path[-1]] = value

    return change


def without(*numbers: int) -> Callable[[Lines], Lines]:
    return lambda lines: sealed([line for number, line in enumerate(lines, 1) if number not in numbers])


CASES: dict[str, tuple[int, str, Callable[[Lines], Lines]]] = {
    "empty": (1, "ends here", lambda _: []),
    "no JSON": (1, "not JSON", lambda _: [b"hello"]),
    "no object": (1, "no object", lambda _: [b"[]"]),
    "another format": (1, "no header", changed(1, put("format", value="chat"))),
    "another version": (1, "version 2", changed(1, put("version", value=2))),
    "no version": (1, "version None", changed(1, lambda found: found.pop("version"))),
    "no header": (1, "no header", without(1)),
    "truncated after a line": (15, "ends here", lambda lines: lines[:-1]),
    "truncated in a turn": (9, "ends here", lambda lines: lines[:8]),
    "truncated in a line": (8, "not JSON", lambda lines: [*lines[:7], lines[7][:40]]),
    "a changed byte": (15, "digest", lambda lines: [*lines[:4], lines[4].replace(b"hello", b"hellO"), *lines[5:]]),
    "a further line": (16, "after the end", lambda lines: [*lines, lines[4]]),
    "an empty line": (3, "not JSON", lambda lines: [*lines[:2], b"", *lines[2:]]),
    "an unknown line": (3, "no lines with 'x'", lambda lines: [*lines[:2], b'{"x":1}', *lines[2:]]),
    "a record twice": (6, "seq 1 where 2", lambda lines: sealed([*lines[:5], *lines[4:]])),
    "a record left out": (6, "seq 3 where 2", without(6)),
    "records before all": (2, "no conversation", without(2, 3, 4)),
    "the same conversation": (11, "comes twice", lambda lines: sealed([*lines[:10], lines[1], *lines[10:]])),
    "no end of the turn": (10, "in the middle of a turn", without(10)),
    "fewer than counted": (11, "2 conversations", without(11, 12, 13, 14)),
    "another type": (5, "the type 'x'", changed(5, put("record", "type", value="x"))),
    "a newer record": (5, "newer", changed(5, put("record", "v", value=99))),
    "no time": (5, "no time", changed(5, put("record", "at", value="now"))),
    "a foreign field": (5, "no field 'html'", changed(5, put("record", "html", value="<script>"))),
    "a wrong type": (5, "user_msg.content", changed(5, put("record", "content", value=7))),
    "a block without a type": (5, "content.type", changed(5, put("record", "content", value=[{"text": "x"}]))),
    "a field that is missing": (5, "Field required", changed(5, lambda found: found["record"].pop("content"))),
    "another turn": (5, "does not follow", changed(5, put("record", "turn", value=7))),
    "a reserved client id": (5, "NUL", changed(5, put("record", "client_id", value="\0cancel 1"))),
    "a result without a call": (8, "no open call", changed(8, put("record", "tool_call_id", value="x"))),
    "a parent that is not there": (11, "no parent", changed(11, put("conversation", "parent", value="x"))),
    "a call that is not there": (11, "no record 99", changed(11, put("conversation", "parent_seq", value=99))),
    "a line too much": (2, "nothing else", changed(2, put("x", value=1))),
    "a field too much": (2, "conversation.epoch", changed(2, put("conversation", "epoch", value=1))),
    "no owner": (2, "conversation.owner", changed(2, lambda found: found["conversation"].pop("owner"))),
    "a time that is text": (2, "conversation.created_at", changed(2, put("conversation", "created_at", value="1"))),
    "the same path": (4, "'a' is taken", changed(4, put("file", "path", value="a"))),
    "a path in a file": (4, "is taken", changed(4, put("file", "path", value="a/b"))),
    "a bad path": (4, "not a path", changed(4, put("file", "path", value="../b"))),
    "no base64": (4, "", changed(4, put("file", "base64", value="!"))),
    "a large file": (
        4,
        "too large",
        changed(4, put("file", "base64", value=base64.b64encode(bytes(2 * 1024**2)).decode())),
    ),
    "files behind records": (6, "before the records", lambda lines: sealed([*lines[:5], lines[2], *lines[5:]])),
}


@pytest.mark.parametrize("case", CASES)
async def test_it_is_refused_with_its_line_and_leaves_nothing(world: World, redis_url: str, case: str) -> None:
    number, problem, damage = CASES[case]
    lines = await lines_of(world)
    async with Redis.from_url(redis_url) as redis:
        before = await all_keys(redis)
        with pytest.raises(InvalidImport) as refused:
            await imported(world.store, damage(lines), "new")
        assert (refused.value.line, problem in refused.value.problem) == (number, True), str(refused.value)
        assert await all_keys(redis) == before
    await imported(world.store, lines, "new")


async def test_a_summary_has_to_be_of_a_point_of_rest(world: World) -> None:
    await write_log(world, worker(Bench().tool), "c", turns=3, keep=1, words="hello")
    lines = await exported(world.store, "c")
    await world.store.registry.delete("c")
    for name, value in (("after", 5), ("through_turn", 3), ("base", {"turn": 2, "else": 1})):
        with pytest.raises(InvalidImport) as refused:
            await imported(world.store, changed(len(lines) - 1, put("record", name, value=value))(lines))
        assert refused.value.line == len(lines) - 1
    await imported(world.store, lines)


async def test_an_agent_has_to_be_there(world: World) -> None:
    lines = await lines_of(world)
    with pytest.raises(InvalidImport, match="no agent 'boss'"):
        await imported(world.store, lines, is_agent=lambda name: name != "boss")


async def test_more_conversations_than_a_file_may_have(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_CONVERSATIONS", 1)
    with pytest.raises(InvalidImport, match="at most 1"):
        await imported(world.store, await lines_of(world))


async def test_an_id_that_is_taken_meanwhile_is_refused_as_a_whole(world: World, redis_url: str) -> None:
    lines = await lines_of(world)
    first = await asyncio.gather(*(imported(world.store, lines, "new") for _ in range(3)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in first) == [
        "ConversationExists",
        "ConversationExists",
        "ConversationMeta",
    ]
    async with Redis.from_url(redis_url) as redis:
        before = await all_keys(redis)
        with pytest.raises(ConversationExists):
            await imported(world.store, lines, "new")
        assert await all_keys(redis) == before
    assert len(await world.store.registry.children("new")) == 1
