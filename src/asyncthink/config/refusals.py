"""The one sentence that a person gets for a value out of range: which key, what it is, what is allowed.

What is allowed is read from the JSON Schema of the records themselves, so it cannot differ from what is checked.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from asyncthink.errors import InputError, nearest
from asyncthink.rewards import REWARDS
from asyncthink.settings import MOST

Record = TypeVar("Record")
UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
KINDS = {"boolean": "true, false", "string": "text", "array": "a list of one or more, none twice", "object": "a table"}


def checked(kind: type[Record], raw: Any, where: str = "") -> Record:
    """`raw`, the table at `where`, as a record of a kind; InputError for the first thing wrong with it."""
    try:
        return TypeAdapter(kind).validate_python(raw)
    except ValidationError as error:
        problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] not in UNKNOWN)
        raise InputError(f"params.yaml: {_sentence(problems[0], kind, where)}") from None


def json_schema(kind: type) -> dict[str, Any]:
    """The JSON Schema of a kind of record, with the names that the table of rewards has."""
    whole = TypeAdapter(kind).json_schema()
    if "Reward" in whole.get("$defs", {}):
        whole["$defs"]["Reward"]["properties"]["name"]["enum"] = [*REWARDS]
    return whole


def _sentence(problem: Mapping[str, Any], kind: type, where: str) -> str:
    path, reason, value = [str(step) for step in problem["loc"]], problem["type"], problem["input"]
    context = problem.get("ctx", {})
    key = ".".join(filter(None, [where, *path, context.get("key")])) or "the file"
    if reason == "rule":
        return f"{key} is {context['value']}; allowed: {context['allowed']}"
    if reason == "invalid_key" or path[-1:] == ["[key]"]:
        return f"{key.removesuffix('.[key]')} is a key that is no text; put it in quotes"
    if reason in UNKNOWN:
        return f"unknown key {key}; {nearest(path[-1], _schema(kind, path[:-1])['properties'])}"
    if reason == "missing":
        return f"{key} is missing"
    shown = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return f"{key} is {shown:.80}; allowed: {_allowed(_schema(kind, path), value)}"


def _schema(kind: type, path: Iterable[str]) -> dict[str, Any]:
    """The JSON Schema of the value at a path, `nullable` where it may be null."""
    schema = whole = json_schema(kind)
    for step in path:
        schema = schema.get("properties", {}).get(step) or schema.get("additionalProperties") or schema["items"]
        options = schema.get("anyOf", [schema])
        schema = options[0] | ({"nullable": True} if len(options) > 1 else {})
        if "$ref" in schema:
            schema = schema | whole["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _allowed(schema: Mapping[str, Any], value: Any) -> str:
    kind = schema.get("type", "object")
    if "enum" in schema:
        said = ", ".join(map(str, schema["enum"]))
    elif kind in ("integer", "number"):
        number = type(value) is int or (kind == "number" and isinstance(value, float))
        if schema.get("maximum") == MOST and not (number and value > MOST):  # which goes without saying
            schema = {name: bound for name, bound in schema.items() if name != "maximum"}
        said = _bounds(schema, "" if number else "a whole number" if kind == "integer" else "a number")
    else:
        said = KINDS[kind] if kind == "object" else schema.get("description", KINDS[kind])
    return said + (", or null" if schema.get("nullable") else "")


def _bounds(schema: Mapping[str, Any], kind: str) -> str:
    least, above, most = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    parts = [kind] if kind else []
    if least is not None:
        parts.append(f"{least} or more" if most is None else f"from {least} to {most}")
    if above is not None:
        parts.append(f"above {above}" + ("" if most is None else f" and at most {most}"))
    if "multipleOf" in schema:
        parts.append(f"a multiple of {schema['multipleOf']}")
    return ", ".join(parts) or "a finite number"
