"""Copies of a conversation: a fork beside it, a file of it, and what a file is read back into."""

import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, nullcontext
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from agents.clock import now_ms
from agents.codec import VERSION
from agents.copies.export import export
from agents.copies.file_format import MAX_LINE_BYTES, MEDIA_TYPE
from agents.copies.fork import NewFork, fork
from agents.copies.import_file import ImportOptions, import_file
from agents.copies.markdown import markdown
from deployments.access.conversations import require_scope
from deployments.access.errors import NotAllowed
from deployments.access.principal import PART, Principal
from deployments.access.projects import may_use_project
from deployments.access.rights import relation_to
from deployments.ingress.bodies import Forking, body_schema
from deployments.ingress.body_reader import read_lines, read_optional_body
from deployments.ingress.dependencies import (
    CONVERSATION_ID,
    ConversationId,
    Deps,
    principal_of,
    validate_conversation_id,
)
from deployments.ingress.problems import BODY_PROBLEMS, CONVERSATION_PROBLEMS, LOG_PROBLEMS, Problem, openapi_problems
from deployments.ingress.routes.conversations import conversation_body
from deployments.ingress.streams.download import DownloadResponse
from store.errors import NewerFormat
from store.records import project_id_of

router = APIRouter(prefix="/v1", tags=["copies"])

MEDIA_TYPES = {"jsonl": MEDIA_TYPE, "markdown": "text/markdown; charset=utf-8"}
SUFFIXES = {"jsonl": "jsonl", "markdown": "md"}
OWNER = re.compile(f"{PART.pattern}(?:/{PART.pattern})?")
ARCHIVE_PROBLEMS = ("archive_unavailable", "archive_damaged")


@router.post(
    "/conversations/{conversation_id}/fork",
    status_code=201,
    openapi_extra=body_schema(Forking, required=False),
    responses=openapi_problems(
        *CONVERSATION_PROBLEMS, *BODY_PROBLEMS, *LOG_PROBLEMS, *ARCHIVE_PROBLEMS, "turn_running", "conversation_exists"
    ),
)
async def fork_conversation(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """Begin a conversation of one's own with the log and the files of another; who may read that one, may do so."""
    principal = principal_of(request)
    source = await deps.access.get(principal, conversation_id, "read")
    require_scope(principal, "write")
    body = await read_optional_body(request, Forking, deps.limits)
    if source.parent is not None:  # what its parent's agent forbids it would be allowed then
        raise Problem("invalid_request", f"path.conversation_id: it is a sub-agent's; fork {source.root}")
    if body.seq is not None and body.seq > source.last_seq:
        raise Problem("invalid_request", f"body.seq: the log ends at {source.last_seq}")
    # Its agent may use the files of the project, so that the fork is in it for members only.
    is_in_project = await may_use_project(deps.store, principal, source)
    new = NewFork(
        id=validate_conversation_id(body.id) if body.id is not None else uuid.uuid4().hex,
        principal=principal.id,
        channel=body.channel,
        title=body.title,
        project=source.project if is_in_project else None,
    )
    made = await fork(deps.store, source, body.seq, new, now_ms())
    return await conversation_body(made, principal, deps)


@router.get(
    "/conversations/{conversation_id}/export",
    response_model=None,
    responses={
        **openapi_problems(*CONVERSATION_PROBLEMS, *LOG_PROBLEMS, *ARCHIVE_PROBLEMS, "invalid_request", "overloaded"),
        200: {"description": "The file", "content": {kind: {} for kind in MEDIA_TYPES.values()}},
    },
)
async def export_conversation(
    conversation_id: ConversationId,
    request: Request,
    deps: Deps,
    file_format: Annotated[Literal["jsonl", "markdown"], Query(alias="format")] = "jsonl",
) -> Response:
    """The conversation as a file, with those of its sub-agents: JSON Lines for an import, or Markdown for people.

    A failure in mid-way ends the connection, and so does the end of the reader's access: a file of JSON Lines is whole
    if it has its last line.
    """
    principal = principal_of(request)
    meta = await deps.access.get(principal, conversation_id, "read")
    if meta.format > VERSION:
        raise NewerFormat(conversation_id, meta.format)
    await deps.store.log.read(meta.id, limit=1)  # if the archive is away, that is a plain problem now
    written = export(deps.store, meta, now_ms()) if file_format == "jsonl" else _encoded(markdown(deps.store, meta))
    name, media_type = f"{meta.id}.{SUFFIXES[file_format]}", MEDIA_TYPES[file_format]
    return DownloadResponse(written, deps, principal, meta.id, name=name, media_type=media_type)


@router.post(
    "/import",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
    responses=openapi_problems(
        "unsupported_media_type",
        "invalid_import",
        "invalid_conversation_id",
        "invalid_request",
        "file_too_large",
        "overloaded",
        "conversation_exists",
        "not_allowed",
        "store_unavailable",
    ),
)
async def import_conversation(
    request: Request,
    deps: Deps,
    new_id: Annotated[str | None, Query(alias="id", description="Under this id; else under a new one.")] = None,
    same_id: Annotated[bool, Query(description="Under the id that it had.")] = False,
    keep_owner: Annotated[bool, Query(description="It stays with its owner: for admins of that tenant.")] = False,
) -> dict[str, Any]:
    """Read back the file of an export: a conversation of one's own, complete or not at all."""
    principal = principal_of(request)
    require_scope(principal, "write")
    if new_id is not None and same_id:
        raise Problem("invalid_request", "query.id: either an id, or same_id")
    name = uuid.uuid4().hex if new_id is None else validate_conversation_id(new_id)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise Problem("unsupported_media_type", f"Send {MEDIA_TYPE}, not {media_type or 'nothing'}.")

    def owner_of(owner: str) -> str:
        return _require_owner(principal, owner) if keep_owner else principal.id

    async def project_of(owner: str, project: str) -> str | None:
        role = await deps.store.projects.role(project_id_of(owner, project), owner)
        return None if role is None else project  # its agent may write the files of the project

    options = ImportOptions(
        id_of=lambda former: validate_conversation_id(former) if same_id else name,
        is_id=lambda below: CONVERSATION_ID.fullmatch(below) is not None,
        owner_of=owner_of,
        project_of=project_of,
        is_agent=deps.catalog.agents.__contains__,
    )
    lines = read_lines(request, deps.limits, deps.settings.max_import_bytes, MAX_LINE_BYTES)
    acting = deps.audit.act("imported_for_owner", principal) if keep_owner else nullcontext()
    async with acting, aclosing(lines):
        made = await import_file(deps.store, lines, options, now_ms())
    return await conversation_body(made, principal, deps)


def _require_owner(principal: Principal, owner: str) -> str:
    """The owner in the file, if the principal may make conversations in that person's name.

    Raises NotAllowed, and ValueError for what is the name of no principal.
    """
    if owner != principal.id and OWNER.fullmatch(owner) is None:
        raise ValueError(f"{owner!r} can be no owner")
    if owner != principal.id and relation_to(principal, owner, {}) is None:
        raise NotAllowed("only an admin of the tenant may keep the owner")
    return owner


async def _encoded(parts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
    async for part in parts:
        yield part.encode()
