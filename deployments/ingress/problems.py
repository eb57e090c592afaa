"""Every refusal the API can give: a stable type, a status and a title, answered as application/problem+json."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from agents.errors import NewerRecord, Refused, UnknownAgent, UnreadableRecord
from deployments.routing.errors import ControlPlaneUnavailable, Unreachable
from store import ConversationExists, ConversationNotFound, StoreUnavailable
from store.errors import (
    ArchiveDamaged,
    ArchiveUnavailable,
    BadPath,
    FileConflict,
    FileExists,
    FileMissing,
    FileTooLarge,
    NewerFormat,
    ScopeFull,
)

TYPE_PREFIX = "urn:raylogue:problem:"
MEDIA_TYPE = "application/problem+json"
SOON_SECONDS, LATER_SECONDS = 2, 5
"""For `Retry-After`."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """`retry_after` is for what passes by itself: in so many seconds the same request may be taken."""

    status: int
    title: str
    retry_after: int | None = None


PROBLEM_TYPES: Mapping[str, ProblemType] = {
    "malformed_json": ProblemType(400, "The body is not valid JSON"),
    "invalid_conversation_id": ProblemType(400, "The conversation id is not valid"),
    "unknown_conversation": ProblemType(404, "There is no such conversation"),
    "unknown_file": ProblemType(404, "There is no such file"),
    "not_found": ProblemType(404, "There is nothing at this address"),
    "method_not_allowed": ProblemType(405, "This address does not take this method"),
    "turn_running": ProblemType(409, "A turn is running"),
    "not_running": ProblemType(409, "No turn is running"),
    "stale_resolution": ProblemType(409, "The answer comes too late, twice, or for nothing"),
    "arguments_changed": ProblemType(409, "The call is not the one that was shown"),
    "answer_at_parent": ProblemType(409, "The call of a sub-agent is answered at its parent"),
    "conversation_exists": ProblemType(409, "The id is taken"),
    "file_exists": ProblemType(409, "The path is taken"),
    "file_conflict": ProblemType(412, "The file has changed since"),
    "terminating": ProblemType(503, "The conversation is moving", SOON_SECONDS),
    "message_too_large": ProblemType(413, "The message is too large"),
    "file_too_large": ProblemType(413, "The file is too large"),
    "unsupported_media_type": ProblemType(415, "The body must be application/json"),
    "empty_message": ProblemType(422, "The message is empty"),
    "invalid_request": ProblemType(422, "The request does not fit its schema"),
    "invalid_decision": ProblemType(422, "The decision does not fit the call"),
    "unknown_agent": ProblemType(422, "There is no such agent"),
    "unreadable_attachment": ProblemType(422, "An image or document is not what it says"),
    "unknown_model": ProblemType(422, "The agent has no such model"),
    "bad_path": ProblemType(422, "The path is not valid"),
    "queue_full": ProblemType(429, "Too many messages wait", SOON_SECONDS),
    "too_many_turns": ProblemType(429, "Too many turns are running", SOON_SECONDS),
    "self_run_limit": ProblemType(429, "The agent has started itself too often"),
    "budget_exhausted": ProblemType(429, "The budget is used up"),
    "middleware_failed": ProblemType(500, "A middleware of the agent failed"),
    "unreadable_log": ProblemType(500, "The log of the conversation cannot be read"),
    "archive_damaged": ProblemType(500, "A part of the log is not as it was written"),
    "internal": ProblemType(500, "Something went wrong here"),
    "archive_unavailable": ProblemType(503, "The archive cannot be reached", SOON_SECONDS),
    "store_unavailable": ProblemType(503, "The store cannot be reached", SOON_SECONDS),
    "conversation_unreachable": ProblemType(503, "The conversation does not answer", SOON_SECONDS),
    "control_plane_unavailable": ProblemType(503, "The cluster's control plane cannot be reached", SOON_SECONDS),
    "cluster_full": ProblemType(503, "There is no room for more live conversations", LATER_SECONDS),
    "too_many_streams": ProblemType(503, "Too many event streams are open", LATER_SECONDS),
    "overloaded": ProblemType(503, "There is too much to do", SOON_SECONDS),
    "newer_code": ProblemType(503, "Newer code has written to the conversation", SOON_SECONDS),
    "replica_draining": ProblemType(503, "The replica is about to stop", SOON_SECONDS),
    "scope_full": ProblemType(507, "There is no room for more files"),
}

REFUSED_BY_MIDDLEWARE = ProblemType(422, "The conversation does not take this")
"""For the refusals of an operator's own middleware, which have codes of their own."""

