"""The search for words in titles and messages: what is found, for whom, and how much is read for it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest

from agents.codec import encode
from agents.turn.events import AssistantMsg, StatePatch, UserMsg
from deployments.indexes import message_text, search
from deployments.indexes.message_text import MessageText, Said, unpack
from deployments.indexes.search import words_of
from store import Record, Store
from store.errors import ArchiveUnavailable
from tests.support.conversations import text
from tests.support.writer import NOW

if TYPE_CHECKING:
    from agents.turn import Event

CONVERSATIONS = "/v1/conversations"


async def say(store: Store, name: str, *words: str, silent: int = 0) -> None:
    """Append messages by turns of a person and a model; `silent` events without words come first."""
    claim = await store.log.claim(name)
    events: list[Event] = [StatePatch(turn=1, source="x", patch={}) for _ in range(silent)]
    for number, line in enumerate(words):
        if number % 2:
            events.append(AssistantMsg(turn=1, message_id=f"m{number}", step=1, content=text(line)))
        else:
            events.append(UserMsg(turn=1, content=text(line)))
    records = [orjson.dumps(encode(event, NOW)) for event in events]
    last_seq = claim.meta.last_seq
    await store.log.append(claim, records, expected_last_seq=last_seq, state=b"", due_at=None, now=NOW)


async def make(store: Store, name: str, *words: str, title: str | None = None, owner: str = "acme/ada") -> None:
    await store.registry.create(name, agent="assistant", principal=owner, title=title, now=NOW)
    if words:
        await say(store, name, *words)


async def found(http: httpx.AsyncClient, headers: Mapping[str, str], words: str, **query: Any) -> dict[str, Any]:
    """The matches by id, of all pages."""
    matches: dict[str, Any] = {}
    params = {"text": words, **query}
    while True:
        answer = await http.get(CONVERSATIONS, params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        matches |= {item["id"]: item["match"] for item in answer.json()["conversations"]}
        if answer.json()["next"] is None:
            return matches
        params = {**params, "cursor": answer.json()["next"]}


async def test_words_are_found_in_titles_and_in_messages(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store
) -> None:
    await make(store, "a", "How tall is the\n Eiffel Tower?", "330 metres", title="Paris")
    await make(store, "b", "Ｓｔｒａßｅ in Paris", "which one")
    await make(store, "c", "hello", title="nothing")
    titled, said = {"in": "title"}, {"in": "messages", "seq": 1, "text": "How tall is the Eiffel Tower?"}
    street = {"in": "messages", "seq": 1, "text": "Ｓｔｒａßｅ in Paris"}
    assert await found(http, ada, "PARIS") == {"a": titled, "b": street}
    assert await found(http, ada, "paris", text_in="title") == {"a": titled}
    assert await found(http, ada, "tower paris") == {"a": said}
    assert (await found(http, ada, '"eiffel tower" metres'))["a"]["text"] == "330 metres"
    assert await found(http, ada, '"tower eiffel"') == {}
    assert list(await found(http, ada, "strasse")) == ["b"]
    assert await found(http, ada, "tower which") == {}


async def test_what_was_said_since_the_last_search_is_found_and_only_that_is_read(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store
) -> None:
    await make(store, "a", *(f"line {number}" for number in range(500)))
    assert (await found(http, ada, "line 7"))["a"]["seq"] == 498  # 497, the newest
    kept = await store._client.redis.get(store.keys.conversation("a").text)
    await say(store, "a", "pelican")
    assert (await found(http, ada, "pelican"))["a"] == {"in": "messages", "seq": 501, "text": "pelican"}
    meta = await store.registry.get("a")
    _, events = await message_text.read_text(store, meta, unpack(kept))
    assert events == 1
    lifetime = await store._client.redis.ttl(store.keys.conversation("a").text)
    assert 0 < lifetime <= 7 * 86_400


async def test_nothing_is_found_of_what_is_gone_or_no_longer_shared(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store
) -> None:
    await make(store, "own", "a secret")
    await make(store, "shared", "a secret", owner="acme/bob")
    await make(store, "others", "a secret", owner="acme/bob")
    await store.members.set("shared", "acme/ada", "viewer", NOW)
    assert set(await found(http, ada, "secret")) == {"own", "shared"}
    meta = await store.registry.get("own")
    await store.members.remove("shared", "acme/ada", NOW)
    await store.registry.delete("own")
    assert await found(http, ada, "secret") == {}
    await store.texts.keep(meta, b"late")
    await store.registry.create("own", agent="assistant", principal="acme/ada", title="new", now=NOW + 1)
    await store.texts.keep(meta, b"later")
    assert await store.texts.get_many(["own"]) == [None]
    assert await found(http, ada, "secret") == {}


@pytest.mark.parametrize("kept", [b"", b"x", MessageText(99, [Said(1, "ghost")]).pack(), b"\x78\x01broken"])
async def test_a_cache_that_is_wrong_is_made_anew(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store, kept: bytes
) -> None:
    await make(store, "a", "pelican")
    await store.texts.keep(await store.registry.get("a"), kept)
    assert await found(http, ada, "ghost") == {}
    assert list(await found(http, ada, "pelican")) == ["a"]


async def test_a_page_reads_so_much_at_most_and_the_next_goes_on(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_TEXTS", 4)
    for number in range(10):
        await make(store, f"c{number}", "needle" if number in (0, 9) else "hay")
    sizes, params = [], {"text": "needle"}
    while True:
        page = (await http.get(CONVERSATIONS, params=params, headers=ada)).json()
        sizes.append([item["id"] for item in page["conversations"]])
        if page["next"] is None:
            break
        params = {"text": "needle", "cursor": page["next"]}
    assert sizes == [["c9"], [], ["c0"]]


async def test_of_a_long_conversation_the_newest_part_is_searched(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_text, "MAX_CHARACTERS", 100)
    await make(store, "a", "oldest " + "x" * 60, "middle " + "y" * 60, "newest")
    assert list(await found(http, ada, "newest")) == list(await found(http, ada, "middle")) == ["a"]
    assert await found(http, ada, "oldest") == {}
    await say(store, "a", "later " + "z" * 60)
    assert list(await found(http, ada, "later newest")) == ["a"]
    assert await found(http, ada, "middle") == {}
    monkeypatch.setattr(message_text, "MAX_EVENTS", 200)
    await make(store, "b", "forgotten")
    await say(store, "b", "fresh", silent=250)
    assert await found(http, ada, "forgotten") == {}
    assert list(await found(http, ada, "fresh")) == ["b"]


async def test_what_is_attached_counts_and_what_is_no_text_is_passed_over(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(store, "a", "forgotten")
    claim = await store.log.claim("a")
    odd = UserMsg(
        turn=1, content=[{"type": "text"}, {"type": "text", "text": 7}, {"type": "image", "source": "x" * 9000}]
    )
    records = [orjson.dumps(encode(odd, NOW))] * 400
    await store.log.append(claim, records, expected_last_seq=1, state=b"", due_at=None, now=NOW)
    await say(store, "a", "fresh")
    monkeypatch.setattr(message_text, "MAX_BYTES", 1_000_000)
    assert await found(http, ada, "forgotten") == {}
    assert (await found(http, ada, "fresh"))["a"]["seq"] == 402


async def test_what_the_archive_did_not_give_is_read_when_it_is_back(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(store, "a", "pelican")

    async def away(*_: object, **__: object) -> list[Record]:
        raise ArchiveUnavailable("a test")

    with monkeypatch.context() as patched:
        patched.setattr(store.log, "page_back", away)
        assert await found(http, ada, "pelican") == {}
    assert list(await found(http, ada, "pelican")) == ["a"]


async def test_a_phrase_may_lack_its_end_and_blanks_in_titles_are_one(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store
) -> None:
    await make(store, "a", title="a  trip\tto Paris")
    for words in ('"a trip to', '"a trip to paris"', 'paris "a trip'):
        assert list(await found(http, ada, words)) == ["a"]


@pytest.mark.parametrize("words", ["", "   ", '"', '" "', "x" * 201])
async def test_what_is_nothing_to_look_for_is_refused(
    http: httpx.AsyncClient, ada: Mapping[str, str], words: str
) -> None:
    assert (await http.get(CONVERSATIONS, params={"text": words}, headers=ada)).status_code == 422


def test_words_and_phrases() -> None:
    assert words_of('Ada "the  Great" ada “x” "open') == ("ada", "the great", "“x”", "open")
