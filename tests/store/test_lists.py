"""The lists in their three orders: pages join whatever others do meanwhile, and a page looks at so many at most."""

import random
from collections.abc import Sequence

import pytest

from store import ConversationMeta, Store
from store.registries.lists import ALL, Position, Sort, lists_of, of_principal, of_tenant, title_key
from tests.store.conftest import Target
from tests.support.writer import NOW

ORDERS: list[tuple[Sort, bool]] = [(sort, down) for sort in ("updated", "created", "title") for down in (True, False)]


async def walk(
    store: Store, name: str, sort: Sort = "updated", *, descending: bool = True, limit: int = 2, **options: int
) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    after: Position | None = None
    while True:
        page, after = await store.registry.list(
            name, limit=limit, sort=sort, descending=descending, after=after, **options
        )
        found += [meta.id for meta in page]
        if after is None:
            return found


async def make(store: Store, name: str, *, owner: str = "acme/ada", title: str | None = None, now: int = NOW) -> None:
    await store.registry.create(name, agent="a", principal=owner, title=title, now=now)


async def test_a_conversation_is_in_the_lists_of_its_people_of_its_tenant_and_of_all(store: Store) -> None:
    await make(store, "one")
    await make(store, "two", owner="evil/eve", now=NOW + 1)
    await make(store, "three", owner="local", now=NOW + 2)
    await store.members.set("one", "acme/bob", "viewer", NOW)

    for name in (of_principal("acme/ada"), of_principal("acme/bob"), of_tenant("acme")):
        assert [await walk(store, name, sort) for sort, _ in ORDERS] == [["one"]] * len(ORDERS)
    assert await walk(store, of_tenant("evil")) == ["two"]
    assert await walk(store, ALL) == ["three", "two", "one"]

    await store.members.remove("one", "acme/bob", NOW)
    await store.registry.delete("one")
    for name in (of_principal("acme/ada"), of_principal("acme/bob"), of_tenant("acme")):
        assert [await walk(store, name, sort) for sort, _ in ORDERS] == [[]] * len(ORDERS)
    assert await walk(store, ALL, "title") == ["two", "three"]


async def test_titles_are_ordered_without_regard_to_case_and_the_untitled_come_last(store: Store) -> None:
    for name, title in (("a", None), ("b", "beta"), ("c", "Ärger"), ("d", "Alpha"), ("e", "BETA")):
        await make(store, name, title=title)
    assert await walk(store, ALL, "title", descending=False) == ["d", "b", "e", "c", "a"]
    assert await walk(store, ALL, "title") == ["a", "c", "e", "b", "d"]


async def test_a_renamed_conversation_has_one_place_in_the_order_of_titles(store: Store, target: Target) -> None:
    await make(store, "a", title="zebra")
    await make(store, "b", title="middle")
    await store.registry.rename("a", "apple", NOW + 1)
    await store.registry.rename("b", "Middle", NOW + 1)  # ordered as before
    assert await walk(store, of_principal("acme/ada"), "title", descending=False) == ["a", "b"]
    client = target.client()
    for name in (of_principal("acme/ada"), of_tenant("acme"), ALL):
        assert await client.zrange(store.keys.list(name).titles, 0, -1) == [b"0apple\0a", b"0middle\0b"]
    await client.aclose()


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("descending", [True, False])
async def test_pages_join_although_all_were_made_in_one_moment(store: Store, limit: int, *, descending: bool) -> None:
    names = sorted(f"{letter}{number}" for letter in "aB~_" for number in range(10))  # by bytes, as Redis orders them
    for name in names:
        await make(store, name)
    expected = names[::-1] if descending else names
    assert await walk(store, ALL, descending=descending, limit=limit) == expected
    assert await walk(store, ALL, "created", descending=descending, limit=limit) == expected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("sort", "descending"), ORDERS)
async def test_what_does_not_change_is_seen_once_whatever_others_do(
    store: Store, sort: Sort, seed: int, *, descending: bool
) -> None:
    """Between any two pages others are made, renamed, used, shared and deleted, the one at the cursor as well."""
    draw = random.Random(seed)
    still = [f"still-{number}" for number in range(12)]
    moving = [f"moving-{number}" for number in range(12)]
    for name in draw.sample(still + moving, 24):
        await make(store, name, title=draw.choice([None, "x", f"t{draw.randrange(9)}"]), now=NOW + draw.randrange(4))
    seen: list[str] = []
    after: Position | None = None
    number = 0
    while True:
        page, after = await store.registry.list(
            of_principal("acme/ada"), limit=draw.randrange(1, 6), sort=sort, descending=descending, after=after
        )
        seen += [meta.id for meta in page]
        if after is None:
            break
        for name in {*draw.sample(moving, 2), after.id} - {*still}:
            number += 1
            match draw.randrange(4):
                case 0 if await store.registry.get_many([name]):
                    await store.registry.delete(name)
                case 1 if await store.registry.get_many([name]):
                    await store.registry.rename(name, f"t{draw.randrange(9)}", NOW + 10 + number)
                case 2 if await store.registry.get_many([name]):
                    await store.lists.touch("acme/ada", name, NOW + 10 + number)
                case _:
                    await make(store, f"new-{number}", title=f"t{draw.randrange(9)}", now=NOW + draw.randrange(20))

    assert sorted(name for name in seen if name in still) == sorted(still)
    if sort == "created":
        assert len(seen) == len(set(seen))
    if sort == "updated" and descending:  # what becomes active goes to the front, behind the walk
        assert len(seen) == len(set(seen))


