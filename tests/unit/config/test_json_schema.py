# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema in config/ is what the models say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from generate.schema import FOLDER, main, schemas, stale
from secmarkd.config.schema import Label, SettingsFile


def test_the_schema_files_are_not_stale() -> None:
    assert stale(FOLDER) == [], "run: make schema"


def test_a_stale_or_missing_file_is_found_and_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--check"]) == 1
    assert "labels.schema.json is stale" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    (tmp_path / "labels.schema.json").write_text("{}")
    assert stale(tmp_path) == ["labels.schema.json"]


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_schema_stands_by_itself(name: str) -> None:
    assert "$ref" not in schemas()[name]
    assert "$defs" not in schemas()[name]


def test_every_key_has_a_description_and_unknown_keys_are_refused() -> None:
    settings: Any = json.loads(schemas()["secmarkd.schema.json"])
    labels: Any = json.loads(schemas()["labels.schema.json"])
    label = labels["properties"]["labels"]["additionalProperties"]
    tables = [settings, labels, label, label["properties"]["match"]["items"]]
    tables += [settings["properties"][name] for name in ("context", "default")]
    for table in tables:
        assert table["additionalProperties"] is False
        assert all(key["description"] for key in table["properties"].values())
    assert list(label["properties"]) == list(Label.model_fields)
    assert list(settings["properties"]) == list(SettingsFile.model_fields)


def test_keys_with_few_values_name_them() -> None:
    settings: Any = json.loads(schemas()["secmarkd.schema.json"])["properties"]
    assert settings["mode"]["enum"] == ["label", "rehearse"]
    label: Any = json.loads(schemas()["labels.schema.json"])["properties"]["labels"]["additionalProperties"]
    assert label["properties"]["role"]["enum"] == ["server", "client", "both", "forward"]
