"""The parameters of a tool: their JSON schema for the model, and the check of a call's arguments against them."""

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import field, make_dataclass
from functools import partial
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema

from agents.errors import ToolDefinitionError, ToolError
from agents.tools.tool import Signature, Tool, ToolContext

MAX_PROBLEMS = 5
"""How many mistakes in the arguments of a call the model is told at once."""
UNSUPPORTED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


class UntitledSchema(GenerateJsonSchema):
    """Leaves out titles: they only repeat the names of the parameters, and the model pays for each of them."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - the type is private to pydantic
        return False


def read_signature(name: str, function: Callable[..., Any]) -> tuple[Signature, dict[str, Any]]:
    """The validator and the JSON schema of the function's parameters; raises ToolDefinitionError if there is none."""
    hints = _type_hints(name, function)
    context_parameter = None
    fields: list[tuple[str, Any, Any]] = []
    for parameter in inspect.signature(function).parameters.values():
        if hints.get(parameter.name) is ToolContext:
            context_parameter = parameter.name
        else:
            fields.append(_field(name, parameter, hints))
    arguments, schema = _adapter(name, fields)
    return Signature(arguments, tuple(entry[0] for entry in fields), context_parameter), schema


def bind(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name, with the types that the tool's function expects; raises ToolError if they do not fit."""
    if tool.signature is None:
        return dict(arguments)
    try:
        values = tool.signature.arguments.validate_python(dict(arguments))
    except ValidationError as error:
        raise ToolError(_problems(tool, error)) from error
    return {name: getattr(values, name) for name in tool.signature.names}


def _problems(tool: Tool, error: ValidationError) -> str:
    problems = [
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f" (and {len(problems) - MAX_PROBLEMS} more)" if len(problems) > MAX_PROBLEMS else ""
    return f"Invalid arguments for {tool.name}: {'; '.join(problems[:MAX_PROBLEMS])}{more}"


def _type_hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ToolDefinitionError(name, f"an annotation cannot be resolved: {error}") from error
    except TypeError as error:
        raise ToolDefinitionError(name, "a tool is made of a function") from error


def _field(name: str, parameter: inspect.Parameter, hints: dict[str, Any]) -> tuple[str, Any, Any]:
    if parameter.kind in UNSUPPORTED:
        raise ToolDefinitionError(name, f"parameter {parameter.name} must be passable by name")
    if parameter.name not in hints:
        raise ToolDefinitionError(name, f"parameter {parameter.name} has no annotation")
    return parameter.name, hints[parameter.name], _default(parameter.default)


def _default(default: object) -> Any:  # noqa: ANN401 - what `field` returns has no public type
    if default is inspect.Parameter.empty:
        return field()
    if type(default).__hash__ is None:  # dataclasses refuse a shared mutable default
        return field(default_factory=partial(deepcopy, default))
    return field(default=default)


def _adapter(name: str, fields: list[tuple[str, Any, Any]]) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    # A dataclass, not a BaseModel: parameters may then be called `schema`, `json` or `model_name`.
    strict = {"__pydantic_config__": ConfigDict(extra="forbid")}
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(make_dataclass(name, fields, kw_only=True, namespace=strict))
        schema = adapter.json_schema(schema_generator=UntitledSchema)
    except (PydanticUserError, PydanticSchemaGenerationError, TypeError) as error:
        raise ToolDefinitionError(name, f"no schema can be made of its parameters: {error}") from error
    schema.pop("title", None)
    schema.setdefault("properties", {})
    return adapter, schema
