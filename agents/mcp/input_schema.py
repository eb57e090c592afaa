"""Mends the schema of a tool's arguments where a provider would refuse it, and with it every tool of the request.

What is mended is only what the model reads: the server checks the arguments against its own schema. A provider wants
one object at the root, no `anyOf`, `oneOf` or `allOf` there, plain property keys, and a valid schema of draft 2020-12.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from agents.tools.checks import COMBINATORS, PARAMETER

Schema = dict[str, Any]

MAX_DEPTH = 10
"""How deep alternatives and references at the root may nest: one that refers to itself has no end."""
MAX_KEY = 64
"""Characters that a provider allows in the key of a property."""


class UnusableSchema(Exception):
    """No schema that a provider takes can be made of it; `args[0]` is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class MendedSchema:
    """`original_keys` has the server's own key for each that was renamed; `changes` are sentences for people."""

    schema: Schema
    original_keys: Mapping[str, str] = field(default_factory=dict)
    changes: Sequence[str] = ()
    hint: str = ""
    """What the schema does not say any more, for the model to read; may be empty."""


def mend_schema(given: Mapping[str, Any]) -> MendedSchema:
    """Raises `UnusableSchema`."""
    changes: list[str] = []
    schema = _fold(given, given, MAX_DEPTH)
    hint = _alternatives(given)
    if any(key in given for key in (*COMBINATORS, "$ref")):
        changes.append("alternatives at the root of its schema were folded into one object")
    schema, original_keys = _with_plain_keys(schema)
    changes += [f"its parameter {old!r} is called {new!r}" for new, old in original_keys.items()]
    schema, loosened = _valid(_without_lost_references(schema, schema))
    changes += [f"the schema of its parameter {key!r} is not valid and is left out" for key in loosened]
    return MendedSchema(schema, original_keys, changes, hint)


def _fold(schema: object, root: Mapping[str, Any], depth: int) -> Schema:
    """One object that takes at least what `schema` takes."""
    if depth == 0:
        raise UnusableSchema("its schema nests without end")
    if not isinstance(schema, Mapping):
        raise UnusableSchema("its schema is no object")
    kind = schema.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        raise UnusableSchema(f"its arguments are of type {kind!r}, not an object")
    folded: Schema = {key: value for key, value in schema.items() if key not in (*COMBINATORS, "$ref")}
    folded["type"] = "object"
    folded["properties"] = dict(_mapping(schema.get("properties")))
    folded["required"] = [key for key in _sequence(schema.get("required")) if isinstance(key, str)]
    parts: list[Schema] = []
    if "$ref" in schema:
        parts.append(_fold(_resolve(schema["$ref"], root), root, depth - 1))
    parts += [_fold(part, root, depth - 1) for part in _sequence(schema.get("allOf"))]
    parts += [_one_of(_sequence(schema[key]), root, depth) for key in ("anyOf", "oneOf") if schema.get(key)]
    for part in parts:
        _add_all(folded, part)
    if parts and folded.get("additionalProperties") is False:
        del folded["additionalProperties"]  # it was said of the properties beside the alternatives
    if not folded["required"]:
        del folded["required"]
    return folded


def _one_of(alternatives: Sequence[object], root: Mapping[str, Any], depth: int) -> Schema:
    """What every alternative that is an object requires, and the properties of all of them."""
    branches: list[Schema] = []
    for alternative in alternatives:
        try:
            branches.append(_fold(alternative, root, depth - 1))
        except UnusableSchema:
            continue
    if not branches:
        raise UnusableSchema("none of the alternatives in its schema is an object")
    properties: Schema = {}
    for key in dict.fromkeys(key for branch in branches for key in branch["properties"]):
        found: list[Any] = []
        for branch in branches:
            if key in branch["properties"] and branch["properties"][key] not in found:
                found.append(branch["properties"][key])
        properties[key] = found[0] if len(found) == 1 else {"anyOf": found}
    required = [key for key in branches[0].get("required", []) if all(key in b.get("required", []) for b in branches)]
    definitions = {name: value for b in branches for name, value in _mapping(b.get("$defs")).items()}
    return {"properties": properties, "required": required, "$defs": definitions}


