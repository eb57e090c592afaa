"""The files that a conversation's agent keeps, for people: list, read, write and delete; versions are ETags."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Request, Response

from agents.clock import now_ms
from agents.codec import wire_live
from agents.middleware.file_system import FileSystem
from agents.middleware.file_system.mounts import Mounts, open_mounts
from agents.turn.live import FileChanged
from deployments.access.principal import Principal
from deployments.access.rights import Right, standing_of
from deployments.ingress.body_reader import read_bytes
from deployments.ingress.dependencies import ConversationId, Dependencies, Deps, principal_of
from deployments.ingress.problems import CONVERSATION_PROBLEMS, Problem, openapi_problems
from deployments.ingress.streams.large_response import bounded_response
from deployments.page.markdown import MAX_RENDERED_CHARACTERS, render
from store import ConversationMeta, Scope

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["files"])

PATH_PROBLEMS = (*CONVERSATION_PROBLEMS, "unknown_file", "bad_path")
SIZE_PROBLEMS = ("file_too_large", "scope_full", "overloaded")
ETAG = re.compile(r'"([1-9][0-9]{0,15})"')
OUTSIDE_OF_A_TURN = 0
# What an agent writes is shown by our own page, under our origin: it must never be taken for a page itself.
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
RAW_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}
IfMatch = Annotated[
    str | None,
    Header(description='The version that was read, such as "3".', json_schema_extra={"pattern": f"^{ETAG.pattern}$"}),
]
IfNoneMatch = Annotated[
    str | None, Header(description="`*`: the file must not exist yet.", json_schema_extra={"pattern": "^\\*$"})
]


@router.get("/files", responses=openapi_problems(*CONVERSATION_PROBLEMS))
async def list_files(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """All files of all mounts; none if the agent keeps no files."""
    principal = principal_of(request)
    meta, mounts = await _mounts(conversation_id, principal, "read", deps)
    found = [file async for file in _list_mounts(deps, meta, principal, mounts)] if mounts else []
    return {"files": found}


@router.get("/files/{path:path}", response_model=None, responses=openapi_problems(*PATH_PROBLEMS, "overloaded"))
async def read_file(
    conversation_id: ConversationId, path: str, request: Request, deps: Deps, render: Literal["html"] | None = None
) -> Response:
    """The bytes of one file, with its version as `ETag`; rendered, `{"html"}` with its Markdown as sanitised HTML."""
    _, scope, inner = await _resolve(conversation_id, path, principal_of(request), "read", deps)
    file = await deps.store.files.read(scope, inner)
    if render is not None:
        return await _html_response(file.content)
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
    meta, scope, inner = await _resolve(conversation_id, path, principal_of(request), "write", deps)
    expected = _expected_version(if_match, if_none_match)
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
async def delete_file(
    conversation_id: ConversationId, path: str, request: Request, deps: Deps, if_match: IfMatch = None
) -> Response:
    """Delete a file, or a folder with all below it; with `If-Match`, only that version of the file."""
    meta, scope, inner = await _resolve(conversation_id, path, principal_of(request), "write", deps)
    expected = None if if_match is None else _parse_etag(if_match)
    await deps.store.files.delete(scope, inner, expected_version=expected)
    _publish_change(deps, meta, path, None)
    return Response(status_code=204)


async def _list_mounts(
    deps: Dependencies, meta: ConversationMeta, principal: Principal, mounts: Mounts
) -> AsyncIterator[dict[str, Any]]:
    for mount, scope in mounts.scopes(meta).items():
        if not _is_open(scope, principal):
            continue
        for info in await deps.store.files.list(scope):
            path = f"{mount}/{info.path}" if mount else info.path
            if mounts.resolve(path, meta) == (scope, info.path):  # else another mount of that name hides it
                yield {"path": path, "version": info.version, "size": info.size, "updated_at": info.updated_at}


async def _mounts(
    conversation_id: str, principal: Principal, right: Right, deps: Dependencies
) -> tuple[ConversationMeta, Mounts | None]:
    """The conversation, and where its agent keeps files for this principal, if it keeps any."""
    meta = await deps.access.get(principal, conversation_id, right)
    middleware = deps.catalog.get(meta.agent).each_middleware()
    file_system = next((found for found in middleware if isinstance(found, FileSystem)), None)
    if file_system is None:
        return meta, None
    if "admin" in standing_of(principal, meta.principal, {}):
        return meta, file_system.mounts.open_to(meta, member=True)
    return meta, await open_mounts(file_system.mounts, meta, deps.store, principal.id)


async def _resolve(
    conversation_id: str, path: str, principal: Principal, right: Right, deps: Dependencies
) -> tuple[ConversationMeta, Scope, str]:
    """Where a path of the conversation leads; raises `Problem`, `store.BadPath`."""
    meta, mounts = await _mounts(conversation_id, principal, right, deps)
    if mounts is None:
        raise Problem("unknown_file", f"There is no file {path!r}: the agent {meta.agent} keeps none.")
    if path.partition("/")[0] in mounts.closed:
        raise Problem("unknown_file", f"There is no file {path!r}.")
    scope, inner = mounts.resolve(path, meta)
    if not _is_open(scope, principal):
        raise Problem("unknown_file", f"There is no file {path!r}.")
    return meta, scope, inner


def _is_open(scope: Scope, principal: Principal) -> bool:
    """Whether these files are shared with the conversation: what a person keeps across conversations never is."""
    return scope.kind != "user" or scope.id == principal.id or principal.acts_as("operator")


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


async def _html_response(content: bytes) -> Response:
    if len(content) > MAX_RENDERED_CHARACTERS:
        raise Problem("file_too_large", f"At most {MAX_RENDERED_CHARACTERS} bytes are rendered.")
    html = await render(content.decode(errors="replace"))
    return Response(orjson.dumps({"html": html}), media_type="application/json")


def _media_type(content: bytes) -> str:
    try:
        content.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain; charset=utf-8"
