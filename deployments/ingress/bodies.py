"""What requests carry: the JSON bodies as pydantic models, and how a body is read within its bounds."""

from typing import Annotated, Any, Literal, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from agents.turn.events import Decision
from agents.turn.inputs import OnBusy
from deployments.ingress.problems import Problem

CONVERSATION_ID = r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$"
SMALL_BODY = 64 * 1024

Body = TypeVar("Body", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewConversation(_Body):
    """All optional: the default agent, an id of ours, no title yet."""

    agent: str | None = None
    id: str | None = None
    title: Annotated[str, Field(max_length=200)] | None = None


class Renaming(_Body):
    title: Annotated[str, Field(min_length=1, max_length=200)]


class TextBlock(_Body):
    type: Literal["text"]
    text: str


class ImageBlock(_Body):
    type: Literal["image"]
    source: dict[str, Any]


class DocumentBlock(_Body):
    type: Literal["document"]
    source: dict[str, Any]
    title: str | None = None


ContentBlock = Annotated[TextBlock | ImageBlock | DocumentBlock, Field(discriminator="type")]


class NewMessage(_Body):
    """A message as text or as content blocks; the same `client_id` twice is one message."""

    text: str | None = None
    content: list[ContentBlock] | None = None
    client_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    on_busy: OnBusy | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "NewMessage":
        if (self.text is None) == (self.content is None):
            raise ValueError("send either text or content")
        return self

    def blocks(self) -> list[dict[str, Any]]:
        """The content as blocks, without those that say nothing; raises `Problem` if none is left."""
        blocks = self.content if self.content is not None else [TextBlock(type="text", text=self.text or "")]
        said = [b.model_dump(exclude_none=True) for b in blocks if not isinstance(b, TextBlock) or b.text.strip()]
        if not said:
            raise Problem("empty_message", "Say something, or attach something.")
        return said


class NewResolution(_Body):
    """The answer to a suspension: see the kinds of decisions each kind of call takes."""

    tool_call_id: Annotated[str, Field(min_length=1, max_length=128)]
    decision: Decision
    arguments: dict[str, Any] | None = None
    reason: Annotated[str, Field(max_length=4000)] | None = None
    answer: Any = None


async def read_body(request: Request, model: type[Body], limit: int = SMALL_BODY) -> Body:
    """The request's JSON body as `model`, never more than `limit` bytes of it; raises `Problem`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem("unsupported_media_type", f"Send application/json, not {media_type or 'nothing'}.")
    try:
        parsed = orjson.loads(await _read(request, limit))
    except orjson.JSONDecodeError as error:
        raise Problem("malformed_json", str(error)) from error
    try:
        return TypeAdapter(model).validate_python(parsed)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise Problem("invalid_request", f"{place}: {first['msg']}") from error


async def _read(request: Request, limit: int) -> bytes:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > limit:
            raise Problem("message_too_large", f"At most {limit} bytes are taken.")
    return bytes(received)


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body itself."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
