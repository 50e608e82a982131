"""The part of JSON Schema that docs/trace.schema.json uses."""

from __future__ import annotations

import re
from typing import Any

TYPES = {
    "string": str, "boolean": bool, "null": type(None), "array": list, "object": dict,
}  # fmt: skip
KNOWN = {
    "$ref", "oneOf", "type", "enum", "const", "minimum", "pattern", "items", "required",
    "properties", "additionalProperties", "description", "title", "$schema", "$defs",
}  # fmt: skip


def problems(
    value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "line"
) -> list[str]:
    """What of a value is not as the schema has it."""
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return problems(value, root["$defs"][name], root, at)
    found = []
    if "oneOf" in schema:
        tried = [problems(value, each, root, at) for each in schema["oneOf"]]
        if sum(not each for each in tried) != 1:
            found += min(tried, key=len) or [f"{at}: of several kinds"]
    if "type" in schema and not _is_of(value, schema["type"]):
        return [f"{at}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if "const" in schema and value is not schema["const"]:
        found.append(f"{at}: {value!r} is not {schema['const']}")
    if isinstance(value, int) and value < schema.get("minimum", value):
        found.append(f"{at}: {value} is less than {schema['minimum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r} is not like {schema['pattern']}")
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            found += problems(each, schema["items"], root, f"{at}[{index}]")
    if isinstance(value, dict):
        found += _members(value, schema, root, at)
    return found


def _members(
    value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str
) -> list[str]:
    found = [f"{at}: no {name}" for name in schema.get("required", []) if name not in value]
    for name, member in value.items():
        more = schema.get("additionalProperties", True)
        of_member = schema.get("properties", {}).get(name, more)
        if of_member is False:
            found.append(f"{at}: {name} is not in the schema")
        elif of_member is not True:
            found += problems(member, of_member, root, f"{at}.{name}")
    return found


def _is_of(value: Any, types: str | list[str]) -> bool:
    names = [types] if isinstance(types, str) else types
    if isinstance(value, int) and not isinstance(value, bool):
        return "integer" in names
    return any(name in TYPES and isinstance(value, TYPES[name]) for name in names)
