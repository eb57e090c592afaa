"""The files that a conversation's agent keeps, for people: list, read, write and delete; versions are ETags."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import ORJSONResponse

from agents.clock import now_ms
from agents.codec import wire_live
from agents.middleware.file_system import FileSystem
from agents.turn.live import FileChanged
from deployments.ingress.body_reader import read_bytes
from deployments.ingress.dependencies import ConversationId, Dependencies, Deps
from deployments.ingress.problems import CONVERSATION_PROBLEMS, Problem, openapi_problems
from deployments.ingress.streams.large_response import bounded_response
from deployments.page.markdown import render_markdown
from store import ConversationMeta, Scope

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["files"])

PATH_PROBLEMS = (*CONVERSATION_PROBLEMS, "unknown_file", "bad_path")
SIZE_PROBLEMS = ("file_too_large", "scope_full", "overloaded")
ETAG = re.compile(r'"([1-9][0-9]{0,15})"')
OUTSIDE_OF_A_TURN = 0
MAX_RENDERED_BYTES: Final = 65_536
"""Longer Markdown is not rendered: that would take time from all the streams of this process."""
# What an agent writes is shown by our own page, under our origin: it must never be taken for a page itself.
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
RAW_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}
IfMatch = Annotated[str | None, Header(description='The version that was read, such as "3".')]
IfNoneMatch = Annotated[str | None, Header(description="`*`: the file must not exist yet.")]


@router.get("/files", responses=openapi_problems(*CONVERSATION_PROBLEMS))
async def list_files(conversation_id: ConversationId, deps: Deps) -> dict[str, Any]:
    """All files of all mounts; none if the agent keeps no files."""
    meta, file_system = await _file_system(conversation_id, deps)
    found = [file async for file in _list_mounts(deps, meta, file_system)] if file_system else []
    return {"files": found}


@router.get("/files/{path:path}", response_model=None, responses=openapi_problems(*PATH_PROBLEMS, "overloaded"))
async def read_file(
    conversation_id: ConversationId, path: str, deps: Deps, render: Literal["html"] | None = None
) -> Response:
    """The bytes of one file, with its version as `ETag`; rendered, `{"html"}` with its Markdown as sanitised HTML."""
    _, scope, inner = await _resolve(conversation_id, path, deps)
    file = await deps.store.files.read(scope, inner)
    if render is not None:
        return _html_response(file.content)
    headers = {**HEADERS, "ETag": _to_etag(file.info.version)}
    return bounded_response(file.content, deps.limits.response_bytes, _media_type(file.content), headers)


@router.put(
    "/files/{path:path}",
    response_model=None,
    openapi_extra=RAW_BODY,
    responses=openapi_problems(*PATH_PROBLEMS, "invalid_request", "file_conflict", "file_exists", *SIZE_PROBLEMS),
)
async def write_file(
    conversation_id: ConversationId,
    path: str,
    request: Request,
    deps: Deps,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> dict[str, Any]:
    """Write the version that follows the one that was read, or create the file: one of the two headers says which."""
    expected = _expected_version(if_match, if_none_match)
    meta, scope, inner = await _resolve(conversation_id, path, deps)
    content = await read_bytes(request, deps.limits, deps.store.files.limits.file_bytes, "file_too_large")
    with deps.limits.body_bytes.hold(len(content)):
        version = await deps.store.files.write(scope, inner, content, expected_version=expected, now=now_ms())
    _publish_change(deps, meta, path, version)
    response.headers["ETag"] = _to_etag(version)
    return {"path": path, "version": version}


@router.delete(
    "/files/{path:path}",
    status_code=204,
    responses=openapi_problems(*PATH_PROBLEMS, "invalid_request", "file_conflict"),
)
async def delete_file(conversation_id: ConversationId, path: str, deps: Deps, if_match: IfMatch = None) -> Response:
    """Delete a file, or a folder with all below it; with `If-Match`, only that version of the file."""
    expected = None if if_match is None else _parse_etag(if_match)
    meta, scope, inner = await _resolve(conversation_id, path, deps)
    await deps.store.files.delete(scope, inner, expected_version=expected)
    _publish_change(deps, meta, path, None)
    return Response(status_code=204)


async def _list_mounts(
    deps: Dependencies, meta: ConversationMeta, file_system: FileSystem
) -> AsyncIterator[dict[str, Any]]:
    for mount, scope in file_system.scopes(meta).items():
        for info in await deps.store.files.list(scope):
            path = f"{mount}/{info.path}" if mount else info.path
            if file_system.resolve(path, meta) == (scope, info.path):  # else another mount of that name hides it
                yield {"path": path, "version": info.version, "size": info.size, "updated_at": info.updated_at}


async def _file_system(conversation_id: str, deps: Dependencies) -> tuple[ConversationMeta, FileSystem | None]:
    """The conversation, and the middleware that keeps its agent's files, if it has one."""
    meta = await deps.store.registry.get(conversation_id)
    middleware = deps.catalog.get(meta.agent).each_middleware()
    return meta, next((found for found in middleware if isinstance(found, FileSystem)), None)


async def _resolve(conversation_id: str, path: str, deps: Dependencies) -> tuple[ConversationMeta, Scope, str]:
    """Where a path of the conversation leads; raises `Problem`, `store.BadPath`."""
    meta, file_system = await _file_system(conversation_id, deps)
    if file_system is None:
        raise Problem("unknown_file", f"There is no file {path!r}: the agent {meta.agent} keeps none.")
    scope, inner = file_system.resolve(path, meta)
    return meta, scope, inner


def _publish_change(deps: Dependencies, meta: ConversationMeta, path: str, version: int | None) -> None:
    """Watchers of the conversation see the change at once."""
    changed = FileChanged(turn=OUTSIDE_OF_A_TURN, path=path, version=version)
    deps.store.live.publish(meta.id, meta.epoch, wire_live(changed, meta.id))


def _expected_version(if_match: str | None, if_none_match: str | None) -> int | None:
    """The version to be replaced; None: there must be none."""
    if (if_match is None) == (if_none_match is None):
        raise Problem("invalid_request", "header: send either If-Match with the version you read, or If-None-Match: *")
    if if_match is not None:
        return _parse_etag(if_match)
    if if_none_match != "*":
        raise Problem("invalid_request", "header.if-none-match: only * is taken")
    return None


def _parse_etag(if_match: str) -> int:
    known = ETAG.fullmatch(if_match.strip())
    if known is None:
        raise Problem("invalid_request", 'header.if-match: one version in quotes is taken, such as "3"')
    return int(known[1])


def _to_etag(version: int) -> str:
    return f'"{version}"'


def _html_response(content: bytes) -> Response:
    if len(content) > MAX_RENDERED_BYTES:
        raise Problem("file_too_large", f"At most {MAX_RENDERED_BYTES} bytes are rendered.")
    return ORJSONResponse({"html": render_markdown(content.decode(errors="replace"))})


def _media_type(content: bytes) -> str:
    try:
        content.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain; charset=utf-8"
