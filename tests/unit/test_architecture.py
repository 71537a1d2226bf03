# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents say of program and tests is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generate import faults
from tests.support.paths import REPOSITORY

PROGRAM = REPOSITORY / "daemon/secmarkd"


@pytest.mark.parametrize(
    "package", sorted(each.parent for each in PROGRAM.rglob("__init__.py")), ids=lambda path: path.name
)
def test_a_package_lists_its_modules(package: Path) -> None:
    listed = set(re.findall(r"^\s*(\w+)/?  +\w", (package / "__init__.py").read_text(), re.MULTILINE))
    modules = {each.stem for each in package.glob("*.py")} | {
        each.parent.name for each in package.glob("*/__init__.py")
    }
    missing = modules - listed - {"__init__", "__pycache__"}
    assert missing == set()


def test_the_page_of_faults_is_what_the_marks_on_the_tests_say() -> None:
    assert (REPOSITORY / "tests/FAULTS.md").read_text() == faults.render(), "run: make faults"


def test_a_fault_that_no_test_shows_and_a_mark_of_no_fault_are_found(tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text('[1]\nfault = "x"\nanswer = "y"\n')
    with pytest.raises(ValueError, match="no test shows fault 1"):
        faults.render(tmp_path)
    (tmp_path / "test_x.py").write_text("@pytest.mark.fault(1, 2)\ndef test_x() -> None: ...\n")
    with pytest.raises(ValueError, match="no fault has the number 2"):
        faults.render(tmp_path)
    (tmp_path / "test_x.py").write_text(
        "class TestX:\n    @pytest.mark.fault(1)\n    def test_y(self) -> None: ...\n"
    )
    assert "`test_x.py::TestX::test_y`" in faults.render(tmp_path)
