"""The columns of results in Parquet, and what structured output becomes in them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import orjson

ColumnType = Literal["string", "int64", "double", "bool", "json", "list<string>", "list<int64>", "list<double>"]
"""`json` is a text: what has no fixed form."""

OUTPUT: Final = "output"
SCALARS: Final[Mapping[str, ColumnType]] = {
    "string": "string",
    "integer": "int64",
    "number": "double",
    "boolean": "bool",
}
LISTS: Final[Mapping[ColumnType, ColumnType]] = {
    "string": "list<string>",
    "int64": "list<int64>",
    "double": "list<double>",
}
INT64: Final = range(-(1 << 63), 1 << 63)


def output_columns(schema: Mapping[str, Any] | None) -> dict[str, ColumnType]:
    """The columns `output_…` for an object with this JSON schema, by name; none without a schema."""
    if schema is None:
        return {}
    definitions = schema.get("$defs", {})
    return {f"{OUTPUT}_{name}": _type_of(one, definitions) for name, one in schema.get("properties", {}).items()}


def output_values(output: Any, columns: Mapping[str, ColumnType]) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The values of these columns; what is missing, or does not have the column's type, is None."""
    fields = output if isinstance(output, Mapping) else {}
    return {name: fit(fields.get(name.removeprefix(f"{OUTPUT}_")), kind) for name, kind in columns.items()}


def fit(value: Any, kind: ColumnType) -> Any:  # noqa: ANN401 - any JSON in, the column's type out
    """The value as the column can hold it; None if it cannot."""
    if value is None:
        return None
    match kind:
        case "json":
            return orjson.dumps(value).decode()
        case "string":
            return value if isinstance(value, str) else orjson.dumps(value).decode()
        case "bool":
            return value if isinstance(value, bool) else None
        case "int64":
            number = _number(value)
            return int(number) if number is not None and number == number // 1 and int(number) in INT64 else None
        case "double":
            number = _number(value)
            return None if number is None else _float(number)
        case _:
            return _fit_list(value, kind)


def _number(value: Any) -> int | float | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _float(number: float) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None


def _fit_list(value: Any, kind: ColumnType) -> list[Any] | None:  # noqa: ANN401 - any JSON
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    inner: dict[ColumnType, ColumnType] = {outer: inner for inner, outer in LISTS.items()}
    return [fit(one, inner[kind]) for one in value]


def _type_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> ColumnType:
    found = list(_alternatives(schema, definitions))
    if len(found) != 1:
        return "json"
    (only,) = found
    if only.get("type") == "array":
        items = list(_alternatives(only.get("items", {}), definitions))
        inner = SCALARS.get(str(items[0].get("type"))) if len(items) == 1 else None
        return LISTS.get(inner, "json") if inner is not None else "json"
    return SCALARS.get(str(only.get("type")), "json")


def _alternatives(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0
) -> Iterator[Mapping[str, Any]]:
    """The schemas that a value may have, but for null."""
    if depth > 8:
        yield {}
    elif "$ref" in schema:
        yield from _alternatives(definitions.get(str(schema["$ref"]).rpartition("/")[2], {}), definitions, depth + 1)
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _alternatives(one, definitions, depth + 1)
    elif schema.get("type") != "null":
        yield {"type": "string"} if "enum" in schema and _are_texts(schema["enum"]) else schema


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
