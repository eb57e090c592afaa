"""The memory of a person: found again, changed by its revision, bounded, and never another person's."""

import asyncio

import orjson
import pytest

from agents.memory import Entry, MemoryChanged, MemoryNotFound, MemoryRefused, PersonalMemory, by_words
from store import Scope, Store
from store.errors import FileMissing
from store.registries import memories

SOURCE = {"conversation": "c", "turn": 1, "channel": "web", "agent": "mindful"}
ADA = Scope("user", "acme/ada")


class Clock:
    def __init__(self) -> None:
        self.now = 1000

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def memory(store: Store) -> PersonalMemory:
    return PersonalMemory(store, ADA.id, Clock())


async def texts(memory: PersonalMemory) -> list[str]:
    return [entry.text for entry in await memory.entries()]


async def test_what_is_kept_of_a_memory(memory: PersonalMemory) -> None:
    added = await memory.add("Likes\n tea. ", SOURCE)
    assert added == Entry(added.id, "Likes tea.", SOURCE, 1001, 1001, 1)
    corrected = await memory.correct(added.id, "Likes green tea.", {"by": "person"}, revision=1)
    assert corrected == Entry(added.id, "Likes green tea.", {"by": "person"}, 1001, 1002, 2)
    assert await memory.entries() == [corrected]
    await memory.forget(added.id, revision=2)
    await memory.forget(added.id, revision=2)
    assert await memory.entries() == []


async def test_no_person_and_no_tenant_reads_anothers(store: Store, memory: PersonalMemory) -> None:
    await memory.add("Likes tea.", SOURCE)
    for other in ("acme/bob", "other/ada", "ada", "acme/ada2"):
        assert await PersonalMemory(store, other, Clock()).entries() == []
        assert await PersonalMemory(store, other, Clock()).search("tea") == []


async def test_the_same_words_are_one_memory(memory: PersonalMemory) -> None:
    first = await memory.add("Likes tea.", SOURCE)
    assert await memory.add(" LIKES  tea. ", {"by": "person"}) == first
    both = await asyncio.gather(*(memory.add("Has a cat.", SOURCE) for _ in range(8)))
    assert len({entry.id for entry in both}) == 1
    assert await texts(memory) == ["Likes tea.", "Has a cat."]


async def test_first_words_that_were_corrected_can_be_remembered_anew(memory: PersonalMemory) -> None:
    first = await memory.add("Lives in Ulm.", SOURCE)
    await memory.correct(first.id, "Lives in Bonn.", SOURCE)
    again = await memory.add("Lives in Ulm.", SOURCE)
    assert again.id != first.id
    assert await texts(memory) == ["Lives in Bonn.", "Lives in Ulm."]


async def test_a_change_of_what_has_changed_meanwhile_is_refused(memory: PersonalMemory) -> None:
    entry = await memory.add("Likes tea.", SOURCE)
    await memory.correct(entry.id, "Likes coffee.", SOURCE, revision=1)
    assert (await memory.correct(entry.id, "Likes coffee.", SOURCE, revision=1)).revision == 2, "a repeat"
    with pytest.raises(MemoryChanged):
        await memory.correct(entry.id, "Likes milk.", SOURCE, revision=1)
    with pytest.raises(MemoryChanged):
        await memory.forget(entry.id, revision=1)
    with pytest.raises(MemoryNotFound):
        await memory.correct("0" * 16, "Likes milk.", SOURCE)
    assert await texts(memory) == ["Likes coffee."]


async def test_writers_at_once_lose_nothing(store: Store, memory: PersonalMemory) -> None:
    entry = await memory.add("Counts: 0", SOURCE)
    others = [PersonalMemory(store, ADA.id, Clock()) for _ in range(6)]
    await asyncio.gather(
        *(other.add(f"fact {number}", SOURCE) for number, other in enumerate(others)),
        *(other.correct(entry.id, f"Counts: {number}", SOURCE) for number, other in enumerate(others, 1)),
    )
    known = await texts(memory)
    assert sorted(known)[1:] == [f"fact {number}" for number in range(6)]
    assert (await memory.correct(entry.id, "Counts: 7", SOURCE)).revision >= 7


@pytest.mark.parametrize("text", ["", " \n", "x" * 501, "half a pair \ud800"])
async def test_what_cannot_be_remembered(memory: PersonalMemory, text: str) -> None:
    with pytest.raises(MemoryRefused):
        await memory.add(text, SOURCE)
    entry = await memory.add("Likes tea.", SOURCE)
    with pytest.raises(MemoryRefused):
        await memory.correct(entry.id, text, SOURCE)
    assert await texts(memory) == ["Likes tea."]


async def test_there_are_at_most_a_thousand(store: Store, memory: PersonalMemory) -> None:
    await memory.entries()  # notes that there is no file of earlier code
    for number in range(memories.MAX_MEMORIES - 1):
        data = {"text": str(number), "source": SOURCE, "created_at": number, "updated_at": number}
        await store.memories.keep(ADA.id, f"{number:016x}", orjson.dumps(data), revision=0)
    with pytest.raises(MemoryRefused, match="there are 1000 memories: forget some first"):
        await memory.add("one more", SOURCE)
    await memory.forget(f"{0:016x}")
    assert (await memory.add("one more", SOURCE)).text == "one more"


async def test_search_finds_words_and_their_beginnings_the_best_first(memory: PersonalMemory) -> None:
    for text in ("Prefers GREEN tea.", "Drinks tea at noon.", "Has two cats.", "Ärger mit Straßenbahnen."):
        await memory.add(text, SOURCE)
    assert [entry.text for entry in await memory.search("green tea")] == ["Prefers GREEN tea.", "Drinks tea at noon."]
    assert [entry.text for entry in await memory.search("cat")] == ["Has two cats."]
    assert [entry.text for entry in await memory.search("STRASSE")] == ["Ärger mit Straßenbahnen."]
    assert [entry.text for entry in await memory.search("tea", limit=1)] == ["Drinks tea at noon."], "the newer first"
    assert await memory.search("dogs") == await memory.search("") == await memory.search("!") == []


async def test_another_ranking_may_search(memory: PersonalMemory) -> None:
    async def by_length(query: str, texts: list[str]) -> list[float]:
        return [len(text) - len(query) for text in texts]

    for text in ("Tea.", "Likes tea with milk.", "Has a cat."):
        await memory.add(text, SOURCE)
    assert [entry.text for entry in await memory.search("four", by_length)] == ["Likes tea with milk.", "Has a cat."]


async def test_words_are_compared_without_regard_to_their_forms() -> None:
    assert await by_words("Cafe\u0301", ["the CAFÉ", "coffee"]) == [1.0, 0.0]


async def test_the_file_of_earlier_code_is_taken_over(store: Store, memory: PersonalMemory) -> None:
    content = b"# Me\n\n- Likes tea.\n- Has a cat.\n" + b"x" * 700 + b"\n"
    await store.files.write(ADA, "memory.md", content, expected_version=None, now=5000)
    other = PersonalMemory(store, ADA.id, Clock())
    await asyncio.gather(memory.entries(), other.entries())
    assert await texts(memory) == ["# Me", "Likes tea.", "Has a cat.", "x" * 500, "x" * 200]
    assert {str(entry.source) for entry in await memory.entries()} == {"{'by': 'memory.md'}"}
    with pytest.raises(FileMissing):
        await store.files.read(ADA, "memory.md")
    await memory.add("Plays chess.", SOURCE)
    await memory.forget((await memory.search("tea"))[0].id)
    assert "Likes tea." not in await texts(memory), "it does not come back"