def _add_all(folded: Schema, part: Schema) -> None:
    """Both hold: `part` is added to `folded`."""
    properties = folded["properties"]
    for key, value in part["properties"].items():
        known = properties.get(key, value)
        properties[key] = value if known in (value, {}, True) else {"allOf": [known, value]}
    folded["required"] = list(dict.fromkeys([*folded.get("required", ()), *part.get("required", ())]))
    if definitions := {**_mapping(part.get("$defs")), **_mapping(folded.get("$defs"))}:
        folded["$defs"] = definitions


def _alternatives(schema: Mapping[str, Any]) -> str:
    """What the alternatives at the root require, each of them, since the folded schema does not say it any more."""
    required = [
        [key for key in _sequence(_mapping(alternative).get("required")) if isinstance(key, str)]
        for key in ("anyOf", "oneOf")
        for alternative in _sequence(schema.get(key))
    ]
    if len(required) < 2 or not all(required):
        return ""
    return f"The arguments need one of: {'; '.join(', '.join(keys) for keys in required)}."


def _with_plain_keys(schema: Schema) -> tuple[Schema, dict[str, str]]:
    """A key that no provider takes gets another one, which depends on nothing but the key: the log keeps it."""
    originals: dict[str, str] = {}
    renamed: dict[str, str] = {}
    properties: Schema = {}
    for key, value in schema["properties"].items():
        if PARAMETER.fullmatch(key):
            properties[key] = value
            continue
        plain = plain_key(key)
        renamed[key], originals[plain] = plain, key
        described = dict(value) if isinstance(value, Mapping) else {}
        own_words = str(described.get("description", ""))
        properties[plain] = {**described, "description": f"{key}: {own_words}" if own_words else key}
    if not renamed:
        return schema, {}
    kept = {key: value for key, value in schema.items() if not key.startswith("dependent")}
    kept["properties"] = properties
    if "required" in kept:
        kept["required"] = [renamed.get(key, key) for key in kept["required"]]
    return kept, originals


def plain_key(key: str) -> str:
    """The key with a hash of the original at its end, which keeps two such keys apart."""
    allowed = "".join(letter if PARAMETER.fullmatch(letter) else "_" for letter in key)
    return f"{allowed[: MAX_KEY - 9]}_{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:8]}"


def _without_lost_references(part: Any, root: Schema) -> Any:  # noqa: ANN401 - any JSON
    """References to a place that the mended schema does not have any more take anything."""
    if isinstance(part, Mapping):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith("#") and not _is_known(reference, root):
            return {key: _without_lost_references(value, root) for key, value in part.items() if key != "$ref"}
        return {key: _without_lost_references(value, root) for key, value in part.items()}
    return [_without_lost_references(item, root) for item in part] if isinstance(part, list) else part


def _valid(schema: Schema) -> tuple[Schema, list[str]]:
    """The schema without those of its properties that are not valid, and their keys."""
    invalid = [key for key, value in schema["properties"].items() if not _is_valid({"properties": {key: value}})]
    if invalid:
        described = ((key, _mapping(schema["properties"][key]).get("description")) for key in invalid)
        loose = {key: {"description": words} if isinstance(words, str) else {} for key, words in described}
        schema = {**schema, "properties": {**schema["properties"], **loose}}
    if not _is_valid(schema):
        schema = {key: schema[key] for key in ("type", "properties", "required") if key in schema}
    if not _is_valid(schema):
        raise UnusableSchema("its schema is not valid")
    return schema, invalid


def _is_valid(schema: Schema) -> bool:
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError):
        return False
    return True


def _resolve(reference: object, root: Mapping[str, Any]) -> object:
    found: Any = root
    for step in _steps(reference):
        found = (
            found[int(step)]
            if isinstance(found, list) and step.isdecimal() and int(step) < len(found)
            else (found.get(step) if isinstance(found, Mapping) else None)
        )
    return found


def _is_known(reference: str, root: Schema) -> bool:
    try:
        return _resolve(reference, root) is not None
    except UnusableSchema:
        return True  # an anchor, not a path


def _steps(reference: object) -> Iterator[str]:
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise UnusableSchema("its schema refers to another one")
    for step in reference.split("/")[1:]:
        yield step.replace("~1", "/").replace("~0", "~")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
