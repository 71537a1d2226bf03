# SPDX-License-Identifier: GPL-2.0-or-later
"""secmarkctl when what it says cannot be written, as a process of its own: the interpreter flushes at its end too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from secmarkd.service.exit_codes import Exit

NO_ROOM = "error: cannot write the output: No space left on device\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a configuration whose ruleset fills more than the buffer of a stream."""
    (tmp_path / "labels.d").mkdir()
    (tmp_path / "secmarkd.toml").write_text('mode = "rehearse"\n')
    ports = list(range(1, 2000))
    (tmp_path / "labels.d/50-many.toml").write_text(f"[labels.many]\ntcp = {ports}\n")
    return tmp_path


def run(folder: Path, words: Sequence[str], shell: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "secmarkd.programs.secmarkctl", *words, "--config-dir", str(folder)]
    return subprocess.run(["sh", "-c", f'"$@" {shell}', "sh", *command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [["check"], ["show"], ["show", "--nft"], ["show", "--json"], ["check", "--help"]])
def test_a_full_disk_is_a_sentence_and_an_exit_code(folder: Path, words: list[str]) -> None:
    result = run(folder, words, ">/dev/full")
    assert (result.returncode, result.stderr) == (Exit.FAILURE, NO_ROOM)


def test_where_even_the_complaint_cannot_be_written_the_exit_code_says_it(folder: Path) -> None:
    assert run(folder, ["check"], ">/dev/full 2>/dev/full").returncode == Exit.FAILURE
    (folder / "secmarkd.toml").write_text("mode = 5\n")
    assert run(folder, ["check"], "2>/dev/full").returncode == Exit.CONFIG


def test_a_reader_that_went_away_is_no_error(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        command = [sys.executable, "-m", "secmarkd.programs.secmarkctl", "show", "--config-dir", str(folder)]
        result = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (Exit.OK, "")


def test_without_any_output_the_exit_code_is_the_answer(folder: Path) -> None:
    result = run(folder, ["check"], ">&-")
    assert (result.returncode, result.stderr) == (Exit.OK, "")
    (folder / "secmarkd.toml").write_text("mode = 5\n")
    assert run(folder, ["check"], ">&- 2>&-").returncode == Exit.CONFIG
