"""What requests carry, as pydantic models: the JSON bodies, and the content blocks that a message may have."""

import base64
import binascii
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from agents.memory.personal_memory import MAX_CHARACTERS as MAX_MEMORY_CHARACTERS
from agents.middleware.instructions import MAX_CHARACTERS as MAX_INSTRUCTIONS_CHARACTERS
from agents.turn.events import Approval, Decision, blocks_of
from agents.turn.inputs import OnBusy
from deployments.access.limits import MAX_AMOUNT, RATE, check_rate
from deployments.access.principal import PART, Role, Scope
from deployments.access.rights import MemberRole
from deployments.ingress.problems import Problem
from store import Placement

MAX_ATTACHMENTS = 20
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs that show nothing, beside what Unicode itself calls spaces and formats."""


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


def _validate_visible(title: str) -> str:
    """A title that shows nothing could not be clicked on."""
    if not any(found.isprintable() and not found.isspace() and found not in BLANKS for found in title):
        raise ValueError("it has no visible character")
    return title


PrincipalPart = Annotated[str, Field(pattern=f"^{PART.pattern}$")]
Channel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Title = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_validate_visible)]


class NewConversation(_Strict):
    """All optional: the default agent, an id of ours, no title yet, placed as its agent says.

    `channel` says by what way people talk: `web` is the page, `cli` the terminal. `project` is one of the tenant's that
    one is a member of, or a new one.
    """

    agent: str | None = None
    id: str | None = None
    title: Title | None = None
    placement: Placement | None = None
    channel: Channel = "api"
    project: PrincipalPart | None = None


class Forking(_Strict):
    """All optional: the whole log, an id of ours, the title of the source.

    `seq` is where the fork ends; the end of the turn that it is in counts. The same `id` twice is one fork.
    """

    seq: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    id: str | None = None
    title: Title | None = None
    channel: Channel = "api"


class ConversationChanges(_Strict):
    """One of them or both. What is archived is in no list that does not ask for it, until a person writes to it."""

    title: Title | None = None
    archived: bool | None = None

    @model_validator(mode="after")
    def _require_a_change(self) -> "ConversationChanges":
        if self.title is None and self.archived is None:
            raise ValueError("name a title, or whether it is archived")
        return self


class NewMessage(_Strict):
    """A message as text or as content blocks; the same `client_id` twice is one message.

    `model` is one of the agent's models, for the turn that this message begins.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["text"], "properties": {"text": {"type": "string"}, "content": {"type": "null"}}},
                {"required": ["content"], "properties": {"content": {"type": "array"}, "text": {"type": "null"}}},
            ]
        }
    )

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

    @property
    def has_attachments(self) -> bool:
        return any(block["type"] != "text" for block in blocks_of(self.answer) or ())


class NewKey(_Strict):
    """An API key, by default one's own with all that one may do; `seconds` is how long it counts, null: for ever."""

    tenant: PrincipalPart | None = None
    user: PrincipalPart | None = None
    roles: frozenset[Role] | None = None
    scopes: frozenset[Scope] | None = None
    label: Annotated[str, Field(max_length=100)] = ""
    seconds: Annotated[int, Field(ge=1, le=10**9)] | None = None


class NewOwner(_Strict):
    principal: Annotated[str, Field(pattern=f"^{PART.pattern}(?:/{PART.pattern})?$")]


class Membership(_Strict):
    role: MemberRole


Rate = Annotated[str, Field(pattern=f"^{RATE.pattern}$"), AfterValidator(check_rate)]
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]


class NewLimits(_Strict):
    """What is left out is as for all principals, or tenants; null: no limit.

    `requests` and `bytes` (of bodies) are rates; `turns` and `streams` are at once, `tokens` and `cost` (in millionths
    of a US dollar) a day.
    """

    requests: Rate | None = None
    bytes: Rate | None = None
    turns: Amount | None = None
    streams: Amount | None = None
    tokens: Amount | None = None
    cost: Amount | None = None


class SignIn(_Strict):
    key: Annotated[str, Field(min_length=1, max_length=200)]


class NewMemory(_Strict):
    text: Annotated[str, Field(min_length=1, max_length=MAX_MEMORY_CHARACTERS)]


class CorrectedMemory(NewMemory):
    """With a `revision`, only if the memory still has it."""

    revision: Annotated[int, Field(ge=1)] | None = None


class NewInstructions(_Strict):
    """`version` is the one that was read, 0 if there were none."""

    text: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARACTERS)]
    version: Annotated[int, Field(ge=0)]


class ApprovalChoice(_Strict):
    """Null takes a choice back."""

    approval: Approval | None


DESCRIBED: Final[dict[str, type[BaseModel]]] = {}
"""The bodies that routes say they read, by name: what the API's document has to describe."""


def body_schema(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body itself."""
    DESCRIBED[model.__name__] = model
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}
