"""What other websites can do to the service of a machine whose browser shows them: nothing."""

import httpx
import pytest
from fastapi import Response
from starlette.types import Receive, Scope, Send

from deployments.ingress.site_guard import SiteGuard
from deployments.settings import Settings
from tests.deployments.test_problems import check_problem
from tests.support.api import Api

OWN_NAMES = ["127.0.0.1:8000", "localhost", "LOCALHOST.:8000", "[::1]:8000", "127.8.8.8"]
FOREIGN_NAMES = ["evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::2]", "0.0.0.0:8000"]
WRITES = [
    ("POST", "/cancel", None),
    ("POST", "/abort", None),
    ("POST", "/release", None),
    ("POST", "/messages", {"text": "hello"}),
    ("POST", "/resolutions", {"tool_call_id": "x", "decision": "approve"}),
    ("DELETE", "", None),
]


@pytest.mark.parametrize("name", FOREIGN_NAMES)
@pytest.mark.parametrize("path", ["/", "/v1/conversations", "/openapi.json", "/static/current/app.js", "/nothing"])
async def test_a_name_of_somebody_else(api: Api, name: str, path: str) -> None:
    check_problem(await api.http.get(path, headers={"Host": name}), 403, "foreign_host")


@pytest.mark.parametrize("name", OWN_NAMES)
async def test_the_names_of_this_machine(api: Api, name: str) -> None:
    assert (await api.http.get("/v1/conversations", headers={"Host": name})).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
async def test_a_write_that_another_site_asks_for(
    api: Api, method: str, path: str, body: object, headers: dict[str, str]
) -> None:
    conversation_id = await api.create()
    response = await api.http.request(method, f"/v1/conversations/{conversation_id}{path}", json=body, headers=headers)
    check_problem(response, 403, "foreign_origin")
    assert await api.log(conversation_id) == []


async def test_a_stream_for_another_site(api: Api) -> None:
    path = f"/v1/conversations/{await api.create()}/events"
    headers = {"Accept": "text/event-stream", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    check_problem(await api.http.get(path, headers=headers), 403, "foreign_origin")


async def test_the_page_itself_and_a_link_to_it(api: Api) -> None:
    own = {"Origin": str(api.http.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert (await api.http.post("/v1/conversations", json={}, headers=own)).status_code == 201
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await api.http.get("/", headers=link)).status_code == 200


async def test_names_that_an_operator_adds() -> None:
    """Behind a proxy that speaks TLS, too: the origin then has another scheme than the service."""
    names = Settings(allowed_hosts="chat.example.org, *.example.net").host_names
    app = SiteGuard(_answers, names)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        for url, status in [
            ("http://chat.example.org/", 200),
            ("http://deep.chat.example.net/", 200),
            ("http://example.net/", 403),
            ("http://badexample.net/", 403),
        ]:
            assert (await http.post(url)).status_code == status, url
        origin = {"Origin": "https://chat.example.org"}
        assert (await http.post("http://chat.example.org/", headers=origin)).status_code == 200
        assert (await http.post("http://a.example.net/", headers=origin)).status_code == 403
    async with httpx.AsyncClient(transport=httpx.ASGITransport(SiteGuard(_answers, ["*"]))) as http:
        assert (await http.post("http://anything.example/")).status_code == 200


@pytest.mark.parametrize(
    "names", [(b"localhost", b"evil.example"), (b"evil.example", b"localhost"), (b"localhost",) * 2]
)
async def test_a_request_that_names_several_hosts(names: tuple[bytes, ...]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(SiteGuard(_answers, ["*"]))) as http:
        several = [(b"Host", name) for name in names]
        check_problem(await http.get("http://localhost/", headers=several), 403, "foreign_host")


async def _answers(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("yes")(scope, receive, send)
