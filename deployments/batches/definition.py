"""What a batch is: where its rows are, which agent gets them, and how each becomes a message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.storable import storage_problem

MAX_CONCURRENCY: Final = 500
MAX_TEMPLATE: Final = 65_536
FIELD: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
CHUNK_ROWS: Final = 1000
MESSAGE: Final = "message"
"""The field that is the message, where there is no template."""

ConversationsThen = Literal["keep", "archive", "delete"]
CONVERSATION_ID: Final = re.compile(r"batch-([0-9a-zA-Z]{1,64})-([0-9]{1,10})(?:-([0-9]{1,6}))?")


class InvalidRow(Exception):
    """No message can be made of a row; the end of a sentence that begins with the row."""


class BatchDefinition(BaseModel):
    """The rows are in `file`, the id of one that was uploaded, or at the URL `source`: exactly one of them.

    `template` makes the message of a row: `{{name}}` stands for its field, `{{a.b}}` for a field of a field, `{{a.0}}`
    for the first of a list. Without a template a row has its message in the field `message`. At most `concurrency` rows
    run at once. `columns` are the fields of the rows that the results have too. `out` is a URL for the results, beside
    the place where they are downloaded from. `conversations` says what happens to them when the batch is done. After
    `pause_after` rows in a row that failed, the batch pauses itself; 0: never. With `provider_batch` the rows are given
    to the provider's own batches, which cost less and may take a day: for agents that are a model and a prompt alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: Annotated[str, Field(min_length=1, max_length=200)]
    file: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    source: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    template: Annotated[str, Field(min_length=1, max_length=MAX_TEMPLATE)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    name: Annotated[str, Field(max_length=200)] = ""
    concurrency: Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)] = 64
    columns: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)] = []
    out: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    conversations: ConversationsThen = "keep"
    pause_after: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    provider_batch: bool = False

    @model_validator(mode="after")
    def _require_rows(self) -> Self:
        if (self.file is None) == (self.source is None):
            raise ValueError("the rows are in a file, or at a source: give one of them")
        return self


class RunBatch(BaseModel):
    """The payload of the job `run_batch`: a new batch, whose id is the job's, or one that exists and is to go on."""

    definition: BatchDefinition | None = None
    batch: str | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if (self.definition is None) == (self.batch is None):
            raise ValueError("give the definition of a new batch, or the id of one that goes on")
        return self


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that are one batch of the provider: `number` counts the thousands of rows, `round` is that of the rows."""

    number: int
    round: int

    @property
    def key(self) -> str:
        """Its name among the chunks of the batch."""
        return f"{self.number}-{self.round}"

    @classmethod
    def of(cls, key: str) -> Self:
        """The chunk of that name."""
        number, _, rounds = key.partition("-")
        return cls(int(number), int(rounds))

    @property
    def rows(self) -> range:
        """The rows that are in it; the last chunk of a batch has fewer."""
        return range(self.number * CHUNK_ROWS + 1, (self.number + 1) * CHUNK_ROWS + 1)


def chunk_of(row: int, number: int) -> Chunk:
    """The chunk of a row in a round."""
    return Chunk((row - 1) // CHUNK_ROWS, number)


def conversation_id(batch_id: str, row: int, number: int = 0) -> str:
    """The id of the conversation of a row, in round `number`: the same however often it is asked for."""
    return f"batch-{batch_id}-{row}-{number}" if number else f"batch-{batch_id}-{row}"


def row_of(conversation: str) -> tuple[str, int, int] | None:
    """The batch, row and round that a conversation belongs to by its id."""
    found = CONVERSATION_ID.fullmatch(conversation)
    return None if found is None else (found[1], int(found[2]), int(found[3] or 0))


def make_message(definition: BatchDefinition, data: Mapping[str, Any], max_bytes: int) -> list[dict[str, Any]]:
    """The content of the message of a row. Raises InvalidRow."""
    text = make_text(definition.template, data)
    if len(text.encode()) > max_bytes:
        raise InvalidRow(f"its message has more than {max_bytes} bytes")
    return [{"type": "text", "text": text}]


def make_text(template: str | None, data: Mapping[str, Any]) -> str:
    """The text that a row becomes, by the template or as it stands in its field `message`. Raises InvalidRow."""
    text = _fill(template, data) if template is not None else data.get(MESSAGE)
    if not isinstance(text, str):
        raise InvalidRow(f"it has no text `{MESSAGE}`, and there is no template")
    if not text.strip():
        raise InvalidRow("its message is empty")
    if (problem := storage_problem(text)) is not None:
        raise InvalidRow(problem)
    return text


def _fill(template: str, data: Mapping[str, Any]) -> str:
    def value(found: re.Match[str]) -> str:
        return _text(_look_up(data, found[1]))

    return FIELD.sub(value, template)


def _look_up(data: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON
    if path in data:  # names of columns may have dots
        return data[path]
    found: Any = data
    for name in path.split("."):
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise InvalidRow(f"it has no field `{path}`")
    return found


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
