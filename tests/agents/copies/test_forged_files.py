"""Files that were written to get more than an import gives: each is refused where it says so."""

from typing import Any

import orjson
import pytest

from agents.copies.markdown import markdown
from agents.errors import InvalidImport
from deployments.indexes.cursor import decode_cursor, encode_cursor
from store.registries.lists import of_principal
from tests.agents.copies.test_damaged_files import Change, changed, lines_of, put
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World
from tests.support.copies import NOW, exported, imported
from tests.support.long_log import write_log

YEAR_10000 = 253_402_300_800_000
WIDE_TITLE = "\ufdfa" * 200
"""A title whose letters are ordered by eighteen each."""


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def content(*blocks: object) -> Change:
    return put("record", "content", value=list(blocks))


CASES: dict[str, tuple[int, str, Change]] = {
    "deeper than is stored": (5, "levels deep", content({"type": "x", "y": nested(200)})),
    "a time that no calendar has": (5, "no time", put("record", "at", value=YEAR_10000)),
    "a truth as time": (5, "no time", put("record", "at", value=True)),
    "a change that no calendar has": (
        2,
        "conversation.updated_at",
        put("conversation", "updated_at", value=YEAR_10000),
    ),
    "a long title": (2, "conversation.title", put("conversation", "title", value="x" * 201)),
    "a text without words": (5, "content.text: Field required", content({"type": "text"})),
    "a text that is a number": (5, "content.text", content({"type": "text", "text": 5})),
    "a picture of nothing": (5, "content.source", content({"type": "image"})),
    "a picture of a text": (5, "content.source", content({"type": "image", "source": "x"})),
    "a document with a foreign title": (5, "content.title", content({"type": "document", "source": {}, "title": 1})),
    "a result without words": (8, "content.text", content({"type": "text"})),
    "a block that is a text": (5, "content", content("x")),
    "a negative cost": (6, "less than nothing", put("record", "cost", value=-1)),
    "negative tokens": (6, "less than nothing", put("record", "usage", value={"input_tokens": -1})),
    "more tokens than there are": (6, "more than there is", put("record", "usage", value={"input_tokens": 2**60})),
}


@pytest.mark.parametrize("case", CASES)
async def test_it_is_refused(world: World, case: str) -> None:
    number, problem, change = CASES[case]
    lines = await lines_of(world)
    with pytest.raises(InvalidImport) as refused:
        await imported(world.store, changed(number, change)(lines), "new")
    assert (refused.value.line, problem in refused.value.problem) == (number, True), str(refused.value)


async def test_a_value_deeper_than_is_written(world: World) -> None:
    """It can be read, but not be written again."""
    lines = changed(5, content({"type": "x", "y": "deep"}))(await lines_of(world))
    lines[4] = lines[4].replace(b'"deep"', b"[" * 260 + b"]" * 260)
    with pytest.raises(InvalidImport, match=r"line 5: .*[Rr]ecursion"):
        await imported(world.store, lines, "new")


async def test_a_base_says_what_the_log_says(world: World) -> None:
    """Reading begins with it: one that runs would act in the name of the person that it names, at once."""
    await write_log(world, worker(Bench().tool), "c", turns=3, keep=1, words="hello")
    lines = await exported(world.store, "c")
    await world.store.registry.delete("c")
    number = len(lines) - 1
    base = orjson.loads(lines[number - 1])["record"]["base"]
    for change in (
        {"running": True, "principal": "acme/boss"},
        {"calls": {}},
        {"turn": 3},
        {"turn": "2"},
        {"state": {"x": 1}},
        {"usage": {"cost": -1}},
        {"self_started": -1},
    ):
        with pytest.raises(InvalidImport) as refused:
            await imported(world.store, changed(number, put("record", "base", value=base | change))(lines), "new")
        assert refused.value.line == number, change
    without_turn = {name: value for name, value in base.items() if name != "turn"}
    with pytest.raises(InvalidImport):
        await imported(world.store, changed(number, put("record", "base", value=without_turn))(lines), "new")
    older = {"turn": base["turn"], "step": base["step"]}  # what there is later has a default
    await imported(world.store, changed(number, put("record", "base", value=older))(lines), "new")


async def test_an_owner_that_cannot_be(world: World) -> None:
    def refuse(owner: str) -> str:
        raise ValueError(f"{owner!r} can be no owner")

    with pytest.raises(InvalidImport, match="line 2: 'ada' can be no owner"):
        await imported(world.store, await lines_of(world), "new", owner_of=refuse)


async def test_times_to_come_are_now(world: World) -> None:
    """Else it would stand at the top of lists, whatever becomes active after it."""
    lines = changed(2, put("conversation", "updated_at", value=YEAR_10000 - 1))(await lines_of(world))
    made = await imported(world.store, lines, "new")
    assert made.updated_at == NOW
    assert "# new" in "".join([part async for part in markdown(world.store, made)])


async def test_the_last_times_and_the_longest_title_can_be_shown(world: World) -> None:
    lines = changed(2, put("conversation", "title", value=WIDE_TITLE))(await lines_of(world))
    lines = changed(5, put("record", "at", value=YEAR_10000 - 1))(lines)
    made = await imported(world.store, lines, "one")
    assert "9999-12-31 23:59:59 UTC" in "".join([part async for part in markdown(world.store, made)])
    await imported(world.store, lines, "two")
    page, after = await world.store.registry.list(of_principal("ada"), limit=1, sort="title", descending=False)
    assert after is not None
    cursor = encode_cursor(after, "title", descending=False)
    assert decode_cursor(cursor, "title", descending=False) == after
    assert [meta.id for meta in page] == ["one"]
