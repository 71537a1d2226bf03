# SPDX-License-Identifier: GPL-2.0-or-later
"""The models as JSON Schema, by which editors complete, explain and check the files (Taplo, Even Better TOML).

`make schema` writes secmarkd.schema.json and labels.schema.json. By hand: `PYTHONPATH=daemon python
packaging/dev/generate/schema.py [--check] [DIRECTORY]`, by default into `config/` of the tree; with --check it writes
nothing and exits with 1 when a file there is stale.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema

from secmarkd.config.schema import LabelsFile, SettingsFile, Table

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest that the TOML editors' validator reads without reserve."""

FOLDER = Path(__file__).parents[3] / "config"
MODELS: Mapping[str, type[Table]] = {"secmarkd.schema.json": SettingsFile, "labels.schema.json": LabelsFile}


class _Generator(GenerateJsonSchema):
    """Without the titles that pydantic makes of field names: they say the same as the names."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False


def schemas() -> dict[str, str]:
    """The text of each schema file by its name; the same on every machine and for every pydantic 2."""
    return {name: _text(name, model) for name, model in MODELS.items()}


def stale(folder: Path) -> list[str]:
    """The schema files of the folder that are missing or not what the models say."""
    return [name for name, text in schemas().items() if not _holds(folder / name, text)]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _text(name: str, model: type[Table]) -> str:
    schema = model.model_json_schema(schema_generator=_Generator)
    definitions = schema.pop("$defs", {})
    schema["title"] = "secmarkd.toml" if model is SettingsFile else "labels.d/*.toml"
    plain = _plain(schema, definitions)
    assert isinstance(plain, dict)
    return json.dumps({"$schema": DIALECT, "$id": name} | plain, indent=2, ensure_ascii=False) + "\n"


def _plain(node: object, definitions: Mapping[str, object]) -> object:
    """The schema with references replaced by what they stand for: draft 7 ignores all that stands beside one."""
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    schema = _resolved(node, definitions)
    properties = schema.get("properties")
    if isinstance(properties, dict):  # names, in the order of the model; not words of JSON Schema
        schema = schema | {"properties": {name: _plain(inner, definitions) for name, inner in properties.items()}}
    return {
        key: schema[key] if key == "properties" else _plain(schema[key], definitions)
        for key in sorted(schema, key=_order)
    }


def _resolved(node: dict[str, object], definitions: Mapping[str, object]) -> dict[str, object]:
    match node:
        case {"allOf": [{"$ref": str(reference)}]} | {"$ref": str(reference)}:  # the former before pydantic 2.9
            target = definitions[reference.removeprefix("#/$defs/")]
            assert isinstance(target, dict)
            beside = {key: value for key, value in node.items() if key not in ("allOf", "$ref")}
            return {key: value for key, value in _resolved(target, definitions).items() if key != "title"} | beside
        case _:
            return node


def _order(key: str) -> tuple[int, str]:
    first = ("title", "description", "type", "enum", "pattern", "default", "examples")
    return (first.index(key), "") if key in first else (len(first), "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(prog="schema.py", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    options = parser.parse_args(arguments)
    if not options.check:
        for name, text in schemas().items():
            (options.folder / name).write_text(text, encoding="utf-8")
        return 0
    old = stale(options.folder)
    for name in old:
        print(f"{options.folder / name} is stale; run: make schema", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
