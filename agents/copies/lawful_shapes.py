"""The shapes within records that nothing else checks when they are read: content blocks, and the base of a summary."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Count = Annotated[int, Field(ge=0, le=2**53)]


class Snapshot(BaseModel):
    """What `take_snapshot` writes: of a conversation at rest, so that it has no calls, and nothing runs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    turn: Count
    step: Count = 0
    principal: str | None = None
    self_started: Count = 0
    state: dict[str, dict[str, Any]] = {}
    usage: dict[str, Count] = {}
    summarised: Count = 0


class _Block(BaseModel):
    """Providers add fields of their own: only what is read of a block is looked at."""

    model_config = ConfigDict(strict=True)

    type: str


class _Text(_Block):
    text: str


class _Thinking(_Block):
    thinking: str


class _Media(_Block):
    source: dict[str, Any]
    title: str | None = None


class _Call(_Block):
    id: str


BLOCKS: Mapping[str | None, TypeAdapter[Any]] = {
    "text": TypeAdapter(_Text),
    "thinking": TypeAdapter(_Thinking),
    "image": TypeAdapter(_Media),
    "document": TypeAdapter(_Media),
    "tool_use": TypeAdapter(_Call),
    None: TypeAdapter(_Block),
}
"""By the type of the block; None: of any other type."""
