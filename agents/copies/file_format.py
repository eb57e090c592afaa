"""The file of a conversation: JSON Lines that are written by an export and read back by an import.

The first line is the header: `{"format": "raylogue", "version", "exported_at"}`. Then comes each conversation, that of
a sub-agent somewhere behind its parent's: a line with `conversation`, a line with `file` for each of its files, and one
with `seq` and `record` for each record of its log. The last line is `{"end": {"conversations", "sha256"}}`, with the
digest of all lines before it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from store import Placement

FORMAT = "raylogue"
VERSION = 1
MEDIA_TYPE = "application/x-ndjson"
MAX_LINE_BYTES = 32 * 1024**2
"""More than any record, and any file of a conversation, has."""

Text = Annotated[str, Field(min_length=1, max_length=1000)]
MAX_TIME = 253_402_300_799_999
"""The end of the year 9999 (ms): later times are none that can be shown."""
Title = Annotated[str, Field(min_length=1, max_length=200)]
Time = Annotated[int, Field(ge=0, le=MAX_TIME)]
Count = Annotated[int, Field(ge=0, le=2**53)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Header(_Line):
    """Times are milliseconds since 1970."""

    format: Literal["raylogue"]
    version: int
    exported_at: Time


class ConversationLine(_Line):
    """What the file says of a conversation beside its log and files; the names are those of `ConversationMeta`."""

    id: Text
    agent: Text
    owner: Text
    channel: Annotated[str, Field(pattern=r"^[^\x00-\x1f{}]{1,64}$")]
    created_at: Time
    updated_at: Time
    title: Title | None = None
    placement: Placement | None = None
    project: Text | None = None
    parent: Text | None = None
    parent_call: Text | None = None
    parent_seq: Count = 0
    forked_from: Text | None = None
    forked_seq: Count = 0


class FileLine(_Line):
    path: Text
    version: Annotated[int, Field(ge=1, le=2**53)]
    updated_at: Time
    base64: str


class End(_Line):
    conversations: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


KINDS: dict[str, type[_Line]] = {"format": Header, "conversation": ConversationLine, "file": FileLine, "end": End}
"""By the first key of a line; a line of a record is read without a model, since there are so many of them."""


def fields_of(line: BaseModel) -> dict[str, Any]:
    """The fields that say something."""
    return line.model_dump(exclude_defaults=True)
