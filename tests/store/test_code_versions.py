"""Code versions are numbered in the order of their deployment, and a deployment keeps its number."""

import asyncio

from store import Store


async def test_other_code_gets_the_next_number_and_the_same_code_keeps_it(store: Store) -> None:
    assert await store.code_versions.current() == 0
    assert await store.code_versions.register("monday", "a") == 1
    assert await store.code_versions.register("tuesday", "a") == 1, "deployed again without a change"
    assert await store.code_versions.register("wednesday", "b") == 2
    assert await store.code_versions.current() == 2


async def test_an_old_deployment_that_starts_again_is_still_old(store: Store) -> None:
    assert await store.code_versions.register("monday", "a") == 1
    assert await store.code_versions.register("tuesday", "b") == 2
    assert await store.code_versions.register("monday", "a") == 1
    assert await store.code_versions.current() == 2


async def test_going_back_to_earlier_code_is_a_version_of_its_own(store: Store) -> None:
    assert [await store.code_versions.register(str(day), code) for day, code in enumerate("aba")] == [1, 2, 3]


async def test_asking_changes_nothing(store: Store) -> None:
    assert await store.code_versions.number_of("a") == 0
    await store.code_versions.register("monday", "a")
    assert await store.code_versions.number_of("a") == 1
    await store.code_versions.register("tuesday", "b")
    assert (await store.code_versions.number_of("a"), await store.code_versions.current()) == (0, 2)


async def test_processes_that_start_at_once_agree(store: Store) -> None:
    found = await asyncio.gather(*(store.code_versions.register(f"{n % 2}", f"code {n % 2}") for n in range(20)))
    assert {number for n, number in enumerate(found) if n % 2} | {found[0]} == {1, 2}
    assert len(set(found[0::2])) == len(set(found[1::2])) == 1
