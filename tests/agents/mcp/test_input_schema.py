"""Schemas that a provider refuses are folded and mended; what the model reads then passes the provider's rules."""

from typing import Any

import pytest

from agents.mcp.input_schema import MendedSchema, UnusableSchema, mend_schema, plain_key
from tests.messages_api.rules import check_request

TEXT = {"type": "string"}
NUMBER = {"type": "number"}


def properties(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def mended(schema: dict[str, Any]) -> MendedSchema:
    made = mend_schema(schema)
    tool = {"name": "t", "input_schema": made.schema}
    message = {"role": "user", "content": "Hello"}
    check_request({"model": "m", "max_tokens": 1, "messages": [message], "tools": [tool]})
    return made


def test_a_schema_that_is_right_is_kept() -> None:
    schema = {**properties(a={"anyOf": [TEXT, NUMBER]}), "required": ["a"], "additionalProperties": False}
    assert mended(schema) == MendedSchema(schema, {}, [])


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(
            {"anyOf": [{**properties(a=TEXT), "required": ["a"]}, {**properties(a=NUMBER, b=TEXT), "required": ["a"]}]},
            {**properties(a={"anyOf": [TEXT, NUMBER]}, b=TEXT), "required": ["a"]},
            id="any of two objects",
        ),
        pytest.param(
            {"type": "object", "oneOf": [properties(a=TEXT), {"type": "null"}]},
            properties(a=TEXT),
            id="an object or null",
        ),
        pytest.param(
            {"allOf": [{**properties(a=TEXT), "required": ["a"]}, {**properties(b=NUMBER), "required": ["b", "a"]}]},
            {**properties(a=TEXT, b=NUMBER), "required": ["a", "b"]},
            id="all of two objects",
        ),
        pytest.param(
            {**properties(a=TEXT), "allOf": [properties(a={"minLength": 2})], "additionalProperties": False},
            properties(a={"allOf": [TEXT, {"minLength": 2}]}),
            id="two say something of one key",
        ),
        pytest.param(
            {"allOf": [{"anyOf": [properties(a=TEXT), {"oneOf": [properties(b=TEXT)]}]}]},
            properties(a=TEXT, b=TEXT),
            id="inside of one another",
        ),
        pytest.param(
            {"$ref": "#/$defs/Args", "$defs": {"Args": {**properties(a=TEXT), "required": ["a"]}}},
            {**properties(a=TEXT), "required": ["a"], "$defs": {"Args": {**properties(a=TEXT), "required": ["a"]}}},
            id="a reference at the root",
        ),
        pytest.param(
            {"anyOf": [properties(a=TEXT), properties(b={"$ref": "#/anyOf/0/properties/a", "title": "B"})]},
            properties(a=TEXT, b={"title": "B"}),
            id="a reference into what was folded",
        ),
        pytest.param({}, properties(), id="nothing at all"),
        pytest.param({"type": ["object", "null"]}, properties(), id="two types"),
        pytest.param(
            properties(a={"type": "any", "description": "What it is."}, b=TEXT),
            properties(a={"description": "What it is."}, b=TEXT),
            id="a property with a type that does not exist",
        ),
        pytest.param({**properties(a=TEXT), "minProperties": "two"}, properties(a=TEXT), id="an invalid root"),
        pytest.param({**properties(), "required": "a"}, properties(), id="an older way to require"),
    ],
)
def test_what_becomes_of_it(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert mended(schema).schema == expected


def test_the_model_is_told_what_the_alternatives_require() -> None:
    schema = {**properties(a=TEXT, b=TEXT, c=TEXT), "anyOf": [{"required": ["a"]}, {"required": ["b", "c"]}]}
    made = mended(schema)
    assert made.schema == properties(a=TEXT, b=TEXT, c=TEXT)
    assert made.hint == "The arguments need one of: a; b, c."
    assert made.changes == ["alternatives at the root of its schema were folded into one object"]


def test_keys_that_are_none_are_renamed() -> None:
    schema = {**properties(größe={"type": "number", "description": "In cm."}, a=TEXT), "required": ["größe", "a"]}
    made = mended(schema)
    key = plain_key("größe")
    assert key.startswith("gr__e_")
    assert made.schema == {
        **properties(**{key: {"type": "number", "description": "größe: In cm."}, "a": TEXT}),
        "required": [key, "a"],
    }
    assert made.original_keys == {key: "größe"}
    assert made.changes == [f"its parameter 'größe' is called {key!r}"]


def test_no_two_keys_become_alike() -> None:
    keys = ["ä", "ö", "a b", "a_b", "x" * 65, "x" * 66, ""]
    made = mended(properties(**dict.fromkeys(keys, TEXT)))
    assert len(made.schema["properties"]) == len(keys)
    assert [made.original_keys.get(key, key) for key in made.schema["properties"]] == keys


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "string"}, "of type 'string'"),
        ({"anyOf": [TEXT, NUMBER]}, "none of the alternatives"),
        ({"$ref": "#"}, "without end"),
        ({"$ref": "https://example.com/schema"}, "refers to another one"),
        ({"allOf": [{"$ref": "#/$defs/missing"}]}, "no object"),
    ],
)
def test_what_cannot_be_mended(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(UnusableSchema, match=problem):
        mend_schema(schema)
