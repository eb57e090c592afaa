"""What requests carry: the JSON bodies as pydantic models, and how a body is read within its bounds."""

from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from agents.turn.events import Approval, Decision
from agents.turn.inputs import OnBusy
from deployments.ingress.content import Content, TextBlock
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.problems import Problem
from store import Placement

CONVERSATION_ID = r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$"
SMALL_BODY = 64 * 1024

Body = TypeVar("Body", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewConversation(_Body):
    """All optional: the default agent, an id of ours, no title yet, placed as its agent says."""

    agent: str | None = None
    id: str | None = None
    title: Annotated[str, Field(max_length=200)] | None = None
    placement: Placement | None = None


class Renaming(_Body):
    title: Annotated[str, Field(min_length=1, max_length=200)]


class NewMessage(_Body):
    """A message as text or as content blocks; the same `client_id` twice is one message.

    `model` is one of the agent's models, for the turn that this message begins.
    """

    text: str | None = None
    content: Content | None = None
    client_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    on_busy: OnBusy | None = None
    model: Annotated[str, Field(min_length=1, max_length=128)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "NewMessage":
        if (self.text is None) == (self.content is None):
            raise ValueError("send either text or content")
        return self

    @property
    def has_attachments(self) -> bool:
        return any(not isinstance(block, TextBlock) for block in self.content or ())

    def blocks(self) -> list[dict[str, Any]]:
        """The content as blocks, without those that say nothing; raises `Problem` if none is left."""
        blocks = self.content if self.content is not None else [TextBlock(type="text", text=self.text or "")]
        said = [b.model_dump(exclude_none=True) for b in blocks if not isinstance(b, TextBlock) or b.text.strip()]
        if not said:
            raise Problem("empty_message", "Say something, or attach something.")
        return said


class NewResolution(_Body):
    """The answer to a suspension: see the kinds of decisions each kind of call takes.

    `arguments_hash` is that of the pending entry that was shown: a call that has changed since is not approved.
    """

    tool_call_id: Annotated[str, Field(min_length=1, max_length=128)]
    decision: Decision
    arguments: dict[str, Any] | None = None
    reason: Annotated[str, Field(max_length=4000)] | None = None
    answer: Any = None
    arguments_hash: Annotated[str, Field(max_length=128)] | None = None


class ApprovalChoice(_Body):
    """Null takes a choice back."""

    approval: Approval | None


async def read_body(request: Request, model: type[Body], limit: int = SMALL_BODY) -> Body:
    """The request's JSON body as `model`, never more than `limit` bytes of it; raises `Problem`."""
    body, _ = await read_sized(request, model, limit)
    return body


async def read_message(request: Request, limit: int, limit_attached: int) -> tuple[NewMessage, int]:
    """A message and its size; `limit_attached` holds for one with images or documents. Raises `Problem`."""
    message, size = await read_sized(request, NewMessage, max(limit, limit_attached))
    if size > limit and not message.has_attachments:
        raise _too_large(limit)
    return message, size


async def read_sized(request: Request, model: type[Body], limit: int) -> tuple[Body, int]:
    """The body, and how many bytes it had."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem("unsupported_media_type", f"Send application/json, not {media_type or 'nothing'}.")
    received = await read_bytes(request, limit)
    try:
        parsed = orjson.loads(received)
    except orjson.JSONDecodeError as error:
        raise Problem("malformed_json", str(error)) from error
    try:
        return TypeAdapter(model).validate_python(parsed), len(received)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise Problem("invalid_request", f"{place}: {first['msg']}") from error


async def read_bytes(request: Request, limit: int, code: str = "message_too_large") -> bytes:
    """The raw body; raises `Problem` with this code as soon as it has more than `limit` bytes.

    What all requests have sent so far is bounded too: one that is too much then is refused as `overloaded`.
    """
    limits: ReplicaLimits = request.app.state.service.limits
    received = bytearray()
    try:
        async for chunk in request.stream():
            limits.body_bytes.take(len(chunk))
            received += chunk
            if len(received) > limit:
                raise _too_large(limit, code)
        return bytes(received)
    finally:
        limits.body_bytes.give_back(len(received))


def _too_large(limit: int, code: str = "message_too_large") -> Problem:
    return Problem(code, f"At most {limit} bytes are taken.")


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body itself."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
