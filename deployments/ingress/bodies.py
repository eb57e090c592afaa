"""What requests carry, as pydantic models: the JSON bodies, and the content blocks that a message may have."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from agents.turn.events import Approval, Decision
from agents.turn.inputs import OnBusy
from deployments.ingress.problems import Problem
from store import Placement

MAX_ATTACHMENTS = 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _validate_base64(data: str) -> str:
    try:
        decoded = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError("this is no base64") from error
    if not decoded:
        raise ValueError("it is empty")
    return data


Base64 = Annotated[str, AfterValidator(_validate_base64)]
HttpsUrl = Annotated[str, Field(pattern=r"^https://\S+$", max_length=2048)]


class Image(_Strict):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: Base64


class Pdf(_Strict):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: Base64


class PlainText(_Strict):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: Annotated[str, Field(min_length=1)]


class Linked(_Strict):
    """The provider fetches it, not this service."""

    type: Literal["url"]
    url: HttpsUrl


class TextBlock(_Strict):
    type: Literal["text"]
    text: str


class ImageBlock(_Strict):
    type: Literal["image"]
    source: Annotated[Image | Linked, Field(discriminator="type")]


class DocumentBlock(_Strict):
    type: Literal["document"]
    source: Annotated[Pdf | PlainText | Linked, Field(discriminator="type")]
    title: Annotated[str, Field(max_length=200)] | None = None


ContentBlock = Annotated[TextBlock | ImageBlock | DocumentBlock, Field(discriminator="type")]


def _validate_attachments(blocks: list[ContentBlock]) -> list[ContentBlock]:
    if sum(not isinstance(block, TextBlock) for block in blocks) > MAX_ATTACHMENTS:
        raise ValueError(f"at most {MAX_ATTACHMENTS} images and documents are taken")
    return blocks


Content = Annotated[list[ContentBlock], AfterValidator(_validate_attachments)]


class NewConversation(_Strict):
    """All optional: the default agent, an id of ours, no title yet, placed as its agent says."""

    agent: str | None = None
    id: str | None = None
    title: Annotated[str, Field(max_length=200)] | None = None
    placement: Placement | None = None


class Renaming(_Strict):
    title: Annotated[str, Field(min_length=1, max_length=200)]


class NewMessage(_Strict):
    """A message as text or as content blocks; the same `client_id` twice is one message.

    `model` is one of the agent's models, for the turn that this message begins.
    """

    text: str | None = None
    content: Content | None = None
    client_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    on_busy: OnBusy | None = None
    model: Annotated[str, Field(min_length=1, max_length=128)] | None = None

    @model_validator(mode="after")
    def _require_one_of_two(self) -> "NewMessage":
        if (self.text is None) == (self.content is None):
            raise ValueError("send either text or content")
        return self

    @property
    def has_attachments(self) -> bool:
        return any(not isinstance(block, TextBlock) for block in self.content or ())

    def blocks(self) -> list[dict[str, Any]]:
        """The content as blocks, without those of white space alone; raises `Problem` if none is left."""
        blocks = self.content if self.content is not None else [TextBlock(type="text", text=self.text or "")]
        kept = [b.model_dump(exclude_none=True) for b in blocks if not isinstance(b, TextBlock) or b.text.strip()]
        if not kept:
            raise Problem("empty_message", "Say something, or attach something.")
        return kept


class NewCancel(_Strict):
    """`turn` is the number of the turn to end; null: the one that runs or waits."""

    turn: Annotated[int, Field(ge=1)] | None = None


class NewResolution(_Strict):
    """The answer to a suspension: see the kinds of decisions each kind of call takes.

    `arguments_hash` is that of the pending entry that was shown: a call that has changed since is not approved.
    """

    tool_call_id: Annotated[str, Field(min_length=1, max_length=128)]
    decision: Decision
    arguments: dict[str, Any] | None = None
    reason: Annotated[str, Field(max_length=4000)] | None = None
    answer: Any = None
    arguments_hash: Annotated[str, Field(max_length=128)] | None = None


class ApprovalChoice(_Strict):
    """Null takes a choice back."""

    approval: Approval | None


def body_schema(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body itself."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}
