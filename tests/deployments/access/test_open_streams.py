"""Open streams end when the credential that opened them is revoked, and when their reader is no longer a member."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import jwt
import pytest

from agents.clock import now_ms
from deployments.access import authenticator
from deployments.ingress.streams import open_streams
from deployments.settings import Settings
from store import Scope, Store
from store.audit.lines import AuditEvent
from tests.deployments.test_problems import check_problem
from tests.support.access_service import PATIENCE, bearer, make_key, serving
from tests.support.identity_provider import AUDIENCE, claims

SECRET = "s" * 32
EVENTS = {"Accept": "text/event-stream"}
JWT = {"jwt_secret": SECRET, "jwt_audience": AUDIENCE, "jwt_leeway_seconds": 0}


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "PERIOD_SECONDS", 0.1)


@pytest.fixture
async def http(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(auth="keys,jwt", heartbeat_seconds=0.05, **JWT)  # type: ignore[arg-type]
    async with serving(store, settings) as client:
        yield client


async def ends(
    http: httpx.AsyncClient, conversation_id: str, headers: dict[str, str], cause: Callable[[], Awaitable[object]]
) -> str:
    """What the stream says at its end, which comes after the cause, and not before."""
    async with (
        asyncio.timeout(PATIENCE),
        http.stream("GET", f"/v1/conversations/{conversation_id}/events", headers={**EVENTS, **headers}) as response,
    ):
        assert response.status_code == 200
        pieces = response.aiter_text()
        for _ in range(5):  # heartbeats: it goes on
            assert "reconnect" not in await anext(pieces)
        await cause()
        said = ""
        async for piece in pieces:
            said += piece
        return said


async def conversation(store: Store) -> str:
    await store.registry.create("c", agent="assistant", principal="acme/ada", now=now_ms())
    await store.members.set("c", "acme/bob", "viewer", now_ms())
    return "c"


async def test_who_may_only_write_is_not_shown_the_turn(http: httpx.AsyncClient, store: Store) -> None:
    name = await conversation(store)
    writing = await make_key(store, scopes=frozenset({"write"}))
    answer = await http.post(
        f"/v1/conversations/{name}/messages", json={"text": "hello"}, headers={**EVENTS, **bearer(writing)}
    )
    check_problem(answer, 404, "unknown_conversation")


async def test_a_revoked_key(http: httpx.AsyncClient, store: Store) -> None:
    text = await make_key(store)
    key = await store.api_keys.get(text.split("_")[1])
    assert key is not None
    said = await ends(http, await conversation(store), dict(bearer(text)), lambda: store.api_keys.remove(key))
    assert "event: reconnect" in said, "it ends as for a client that is sent elsewhere, which then is told why"


async def test_a_session_that_is_signed_out(http: httpx.AsyncClient, store: Store) -> None:
    page = {"X-Raylogue-Page": "1"}
    await http.post("/v1/session", json={"key": await make_key(store)}, headers=page)
    said = await ends(http, await conversation(store), {}, lambda: http.delete("/v1/session", headers=page))
    assert "event: reconnect" in said


async def test_a_token_that_expires(http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def time_passes() -> None:
        two_days_on = now_ms() + 2 * 86_400_000
        monkeypatch.setattr(authenticator, "now_ms", lambda: two_days_on)

    token = jwt.encode(claims(), SECRET, "HS256")
    said = await ends(http, await conversation(store), dict(bearer(token)), time_passes)
    assert "event: reconnect" in said


async def test_a_member_that_is_removed_and_nobody_else(http: httpx.AsyncClient, store: Store) -> None:
    name = await conversation(store)
    ada, bob = dict(bearer(await make_key(store))), dict(bearer(await make_key(store, "bob")))

    async def remove_bob() -> None:
        await store.members.remove(name, "acme/bob", now_ms())

    waiting = asyncio.Event()
    owners = asyncio.create_task(ends(http, name, ada, waiting.wait))
    assert "event: reconnect" in await ends(http, name, bob, remove_bob)
    assert not owners.done()
    owners.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await owners


async def is_cut_off(http: httpx.AsyncClient, address: str, key: str, cause: Callable[[], Awaitable[object]]) -> bool:
    """Whether a file whose reader pauses ends, after the cause, before it is whole."""
    small = httpx.AsyncHTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])
    async with (
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient(base_url=http.base_url, transport=small) as reader,
        reader.stream("GET", address, headers=bearer(key)) as response,
    ):
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
        pieces = response.aiter_bytes()
        await anext(pieces)
        assert "event: reconnect" in await ends(http, "c", dict(bearer(key)), cause), "both have ended then"
        with contextlib.suppress(httpx.RemoteProtocolError):
            async for _ in pieces:
                pass
            return False
    return True


async def test_an_export_of_a_member_that_is_removed(http: httpx.AsyncClient, store: Store) -> None:
    name = await conversation(store)
    for number in range(12):
        content = bytes(1_000_000)
        await store.files.write(Scope("conversation", name), f"{number}.bin", content, expected_version=None, now=1)
    bob = await make_key(store, "bob")
    assert await is_cut_off(
        http, f"/v1/conversations/{name}/export", bob, lambda: store.members.remove(name, "acme/bob", now_ms())
    )


async def test_an_export_of_the_audit_by_a_key_that_is_revoked(http: httpx.AsyncClient, store: Store) -> None:
    await conversation(store)
    text = await make_key(store, "boss", roles=frozenset({"admin"}))
    key = await store.api_keys.get(text.split("_")[1])
    assert key is not None
    long = {"name": "x" * 60_000}
    lines = [AuditEvent(f"line:{number}", "tool_called", 1, data=long) for number in range(200)]
    await store.audit.append("acme", lines, now_ms())
    assert await is_cut_off(http, "/v1/audit/export", text, lambda: store.api_keys.remove(key))
