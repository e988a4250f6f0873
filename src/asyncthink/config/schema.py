"""The JSON Schema of params.yaml, with which editors complete keys and mark values out of range.

`make schema` writes it to workflow/params.schema.json. It has the range of every key; rules between keys are left to
the commands.
"""

import json
from typing import Any

from asyncthink.config.params import Params
from asyncthink.config.refusals import json_schema
from asyncthink.settings import FIXED


def schema() -> dict[str, Any]:
    """The schema of the whole file, in which an arm and an evaluation may hold some keys of some sections."""
    whole = _untitled(json_schema(Params))
    definitions, properties = whole["$defs"], whole["properties"]
    some = {}
    for section in properties.keys() - FIXED:
        name = properties[section]["$ref"].rpartition("/")[2]
        definitions[f"Some{name}"] = {key: value for key, value in definitions[name].items() if key != "required"}
        some[section] = {"$ref": f"#/$defs/Some{name}"}
    arm = {"type": "object", "properties": some, "additionalProperties": False}
    properties["arms"]["additionalProperties"] = {"anyOf": [arm, {"type": "null"}]}
    for name in ("Variant", "TestSet"):
        definitions[name]["properties"]["thinking"] = some["thinking"]
    return whole


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the titles that pydantic makes of the names."""
    named = {key: value for key, value in schema.items() if key != "title"}
    return {key: _untitled(value) if isinstance(value, dict) else value for key, value in named.items()}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1, sort_keys=True))
