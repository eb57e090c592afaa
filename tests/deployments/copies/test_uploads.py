"""How the file of an import arrives: in pieces of any size, slowly, and with an owner that cannot be."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx
import orjson

from deployments.settings import Settings
from store import Store
from tests.deployments.copies.test_files import NDJSON, RECORDS, STATE, read_back
from tests.deployments.test_problems import check_problem
from tests.support.access_service import bearer, make_key, serving
from tests.support.copies import sealed
from tests.support.writer import NOW

Headers = Mapping[str, str]
ROOM = 100_000


async def file_of(http: httpx.AsyncClient, store: Store, headers: Headers) -> bytes:
    await store.registry.create("c", agent="assistant", principal="acme/ada", title="old", now=NOW)
    claim = await store.log.claim("c")
    await store.log.append(claim, RECORDS, expected_last_seq=0, state=STATE, due_at=None, now=NOW + 1)
    return (await http.get("/v1/conversations/c/export", headers=headers)).content


async def test_lines_arrive_in_pieces(http: httpx.AsyncClient, store: Store, ada: Headers) -> None:
    content = await file_of(http, store, ada)

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    for size in (1, 7, 64):
        made = await http.post("/v1/import", content=pieces(size), headers={**NDJSON, **ada})
        assert (made.status_code, made.json()["last_seq"]) == (201, 3)
    without_an_end = await read_back(http, content.rstrip(b"\n"), ada)
    assert without_an_end.status_code == 201


async def test_what_a_slow_client_has_sent_counts_while_it_is_held(store: Store, ada: Headers) -> None:
    async with serving(store, Settings(auth="keys", replica_body_bytes=ROOM)) as http:
        content = await file_of(http, store, ada)
        has_sent, may_go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"x" * (ROOM - 100)
            has_sent.set()
            await may_go_on.wait()
            yield b"\n"

        waiting = asyncio.create_task(http.post("/v1/import", content=slow(), headers={**NDJSON, **ada}))
        await has_sent.wait()
        while (answer := await read_back(http, content, ada)).status_code == 201:  # it has not read all of that yet
            assert not waiting.done()
        check_problem(answer, 503, "overloaded")
        may_go_on.set()
        check_problem(await waiting, 422, "invalid_import")
        assert (await read_back(http, content, ada)).status_code == 201


async def test_an_owner_has_a_name_that_principals_have(http: httpx.AsyncClient, store: Store, ada: Headers) -> None:
    lines = (await file_of(http, store, ada)).splitlines()
    admin = bearer(await make_key(store, "boss", roles=frozenset({"admin"})))
    for owner in ("acme/a b", "acme/{x}", "acme/\0", "acme/a/b", "acme/"):
        head = orjson.loads(lines[1])
        head["conversation"]["owner"] = owner
        forged = b"\n".join(sealed([lines[0], orjson.dumps(head), *lines[2:]]))
        check_problem(await read_back(http, forged, admin, "?keep_owner=true"), 422, "invalid_import")
        assert (await read_back(http, forged, ada)).json()["owner"] == "acme/ada"
