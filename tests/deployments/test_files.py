"""The files of a conversation over HTTP: versions are ETags, and only a version that was read is overwritten."""

import uuid
from typing import Any

import httpx
import orjson
import pytest

from store import Scope, Store
from tests.deployments.test_problems import check_problem
from tests.support.api import Api

pytestmark = pytest.mark.ray


@pytest.fixture
def placement() -> str:
    """Files are in the store, wherever conversations live."""
    return "shared"


NEW = {"If-None-Match": "*"}


@pytest.fixture
async def clerk(api: Api, store: Store) -> str:
    """A conversation with an agent that keeps files; its owner has none yet, whatever was tried before."""
    await store.files.drop(Scope("user", "local"))
    return await api.create("clerk")


async def put(api: Api, conversation_id: str, path: str, content: bytes, headers: Any) -> httpx.Response:
    address = f"/v1/conversations/{conversation_id}/files/{path}"
    return await api.http.put(address, content=content, headers=headers)


async def get(api: Api, conversation_id: str, path: str) -> httpx.Response:
    return await api.http.get(f"/v1/conversations/{conversation_id}/files/{path}")


async def delete(api: Api, conversation_id: str, path: str, **headers: str) -> httpx.Response:
    return await api.http.delete(f"/v1/conversations/{conversation_id}/files/{path}", headers=headers)


async def listed(api: Api, conversation_id: str) -> dict[str, tuple[int, int]]:
    """Version and size of every file, by path."""
    files = (await api.http.get(f"/v1/conversations/{conversation_id}/files")).json()["files"]
    assert all(set(file) == {"path", "version", "size", "updated_at"} for file in files)
    return {file["path"]: (file["version"], file["size"]) for file in files}


async def test_people_read_what_the_agent_writes(api: Api, clerk: str) -> None:
    arguments = {"path": "notes/tea.md", "content": "# Tée\n"}
    async with api.watching(clerk) as stream:
        await api.send(clerk, f"create_file {orjson.dumps(arguments).decode()}")
        await stream.until("turn_completed")
    [changed] = [event for event in stream.seen if event["type"] == "file_changed"]
    assert (changed["path"], changed["turn"]) == ("notes/tea.md", 1)
    response = await get(api, clerk, "notes/tea.md")
    assert response.content == "# Tée\n".encode()
    assert response.headers["etag"] == f'"{changed["version"]}"'
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert await listed(api, clerk) == {"notes/tea.md": (changed["version"], 7)}


async def test_the_agent_and_the_watchers_see_what_people_write(api: Api, clerk: str) -> None:
    async with api.watching(clerk) as stream:
        await stream.until("snapshot")
        created = await put(api, clerk, "plan.txt", b"tea\n", NEW)
        await stream.until("file_changed", path="plan.txt", version=created.json()["version"])
    assert (created.status_code, created.headers["etag"]) == (200, f'"{created.json()["version"]}"')
    events = await api.turn(clerk, 'read_file {"path": "plan.txt"}')
    [result] = [event for event in events if event["type"] == "tool_result"]
    assert result["content"].strip() == "1\ttea"


async def test_an_edit_says_which_version_it_replaces(api: Api, clerk: str) -> None:
    first = (await put(api, clerk, "a.txt", b"one", NEW)).json()["version"]
    check_problem(await put(api, clerk, "a.txt", b"two", NEW), 409, "file_exists")
    second = await put(api, clerk, "a.txt", b"two", {"If-Match": f'"{first}"'})
    assert second.json() == {"path": "a.txt", "version": second.json()["version"]}
    late = await put(api, clerk, "a.txt", b"three", {"If-Match": f'"{first}"'})
    check_problem(late, 412, "file_conflict")
    assert late.json()["version"] == second.json()["version"]
    assert (await get(api, clerk, "a.txt")).content == b"two"


