# SPDX-License-Identifier: GPL-2.0-or-later
"""Label maps and the nft text that they compile to, to read: `tests/golden/compiler/CASE/`.

`labels.toml` and, where there is one, `secmarkd.toml` compile to `expected.nft`. `GOLDEN=write pytest …` writes it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from secmarkd.compiler.compile import compile_table
from secmarkd.config.directories import ConfigFolder
from secmarkd.config.load import load
from secmarkd.model.label_map import Environment, Layer
from secmarkd.model.names import Name, NameKind
from secmarkd.nft.text import encode
from secmarkd.table.transaction import Replace
from tests.support.paths import GOLDEN

CASES = sorted(each.name for each in (GOLDEN / "compiler").iterdir() if each.is_dir())
ENVIRONMENT = Environment(
    cgroups={"system.slice/proxy.service": 4711},
    names={Name(NameKind.USER, "alice"): 1000, Name(NameKind.GROUP, "backup"): 34},
)
HEAD = "add table inet secmarkd\ndelete table inet secmarkd\n"


@pytest.mark.parametrize("case", CASES)
def test_a_label_map_compiles_to_the_text_that_is_expected(case: str, tmp_path: Path) -> None:
    directory = GOLDEN / "compiler" / case
    (tmp_path / "labels.d").mkdir()
    shutil.copy(directory / "labels.toml", tmp_path / "labels.d/10.toml")
    if (directory / "secmarkd.toml").exists():
        shutil.copy(directory / "secmarkd.toml", tmp_path)
    configuration = load((ConfigFolder(str(tmp_path), Layer.ADMINISTRATOR),))
    table = compile_table(configuration.label_map, configuration.settings.mode, ENVIRONMENT)
    text = encode((Replace(table),)).removeprefix(HEAD)
    expected = directory / "expected.nft"
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(text)
    assert text == expected.read_text(), "GOLDEN=write pytest tests/unit/compiler/test_golden.py"