async def test_a_page_ends_where_it_has_looked_at_enough(store: Store) -> None:
    for number in range(10):
        await make(store, f"c{number}", now=NOW + number)
    asked: list[list[str]] = []

    async def select(metas: Sequence[ConversationMeta]) -> list[bool]:
        asked.append([meta.id for meta in metas])
        return [meta.id == "c0" for meta in metas]

    pages = []
    after: Position | None = None
    while True:
        page, after = await store.registry.list(ALL, limit=2, after=after, select=select, max_examined=4)
        pages.append([meta.id for meta in page])
        if after is None:
            break
    assert pages == [[], [], ["c0"]]
    assert all(len(names) <= 5 for names in asked)


async def test_a_selection_may_stop_a_page(store: Store) -> None:
    for number in range(4):
        await make(store, f"c{number}", now=NOW + number)

    async def first_two(metas: Sequence[ConversationMeta]) -> list[bool]:
        return [True, False][: len(metas)]

    page, after = await store.registry.list(ALL, limit=10, select=first_two)
    assert ([meta.id for meta in page], after) == (["c3"], Position(str(NOW + 2), "c2"))


async def test_a_leftover_is_never_shown_and_removed_unless_it_has_been_entered_anew(
    store: Store, target: Target
) -> None:
    client = target.client()
    await make(store, "kept", title="t")
    orders = store.keys.list(ALL)
    for key in (orders.updated, orders.created):
        await client.zadd(key, {"gone": NOW + 5})
    await client.zadd(orders.titles, {"0gone\0gone": 0, "0old\0kept": 0})
    assert [await walk(store, ALL, sort) for sort, _ in ORDERS] == [["kept"]] * len(ORDERS)
    left = [await client.zcard(key) for key in (orders.updated, orders.created, orders.titles)]
    assert left == [1, 1, 1]

    stale = Position(str(NOW - 1), "kept")
    await store.lists.remove_entries(ALL, "updated", [stale])
    assert await walk(store, ALL) == ["kept"]
    await client.aclose()


async def entered(store: Store, target: Target) -> int:
    """How many entries the lists have."""
    client = target.client()
    names = (of_principal("acme/ada"), of_tenant("acme"), ALL)
    orders = [order for name in names for order in (store.keys.list(name).updated, store.keys.list(name).titles)]
    counts = [await client.zcard(order) for order in orders]
    await client.aclose()
    return sum(counts)


async def test_what_is_entered_after_a_deletion_goes(store: Store, target: Target) -> None:
    """A title that is set, or read from the feed, while another process deletes: it must not stay."""
    await make(store, "c", title="a secret")
    meta = await store.registry.get("c")
    assert await entered(store, target) == 6
    await store.registry.delete("c")
    await store.lists.put([meta], NOW)
    assert await entered(store, target) == 0
    await store.lists.put([meta], NOW, [of_tenant("acme")])
    assert await entered(store, target) == 0
    await store.reindex.repair_lists([meta])
    assert await entered(store, target) == 0


async def test_a_title_that_is_set_while_it_is_deleted_goes_with_it(
    store: Store, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(store, "c", title="plans")
    before = await store.registry.get("c")
    await store.registry.rename("c", "a secret", NOW + 1)

    async def read_a_moment_ago(_: str) -> ConversationMeta:
        return before

    monkeypatch.setattr(store.registry, "get", read_a_moment_ago)
    await store.registry.delete("c")
    assert await entered(store, target) == 0


async def test_a_child_is_in_no_list_and_titles_never_break_an_entry() -> None:
    assert title_key("A\0B") == "0a b"
    meta = ConversationMeta(
        id="c", agent="a", title=None, principal="acme/ada", channel="api", created_at=1, updated_at=1, epoch=1,
        last_seq=0, state=None, root="p", parent="p",
    )  # fmt: skip
    assert lists_of(meta) == ()
