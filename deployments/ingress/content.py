"""What a message may consist of: text, images and documents, each checked before the provider would refuse it."""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_ATTACHMENTS = 20


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _base64(data: str) -> str:
    try:
        decoded = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError("this is no base64") from error
    if not decoded:
        raise ValueError("it is empty")
    return data


Base64 = Annotated[str, AfterValidator(_base64)]
Address = Annotated[str, Field(pattern=r"^https://\S+$", max_length=2048)]


class Image(_Part):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: Base64


class Pdf(_Part):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: Base64


class PlainText(_Part):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: Annotated[str, Field(min_length=1)]


class Linked(_Part):
    """The provider fetches it, not this service."""

    type: Literal["url"]
    url: Address


class TextBlock(_Part):
    type: Literal["text"]
    text: str


class ImageBlock(_Part):
    type: Literal["image"]
    source: Annotated[Image | Linked, Field(discriminator="type")]


class DocumentBlock(_Part):
    type: Literal["document"]
    source: Annotated[Pdf | PlainText | Linked, Field(discriminator="type")]
    title: Annotated[str, Field(max_length=200)] | None = None


ContentBlock = Annotated[TextBlock | ImageBlock | DocumentBlock, Field(discriminator="type")]


def _few_attachments(blocks: list[ContentBlock]) -> list[ContentBlock]:
    if sum(not isinstance(block, TextBlock) for block in blocks) > MAX_ATTACHMENTS:
        raise ValueError(f"at most {MAX_ATTACHMENTS} images and documents are taken")
    return blocks


Content = Annotated[list[ContentBlock], AfterValidator(_few_attachments)]
