"""A store apart: conversations of its own, beside the same people."""

import pytest

from store import ConversationNotFound, Scope, Store, connect
from store.apart import KeysApart
from store.keys import Keys


async def test_its_conversations_are_its_own_and_people_are_the_same(redis_url: str, redis_prefix: str) -> None:
    service = connect(redis_url, prefix=redis_prefix)
    apart = connect(redis_url, prefix=redis_prefix, apart="replay")
    try:
        await _check(service, apart)
    finally:
        await apart.aclose()
        await service.aclose()


async def _check(service: Store, apart: Store) -> None:
    await apart.registry.create("c", agent="a", principal="ada", now=1)
    with pytest.raises(ConversationNotFound):
        await service.registry.get("c")
    mine = Scope("user", "ada")
    await service.files.write(mine, "memory.md", b"tea", expected_version=None, now=1)
    assert (await apart.files.read(mine, "memory.md")).content == b"tea"
    await apart.files.write(Scope("conversation", "c"), "plan.md", b"x", expected_version=None, now=1)
    await apart.registry.delete("c")
    await service.files.delete(mine, "memory.md")


def test_no_key_of_a_conversation_is_spelled_like_the_service_s() -> None:
    service = Keys("raylogue")
    apart = KeysApart(service, "replay")
    assert apart.conversation("c").meta != service.conversation("c").meta
    assert apart.unfinished(3) != service.unfinished(3)
    assert apart.files("conversation", "c") != service.files("conversation", "c")
    assert (apart.files("user", "ada"), apart.spent("person:ada"), apart.preferences("ada"), apart.mcp_servers) == (
        service.files("user", "ada"),
        service.spent("person:ada"),
        service.preferences("ada"),
        service.mcp_servers,
    )