BODY_PROBLEMS = (
    "malformed_json",
    "unsupported_media_type",
    "invalid_request",
    "message_too_large",
    "overloaded",
)
CONVERSATION_PROBLEMS = ("unknown_conversation", "invalid_conversation_id", "store_unavailable")
LOG_PROBLEMS = ("unreadable_log", "newer_code")
"""What every route may answer that reads a body, names a conversation, or reads its log."""


class ProblemBody(BaseModel):
    """RFC 9457: `type` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class Problem(Exception):
    """A refusal; `code` is a key of `PROBLEM_TYPES` or a middleware's own, `members` are for programs."""

    def __init__(self, code: str, detail: str, members: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(code, detail, members)
        self.code = code
        self.detail = detail
        self.members = members


def problem_response(problem: Problem, instance: str) -> Response:
    """The problem as a response; what passes by itself says when to come back."""
    problem_type = PROBLEM_TYPES.get(problem.code, REFUSED_BY_MIDDLEWARE)
    body = {
        "type": TYPE_PREFIX + problem.code,
        "title": problem_type.title,
        "status": problem_type.status,
        "detail": problem.detail,
        "instance": instance,
        **problem.members,
    }
    headers = {"Retry-After": str(problem_type.retry_after)} if problem_type.retry_after is not None else None
    return Response(orjson.dumps(body), problem_type.status, headers, MEDIA_TYPE)


def openapi_problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for OpenAPI: which problems it may answer with."""
    by_status: dict[int | str, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(PROBLEM_TYPES[code].status, []).append(code)
    return {
        status: {
            "description": "; ".join(f"`{TYPE_PREFIX}{code}`: {PROBLEM_TYPES[code].title}" for code in found),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, found in by_status.items()
    }


_NEWER = "It is served by newer code than answers here, and left as it is; try again."

_TRANSLATIONS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    Problem: lambda e: e,
    Refused: lambda e: Problem(e.code, e.detail),
    UnknownAgent: lambda e: Problem("unknown_agent", f"No agent is named {e.name!r}."),
    ConversationNotFound: lambda e: Problem("unknown_conversation", f"There is no conversation {e.conversation_id!r}."),
    ConversationExists: lambda e: Problem("conversation_exists", f"The id {e.conversation_id!r} is taken."),
    FileMissing: lambda e: Problem("unknown_file", f"There is no file {e.path!r}."),
    FileExists: lambda e: Problem("file_exists", f"The path {e.path!r} is taken."),
    FileConflict: lambda e: Problem(
        "file_conflict", f"{e.path!r} has changed since: read it again.", {"version": e.current}
    ),
    FileTooLarge: lambda e: Problem("file_too_large", str(e)),
    ScopeFull: lambda e: Problem("scope_full", str(e)),
    BadPath: lambda e: Problem("bad_path", str(e)),
    NewerFormat: lambda _: Problem("newer_code", _NEWER),
    NewerRecord: lambda _: Problem("newer_code", _NEWER),
    UnreadableRecord: lambda e: Problem("unreadable_log", f"{str(e).capitalize()}. It is left as it is."),
    ArchiveUnavailable: lambda e: Problem("archive_unavailable", "The archive of old events does not answer now."),
    ArchiveDamaged: lambda e: Problem("archive_damaged", "A part of this conversation's log cannot be read."),
    StoreUnavailable: lambda e: Problem("store_unavailable", "The store does not answer now; try again."),
    ControlPlaneUnavailable: lambda e: Problem(
        "control_plane_unavailable", "It cannot be told now where the conversation lives; try again."
    ),
    Unreachable: lambda e: Problem("conversation_unreachable", "The conversation does not answer now; try again."),
}


def install_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer every error with a problem."""
    for error, translate in _TRANSLATIONS.items():
        app.add_exception_handler(error, _handler(translate))
    app.add_exception_handler(RequestValidationError, _handler(_from_validation_error))
    app.add_exception_handler(HTTPException, _handler(_from_http_exception))
    app.add_exception_handler(Exception, _handler(lambda _: Problem("internal", "The request failed here.")))


def _handler(translate: Callable[[Any], Problem]) -> Callable[[Request, Exception], Response]:
    async def handle(request: Request, error: Exception) -> Response:
        return problem_response(translate(error), quote(request.scope["path"]))

    return handle  # type: ignore[return-value]  # Starlette takes both kinds of function, its type only one


def _from_validation_error(error: RequestValidationError) -> Problem:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return Problem("invalid_request", f"{place}: {first['msg']}")


def _from_http_exception(error: HTTPException) -> Problem:
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    return Problem(code, str(error.detail))