async def test_any_bytes_are_kept_as_they_are(api: Api, clerk: str) -> None:
    content = bytes(range(256))
    await put(api, clerk, "raw.bin", content, NEW)
    response = await get(api, clerk, "raw.bin")
    assert (response.content, response.headers["content-type"]) == (content, "application/octet-stream")
    await put(api, clerk, "page.html", b"<script>alert(1)</script>", NEW)
    assert (await get(api, clerk, "page.html")).headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_file_or_a_folder_is_deleted(api: Api, clerk: str) -> None:
    version = (await put(api, clerk, "notes/a.txt", b"a", NEW)).json()["version"]
    await put(api, clerk, "notes/b.txt", b"b", NEW)
    check_problem(await delete(api, clerk, "notes/a.txt", **{"If-Match": f'"{version + 100}"'}), 412, "file_conflict")
    async with api.watching(clerk) as stream:
        await stream.until("snapshot")
        assert (await delete(api, clerk, "notes/a.txt", **{"If-Match": f'"{version}"'})).status_code == 204
        await stream.until("file_changed", path="notes/a.txt", version=None)
    assert list(await listed(api, clerk)) == ["notes/b.txt"]
    assert (await delete(api, clerk, "notes")).status_code == 204
    assert await listed(api, clerk) == {}
    check_problem(await delete(api, clerk, "notes"), 404, "unknown_file")


async def test_a_users_and_a_projects_files_are_shared_by_their_conversations(api: Api, clerk: str) -> None:
    other = await api.create("clerk")
    for place in ("me", "shared"):
        path = f"{place}/{uuid.uuid4().hex}.txt"
        await put(api, clerk, path, b"ours", NEW)
        assert (await get(api, other, path)).content == b"ours"
        assert path in await listed(api, other)
        assert (await delete(api, other, path)).status_code == 204
    await put(api, clerk, "own.txt", b"mine", NEW)
    check_problem(await get(api, other, "own.txt"), 404, "unknown_file")


async def test_files_go_with_their_conversation(api: Api, clerk: str) -> None:
    await put(api, clerk, "own.txt", b"mine", NEW)
    await api.http.delete(f"/v1/conversations/{clerk}")
    check_problem(await get(api, clerk, "own.txt"), 404, "unknown_conversation")
    await api.create("clerk", id=clerk)
    assert await listed(api, clerk) == {}


async def test_an_agent_without_files(api: Api) -> None:
    conversation_id = await api.create("worker")
    assert await listed(api, conversation_id) == {}
    check_problem(await get(api, conversation_id, "a.txt"), 404, "unknown_file")
    check_problem(await put(api, conversation_id, "a.txt", b"a", NEW), 404, "unknown_file")
    check_problem(await delete(api, conversation_id, "a.txt"), 404, "unknown_file")


@pytest.mark.parametrize(
    "path", ["%2e%2e/secret", "a/%2e%2e/b", "%2fetc/passwd", "a%5cb", "a%00b", "", "me", "x" * 513]
)
async def test_a_bad_path(api: Api, clerk: str, path: str) -> None:
    for response in (await get(api, clerk, path), await put(api, clerk, path, b"", NEW)):
        assert (response.status_code, response.json()["type"]) == (422, "urn:raylogue:problem:bad_path")


@pytest.mark.parametrize(
    "headers",
    [{}, {"If-Match": '"1"', "If-None-Match": "*"}, {"If-Match": "1"}, {"If-Match": "*"}, {"If-None-Match": '"1"'}],
    ids=str,
)
async def test_a_write_without_a_version(api: Api, clerk: str, headers: dict[str, str]) -> None:
    check_problem(await put(api, clerk, "a.txt", b"", headers), 422, "invalid_request")


async def test_an_unknown_file(api: Api, clerk: str) -> None:
    check_problem(await get(api, clerk, "a.txt"), 404, "unknown_file")
    check_problem(await put(api, clerk, "a.txt", b"a", {"If-Match": '"7"'}), 404, "unknown_file")


async def test_a_file_has_its_bounds(api: Api, clerk: str) -> None:
    limit = 1024 * 1024
    check_problem(await put(api, clerk, "large.txt", b"x" * (limit + 1), NEW), 413, "file_too_large")
    assert (await put(api, clerk, "large.txt", b"x" * limit, NEW)).status_code == 200
    assert (await listed(api, clerk))["large.txt"][1] == limit
