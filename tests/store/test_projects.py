"""Projects: the first who uses one owns it, members are added to it, and others are told nothing."""

import asyncio

from store import Store


async def test_the_first_who_uses_a_project_owns_it(store: Store, second_store: Store) -> None:
    people = [f"acme/p{number}" for number in range(5)]
    roles = await asyncio.gather(*(store.projects.use("acme/apollo", person) for person in people))
    assert sorted(map(str, roles)) == ["None"] * 4 + ["owner"]
    owner = people[roles.index("owner")]
    assert await second_store.projects.use("acme/apollo", owner) == "owner"
    assert await store.projects.members("acme/apollo") == {owner: "owner"}
    assert await store.projects.members("evil/apollo") == {}


async def test_members_come_and_go(store: Store) -> None:
    assert await store.projects.add("acme/apollo", "acme/bob", 2) is None
    await store.projects.use("acme/apollo", "acme/ada")
    assert await store.projects.add("acme/apollo", "acme/ada", 2)
    assert await store.projects.role("acme/apollo", "acme/ada") == "owner", "adding its owner changes nothing"
    assert [await store.projects.add("acme/apollo", "acme/bob", 2) for _ in range(2)] == [True, True]
    assert await store.projects.add("acme/apollo", "acme/cy", 2) is False
    assert await store.projects.role("acme/apollo", "acme/bob") == "member"
    await store.projects.remove("acme/apollo", "acme/bob")
    assert await store.projects.role("acme/apollo", "acme/bob") is None
