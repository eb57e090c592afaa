"""Every refusal the API can give: a stable type, a status and a title, answered as application/problem+json."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from agents.clock import now_ms
from agents.errors import InvalidImport, NewerRecord, Refused, UnknownAgent, UnreadableRecord
from agents.memory import MemoryChanged, MemoryNotFound, MemoryRefused
from deployments.access.errors import Concealed, NotAllowed
from deployments.access.limits import LimitReached, seconds_until
from deployments.access.projects import ConcealedProject, UnknownProject
from deployments.batches.errors import NotForProviderBatches, UnknownFile, WrongState
from deployments.batches.files import FilesUnavailable
from deployments.batches.sources import ForbiddenUrl
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
AT_ONCE_SECONDS, SOON_SECONDS, LATER_SECONDS = 1, 2, 5
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
    "credentials_missing": ProblemType(401, "The request has no credentials"),
    "credentials_malformed": ProblemType(401, "The credentials cannot be read"),
    "credentials_expired": ProblemType(401, "The credentials have expired"),
    "credentials_invalid": ProblemType(401, "The credentials are not valid"),
    "wrong_audience": ProblemType(401, "The token is for another service"),
    "context_invalid": ProblemType(401, "The context of the gateway is not valid"),
    "not_allowed": ProblemType(403, "The credentials are not for this"),
    "not_an_approver": ProblemType(403, "The call waits for another person"),
    "page_header_missing": ProblemType(403, "Only the page itself may write with its cookie"),
    "foreign_host": ProblemType(403, "The service does not answer for this name"),
    "foreign_origin": ProblemType(403, "The page of another site may not ask for this"),
    "unknown_conversation": ProblemType(404, "There is no such conversation"),
    "unknown_key": ProblemType(404, "There is no such key"),
    "unknown_project": ProblemType(404, "There is no such project"),
    "unknown_job": ProblemType(404, "There is no such job"),
    "unknown_batch": ProblemType(404, "There is no such batch"),
    "unknown_row": ProblemType(404, "The batch has no such row"),
    "unknown_schedule": ProblemType(404, "There is no such schedule"),
    "unknown_run": ProblemType(404, "There is no such run"),
    "unknown_replay": ProblemType(404, "There is no such replay"),
    "unknown_memory": ProblemType(404, "There is no such memory"),
    "unknown_turn": ProblemType(404, "There is no such turn"),
    "unknown_file": ProblemType(404, "There is no such file"),
    "not_found": ProblemType(404, "There is nothing at this address"),
    "method_not_allowed": ProblemType(405, "This address does not take this method"),
    "request_timeout": ProblemType(408, "The request did not arrive in time", AT_ONCE_SECONDS),
    "turn_running": ProblemType(409, "A turn is running"),
    "memory_changed": ProblemType(409, "The memory has changed since"),
    "not_running": ProblemType(409, "No turn is running"),
    "turn_summarised": ProblemType(409, "The turn is part of a summary"),
    "stale_resolution": ProblemType(409, "The answer comes too late, twice, or for nothing"),
    "arguments_changed": ProblemType(409, "The call is not the one that was shown"),
    "answer_at_parent": ProblemType(409, "The call of a sub-agent is answered at its parent"),
    "job_over": ProblemType(409, "The job is over"),
    "job_open": ProblemType(409, "The job is not over"),
    "wrong_batch_state": ProblemType(409, "The batch is in another state"),
    "no_batch_results": ProblemType(409, "The batch has no results"),
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
    "unknown_job_type": ProblemType(422, "There is no such job to schedule"),
    "too_many_schedules": ProblemType(422, "The principal has as many schedules as one may have"),
    "unreadable_attachment": ProblemType(422, "An image or document is not what it says"),
    "unknown_model": ProblemType(422, "The agent has no such model"),
    "invalid_import": ProblemType(422, "The file is not one that an export wrote"),
    "memory_refused": ProblemType(422, "That cannot be remembered"),
    "unknown_batch_file": ProblemType(422, "There is no such uploaded file"),
    "forbidden_url": ProblemType(422, "The service may not use this URL"),
    "not_for_provider_batches": ProblemType(422, "The agent cannot use the provider's batches"),
    "bad_path": ProblemType(422, "The path is not valid"),
    "too_many_members": ProblemType(422, "The conversation has as many members as it may"),
    "limit_reached": ProblemType(429, "A limit of the principal or its tenant is reached", SOON_SECONDS),
    "too_many_runs": ProblemType(429, "Too many runs of the schedule are not over"),
    "queue_full": ProblemType(429, "Too many messages wait", SOON_SECONDS),
    "too_many_turns": ProblemType(429, "Too many turns are running", SOON_SECONDS),
    "self_run_limit": ProblemType(429, "The agent has started itself too often"),
    "budget_exhausted": ProblemType(429, "The budget is used up"),
    "middleware_failed": ProblemType(500, "A middleware of the agent failed"),
    "unreadable_log": ProblemType(500, "The log of the conversation cannot be read"),
    "archive_damaged": ProblemType(500, "A part of the log is not as it was written"),
    "internal": ProblemType(500, "Something went wrong here"),
    "archive_unavailable": ProblemType(503, "The archive cannot be reached", SOON_SECONDS),
    "batch_files_unavailable": ProblemType(503, "The place for the files of batches does not answer", SOON_SECONDS),
    "store_unavailable": ProblemType(503, "The store cannot be reached", SOON_SECONDS),
    "conversation_unreachable": ProblemType(503, "The conversation does not answer", SOON_SECONDS),
    "control_plane_unavailable": ProblemType(503, "The cluster's control plane cannot be reached", SOON_SECONDS),
    "cluster_full": ProblemType(503, "There is no room for more live conversations", LATER_SECONDS),
    "too_many_streams": ProblemType(503, "Too many event streams are open", LATER_SECONDS),
    "overloaded": ProblemType(503, "There is too much to do", SOON_SECONDS),
    "newer_code": ProblemType(503, "Newer code has written to the conversation", SOON_SECONDS),
    "hosts_starting": ProblemType(503, "The hosts are being started", SOON_SECONDS),
    "replica_draining": ProblemType(503, "The replica is about to stop", SOON_SECONDS),
    "unavailable": ProblemType(503, "The service cannot answer now", AT_ONCE_SECONDS),
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
CREDENTIAL_PROBLEMS = (
    "credentials_missing",
    "credentials_malformed",
    "credentials_expired",
    "credentials_invalid",
    "wrong_audience",
    "context_invalid",
)
PRINCIPAL_PROBLEMS = ("page_header_missing", "limit_reached")
"""What every address may answer that is not public."""
FORBIDDEN = ("not_allowed", "not_an_approver", "page_header_missing", "foreign_host", "foreign_origin")
REFUSALS = frozenset((*CREDENTIAL_PROBLEMS, *FORBIDDEN))
"""What the audit counts, beside what is concealed."""
REFUSED = "raylogue.refused"
"""Where the scope of a request has the code of such a refusal, and whose audit is to have it if not the caller's."""
ANSWERED = "raylogue.answered"
"""Where it has the code of any problem that it was answered with."""
CONVERSATION_PROBLEMS = ("unknown_conversation", "invalid_conversation_id", "not_allowed", "store_unavailable")
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
    """A refusal; `code` is a key of `PROBLEM_TYPES` or a middleware's own, `members` are for programs.

    One of them, `resets_at` (ms since 1970), says when it is over, where that is known.
    """

    def __init__(self, code: str, detail: str, members: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(code, detail, members)
        self.code = code
        self.detail = detail
        self.members = members


def problem_response(problem: Problem, instance: str, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response, with further `headers`; what passes by itself says when to come back."""
    problem_type = PROBLEM_TYPES.get(problem.code, REFUSED_BY_MIDDLEWARE)
    body = {
        "type": TYPE_PREFIX + problem.code,
        "title": problem_type.title,
        "status": problem_type.status,
        "detail": problem.detail,
        "instance": instance,
        **problem.members,
    }
    retry_after = problem_type.retry_after
    if (resets_at := problem.members.get("resets_at")) is not None:
        retry_after = seconds_until(resets_at, now_ms())
    later = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return Response(orjson.dumps(body), problem_type.status, {**(headers or {}), **later}, MEDIA_TYPE)


def note_refusal(scope: Scope, code: str, *, concealed_of: str | None = None) -> None:
    """Let the metrics count it, and the audit, if it is about rights.

    `concealed_of`: what it denies is there, and of this tenant. Then that one's audit has it: in the audit of the one
    who asks it would say that it is there.
    """
    scope[ANSWERED] = code
    if concealed_of is not None or code in REFUSALS:
        scope[REFUSED] = (code, concealed_of)


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
    Refused: lambda e: Problem(e.code, e.detail, e.members),
    LimitReached: lambda e: Problem("limit_reached", str(e), e.members),
    NotAllowed: lambda e: Problem("not_allowed", f"{str(e).capitalize()}."),
    InvalidImport: lambda e: Problem("invalid_import", f"Line {e.line}: {e.problem}.", {"line": e.line}),
    UnknownProject: lambda e: Problem("unknown_project", f"There is no project {e.name!r}."),
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
    MemoryNotFound: lambda e: Problem("unknown_memory", f"There is no memory {e.memory_id}."),
    MemoryChanged: lambda e: Problem("memory_changed", f"{str(e).capitalize()}: read it again."),
    MemoryRefused: lambda e: Problem("memory_refused", f"It is not kept: {e}."),
    UnknownFile: lambda e: Problem("unknown_batch_file", f"{str(e).capitalize()}."),
    WrongState: lambda e: Problem("wrong_batch_state", f"The batch is {e.state}.", {"state": e.state}),
    NotForProviderBatches: lambda e: Problem("not_for_provider_batches", f"{str(e)[:1].upper()}{str(e)[1:]}."),
    ForbiddenUrl: lambda e: Problem("forbidden_url", f"{e}."),
    FilesUnavailable: lambda _: Problem("batch_files_unavailable", "The files of batches cannot be reached now."),
    StoreUnavailable: lambda e: Problem("store_unavailable", "The store does not answer now; try again."),
    ControlPlaneUnavailable: lambda e: Problem(
        "control_plane_unavailable", "It cannot be told now where the conversation lives; try again."
    ),
    Unreachable: lambda e: Problem("conversation_unreachable", "The conversation does not answer now; try again."),
}


def install_problem_handlers(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make `app`, which has these routes, answer every error with a problem."""
    for error, translate in _TRANSLATIONS.items():
        app.add_exception_handler(error, _handler(translate))
    app.add_exception_handler(RequestValidationError, _handler(_from_validation_error))
    app.add_exception_handler(HTTPException, _handler(_from_http_exception, routes))
    app.add_exception_handler(Exception, _handler(lambda _: Problem("internal", "The request failed here.")))


def _handler(
    translate: Callable[[Any], Problem], routes: Sequence[BaseRoute] = ()
) -> Callable[[Request, Exception], Response]:
    async def handle(request: Request, error: Exception) -> Response:
        wrong_method = isinstance(error, HTTPException) and error.status_code == 405
        headers = {"Allow": ", ".join(sorted(_methods(request, routes)))} if wrong_method else None
        problem = translate(error)
        concealed_of = error.tenant if isinstance(error, Concealed | ConcealedProject) else None
        note_refusal(request.scope, problem.code, concealed_of=concealed_of)
        return problem_response(problem, quote(request.scope["path"]), headers)

    return handle  # type: ignore[return-value]  # Starlette takes both kinds of function, its type only one


def _methods(request: Request, routes: Iterable[BaseRoute]) -> set[str]:
    """The methods that this address takes: of all routes, where Starlette names those of the first one."""
    scope = {**request.scope, "method": ""}
    found = (route for route in routes if isinstance(route, Route) and route.matches(scope)[0] is Match.PARTIAL)
    return {method for route in found for method in route.methods or ()}


def _from_validation_error(error: RequestValidationError) -> Problem:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return Problem("invalid_request", f"{place}: {first['msg']}")


def _from_http_exception(error: HTTPException) -> Problem:
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    return Problem(code, str(error.detail))
