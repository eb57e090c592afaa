"""Answers that must match a JSON schema: the request to models with structured outputs, and to models without."""

from enum import Enum
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, Field

from agents.errors import ModelError
from agents.models import ScriptedModel, Step
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import MessagesServer, Reply
from tests.support.model_requests import completed, model_at, read, read_until_failure, request, text_of


class Kind(Enum):
    BOOK = "book"
    FILM = "film"


class Line(BaseModel):
    title: str = Field(max_length=80)
    pieces: int = Field(ge=1, le=9)


class Order(BaseModel):
    """What was ordered."""

    kind: Kind
    lines: list[Line] = Field(min_length=2, max_length=5)
    note: str | None = None


SCHEMA = Order.model_json_schema()
ANSWER = '{"kind": "book", "lines": [], "note": null}'


async def test_the_schema_is_made_acceptable(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    """The stand-in refuses open objects and constraints as the provider does; they are in the descriptions."""
    messages_api.enqueue(Reply(ANSWER))
    assert text_of(await read(claude, request(output_schema=SCHEMA))) == ANSWER
    shape = messages_api.requests[0].body["output_config"]["format"]
    assert shape["type"] == "json_schema"
    line = shape["schema"]["$defs"]["Line"]
    assert line["additionalProperties"] is False
    assert line["properties"]["pieces"] == {
        "type": "integer",
        "title": "Pieces",
        "description": "{maximum: 9, minimum: 1}",
    }
    assert SCHEMA["$defs"]["Line"]["properties"]["pieces"]["maximum"] == 9, "the agent's schema is not changed"


async def test_without_a_schema_nothing_is_said_of_the_output(
    claude: AnthropicModel, messages_api: MessagesServer
) -> None:
    await read(claude, request())
    assert "output_config" not in messages_api.requests[0].body


async def test_the_options_keep_their_say(messages_api: MessagesServer) -> None:
    model = model_at(messages_api, options={"output_config": {"effort": "low"}})
    await read(model, request(output_schema=SCHEMA))
    await model.aclose()
    config = messages_api.requests[0].body["output_config"]
    assert (config["effort"], config["format"]["type"]) == ("low", "json_schema")


async def test_a_model_that_knows_no_schemas_is_told_in_words(messages_api: MessagesServer) -> None:
    model = model_at(messages_api, knows_schemas=False)
    await read(model, request(output_schema=SCHEMA))
    await read(model, request(output_schema=SCHEMA, system=""))
    await model.aclose()
    first, second = (received.body for received in messages_api.requests)
    assert "output_config" not in first
    opening, _, schema = first["system"][0]["text"].rpartition("\n")
    assert opening.startswith("Be brief.\n\nAnswer with one JSON object")
    assert orjson.loads(schema) == SCHEMA
    assert second["system"][0]["text"].startswith("Answer with one JSON object")


async def test_a_schema_that_constrains_nothing(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    class Loose(BaseModel):
        anything: Any

    _, error = await read_until_failure(claude, request(output_schema=Loose.model_json_schema()))
    assert error.reason == "invalid_request"
    assert messages_api.requests == []


async def test_a_schema_that_the_provider_refuses(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    class Tree(BaseModel):
        branches: list["Tree"]

    _, error = await read_until_failure(claude, request(output_schema=Tree.model_json_schema()))
    assert error.reason == "invalid_request"
    assert messages_api.rejections == ["output_config.format.schema: recursive schemas are not supported"]


async def test_the_scripted_model_answers_with_the_json_of_its_step() -> None:
    model = ScriptedModel([Step.json({"kind": "film", "lines": []})])
    answer = completed(await read(model, request(output_schema=SCHEMA)))
    assert orjson.loads(answer.content[0]["text"]) == {"kind": "film", "lines": []}


async def test_a_script_sees_the_schema_that_is_asked_for() -> None:
    def script(asked: Any) -> Step:
        if asked.output_schema is None:
            raise ModelError("invalid_request", "no schema")
        return Step.json({"of": asked.output_schema["title"]})

    assert text_of(await read(ScriptedModel(script), request(output_schema=SCHEMA))) == '{"of":"Order"}'


@pytest.mark.parametrize("knows_schemas", [True, False])
async def test_the_answer_may_be_wrong_all_the_same(messages_api: MessagesServer, knows_schemas: bool) -> None:
    """A model may break the schema: the caller has to check its answer."""
    model = model_at(messages_api, knows_schemas=knows_schemas)
    messages_api.enqueue(Reply("I would rather not.", stop_reason="refusal"))
    answer = completed(await read(model, request(output_schema=SCHEMA)))
    await model.aclose()
    assert (answer.stop_reason, answer.content) == ("refusal", [{"type": "text", "text": "I would rather not."}])
