"""The page's session: signed in with a key, a cookie that no script reads, and writes that only the page can make."""

import httpx
import pytest

from deployments.access import authenticator
from deployments.settings import Settings
from store import Store
from store.registries import page_sessions
from tests.deployments.test_problems import check_problem
from tests.servers.contents import dump_contents
from tests.support.access_service import make_key, serving
from tests.support.api import eventually

PAGE = {"X-Raylogue-Page": "1"}


async def sign_in(http: httpx.AsyncClient, key: str, **headers: str) -> httpx.Response:
    return await http.post("/v1/session", json={"key": key}, headers={**PAGE, **headers})


async def test_a_person_signs_in_and_out(http: httpx.AsyncClient, store: Store) -> None:
    key = await make_key(store, roles=frozenset({"admin"}))
    answer = await sign_in(http, key)
    assert answer.status_code == 200
    assert answer.json()["principal"] == "acme/ada"
    flags = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(flags)
    assert "Secure" not in flags
    assert key.split("_", 2)[2] not in answer.text + answer.headers["Set-Cookie"]

    who = (await http.get("/v1/session")).json()
    assert (who["principal"], who["roles"], who["signed_in"]) == ("acme/ada", ["admin"], True)
    created = await http.post("/v1/conversations", json={}, headers=PAGE)
    assert created.status_code == 201

    stolen = dict(http.cookies)
    assert (await http.delete("/v1/session", headers=PAGE)).status_code == 204
    assert dict(http.cookies) == {}
    http.cookies.update(stolen)
    check_problem(await http.get("/v1/session"), 401, "credentials_invalid")


async def test_the_cookie_is_for_https_only_where_the_person_uses_it(http: httpx.AsyncClient, store: Store) -> None:
    answer = await sign_in(http, await make_key(store), **{"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


async def test_another_page_cannot_write_with_the_cookie(http: httpx.AsyncClient, store: Store) -> None:
    await sign_in(http, await make_key(store))
    created = (await http.post("/v1/conversations", json={}, headers=PAGE)).json()["id"]
    for method, path in [
        ("POST", "/v1/conversations"),
        ("DELETE", f"/v1/conversations/{created}"),
        ("POST", f"/v1/conversations/{created}/messages"),
        ("DELETE", "/v1/session"),
    ]:
        for headers in ({}, {"X-Raylogue-Page": "0"}):
            response = await http.request(method, path, headers=headers)
            check_problem(response, 403, "page_header_missing")
    assert (await http.get(f"/v1/conversations/{created}")).status_code == 200
    response = await http.post("/v1/session", json={"key": await make_key(store, "eve")})
    check_problem(response, 403, "page_header_missing")


async def test_what_is_no_key_signs_nobody_in(http: httpx.AsyncClient) -> None:
    for key in ("rl_nonsense", "rl_aaaaaaaaaaaa_" + "x" * 43, "x"):
        answer = await sign_in(http, key)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "Set-Cookie" not in answer.headers
    check_problem(await http.get("/v1/session"), 401, "credentials_missing")


async def test_a_session_ends_with_its_key(
    http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "REMEMBERED_SECONDS", 0.1)
    key = await make_key(store)
    await sign_in(http, key)
    kept = await store.api_keys.get(key.split("_")[1])
    assert kept is not None
    await store.api_keys.remove(kept)

    async def is_refused() -> bool:
        return (await http.get("/v1/session")).status_code == 401

    await eventually(is_refused)


async def test_an_idle_session_ends(http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_sessions, "IDLE_MS", 50)
    await sign_in(http, await make_key(store))

    async def is_refused() -> bool:
        return (await http.get("/v1/session")).status_code == 401

    monkeypatch.setattr(page_sessions, "IDLE_MS", 1)
    await eventually(is_refused)


async def test_neither_keys_nor_cookies_are_kept(http: httpx.AsyncClient, store: Store, redis_url: str) -> None:
    key = await make_key(store)
    await sign_in(http, key)
    kept = await dump_contents(redis_url, f"{store.keys.prefix}:*")
    assert key.split("_")[1] in kept
    assert key.split("_", 2)[2] not in kept
    assert http.cookies["raylogue_session"] not in kept


async def test_without_authentication_there_is_nothing_to_sign_in_to(store: Store) -> None:
    async with serving(store, Settings(auth="off")) as http:
        answer = await sign_in(http, "anything")
        assert answer.json()["principal"] == "local"
        assert "Set-Cookie" not in answer.headers
        assert (await http.get("/v1/session")).json()["signed_in"] is False


async def test_no_credential_is_in_a_log_or_an_answer(
    http: httpx.AsyncClient, store: Store, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("INFO", "httpcore")  # the client's own, which is the test
    key, unknown = await make_key(store), "rl_aaaaaaaaaaaa_" + "marked" * 7 + "m"
    answers = [await sign_in(http, shown) for shown in (key, unknown)]
    for shown in (key, unknown, "rl_marked", "marked.marked.marked"):
        headers = {"Authorization": f"Bearer {shown}"}
        paths = ("/v1/session", "/v1/keys", "/v1/conversations/none", "/nothing")
        answers += [await http.get(path, headers=headers) for path in paths]
    written = caplog.text + "".join(capsys.readouterr()) + "".join(answer.text for answer in answers)
    assert "GET" in written, "requests are written at all"
    for secret in (key.split("_", 2)[2], "marked", http.cookies["raylogue_session"]):
        assert secret not in written
