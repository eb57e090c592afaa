"""`@tool`: the schema comes from the signature, and a definition that cannot work is refused."""

from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from agents.errors import ToolDefinitionError
from agents.tools import Tool, ToolContext, provider_tool, tool
from agents.tools.checks import check


class Colour(Enum):
    RED = "red"


class Place(BaseModel):
    title: str
    latitude: float


def test_the_smallest_tool() -> None:
    @tool
    def ping() -> str:
        """Answer at once."""
        return "pong"

    assert isinstance(ping, Tool)
    assert ping.definition() == {
        "name": "ping",
        "description": "Answer at once.",
        "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
    }
    assert (ping.executor, ping.approval, ping.timeout, ping.on_unknown_outcome) == ("server", "auto", 60.0, "repeat")


def test_options() -> None:
    @tool(name="send", approval="required", timeout=1.5, on_unknown_outcome="report")
    async def send_it() -> None:
        """Send it."""

    assert (send_it.name, send_it.approval, send_it.timeout) == ("send", "required", 1.5)
    assert send_it.on_unknown_outcome == "report"


def test_parameters() -> None:
    @tool
    def search(
        query: Annotated[str, Field(description="What to look for.", min_length=1)],
        limit: int = 10,
        order: Literal["new", "old"] = "new",
        tags: list[str] = [],  # noqa: B006 - a mutable default must not be shared
        schema: str | None = None,
    ) -> str:
        """Search.

        Twice.
        """
        return query

    definition = search.definition()
    assert definition["description"] == "Search.\n\nTwice."
    assert definition["input_schema"] == {
        "type": "object",
        "additionalProperties": False,
        "required": ["query"],
        "properties": {
            "query": {"type": "string", "description": "What to look for.", "minLength": 1},
            "limit": {"type": "integer", "default": 10},
            "order": {"type": "string", "enum": ["new", "old"], "default": "new"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "schema": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
    }


def test_nested_types_keep_a_parameter_called_title() -> None:
    @tool
    def mark(place: Place, colour: Colour) -> str:
        """Mark a place."""
        return place.title

    schema = mark.definition()["input_schema"]
    assert set(schema["$defs"]["Place"]["properties"]) == {"title", "latitude"}
    assert schema["required"] == ["place", "colour"]


def test_the_context_is_hidden_from_the_model() -> None:
    @tool
    def whoami(context: ToolContext, polite: bool = True) -> str:
        """Tell who asks."""
        return str(context.principal)

    assert list(whoami.definition()["input_schema"]["properties"]) == ["polite"]


def test_a_definition_is_a_copy() -> None:
    @tool
    def ping() -> str:
        """Answer at once."""
        return "pong"

    ping.definition()["input_schema"]["properties"] = "changed"
    assert ping.definition()["input_schema"]["properties"] == {}


@pytest.mark.parametrize("executor", ["server", "client"])
def test_approval_is_legal_for_server_and_client(executor: Any) -> None:
    @tool(executor=executor, approval="required")
    def act() -> None:
        """Act."""

    assert (act.executor, act.approval) == (executor, "required")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"executor": "human", "approval": "required"}, "legal for server and client only"),
        ({"executor": "provider"}, "provider_tool"),
        ({"executor": "browser"}, "executor is one of"),
        ({"approval": "sometimes"}, "approval is one of"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"on_unknown_outcome": "hope"}, "on_unknown_outcome is one of"),
        ({"name": "no spaces"}, "a name has"),
        ({"name": "x" * 65}, "a name has"),
        ({"name": ""}, "a name has"),
    ],
)
def test_illegal_options(options: dict[str, Any], problem: str) -> None:
    def act() -> None:
        """Act."""

    with pytest.raises(ToolDefinitionError, match=problem):
        tool(**options)(act)


def without_docstring() -> None: ...


def without_annotation(text) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Act."""


def with_any_number(*texts: str) -> None:
    """Act."""


def with_any_name(**texts: str) -> None:
    """Act."""


def with_positional(text: str, /) -> None:
    """Act."""


def with_unknown_type(text: "Missing") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Act."""


def with_type_without_schema(text: "Opaque") -> None:
    """Act."""


def with_umlaut(größe: int) -> None:
    """Act."""


def with_alias(size: Annotated[int, Field(alias="size in cm")]) -> None:
    """Act."""


def with_long_name(x234567890123456789012345678901234567890123456789012345678901234_: int) -> None:
    """Act."""


class Opaque:
    """A type that pydantic knows nothing about."""


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (without_docstring, "docstring is missing"),
        (without_annotation, "text has no annotation"),
        (with_any_number, "passable by name"),
        (with_any_name, "passable by name"),
        (with_positional, "passable by name"),
        (with_unknown_type, "cannot be resolved"),
        (with_type_without_schema, "no schema"),
        (with_umlaut, "a parameter's name has 1 to 64 letters .a to z., digits, `_`, `.` or `-`, unlike größe"),
        (with_alias, "unlike size in cm"),
        (with_long_name, "unlike x234567890"),
    ],
)
def test_functions_that_are_no_tool(function: Any, problem: str) -> None:
    with pytest.raises(ToolDefinitionError, match=problem) as caught:
        tool(function)
    assert caught.value.tool == function.__name__


@pytest.mark.parametrize("combinator", ["anyOf", "oneOf", "allOf"])
def test_a_schema_is_one_object_with_properties(combinator: str) -> None:
    made = tool(typed_value)
    check(made)
    assert made.input_schema["properties"]["value"]["anyOf"] == [{"type": "integer"}, {"type": "string"}], (
        "nested it may"
    )
    for schema in ({**made.input_schema, combinator: [{"required": ["value"]}]}, {combinator: []}, {"type": "string"}):
        with pytest.raises(ToolDefinitionError, match="its schema is that of one object") as caught:
            check(replace(made, input_schema=schema))
        assert caught.value.tool == "typed_value"


def typed_value(value: int | str) -> None:
    """Act."""


def test_a_tool_of_the_provider() -> None:
    search = provider_tool("web_search_20250305", "web_search", max_uses=3)
    assert search.executor == "provider"
    assert search.definition() == {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
