# SPDX-License-Identifier: GPL-2.0-or-later
"""A child process is of its parent's version, or refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

FIX = "secmarkd was upgraded: systemctl restart secmarkd"
REFUSED = f"WorkerFailed: the probe is of another version of secmarkd than this process ({FIX})"
PROGRAM = """\
import sys
from pathlib import Path
from secmarkd import __path__ as places
from secmarkd.errors import SecmarkdError
from secmarkd.workers.parent import Child

def ask(child):
    try:
        print(child.request(("echo", "answered"), 30))
    except SecmarkdError as error:
        print(f"{type(error).__name__}: {error} ({error.hint})")

running, waiting, late = (Child("tests.support.child_probe", "the probe") for _ in range(3))
ask(running)
if sys.argv[1] == "late":
    late.start()
here = Path(places[0])
exec(sys.argv[2])
for child in (running, waiting, late):
    ask(child)
running.close()
ask(running)
"""
UPGRADES = {
    "a module of the same size": "(here / 'model/host.py').write_bytes((here / 'model/host.py').read_bytes()[::-1])",
    "a module more": "(here / 'model/more.py').touch()",
    "a module less": "(here / 'model/host.py').unlink()",
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with a copy of the program."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "daemon/secmarkd", tmp_path / "daemon/secmarkd", ignore=ignored)
    return tmp_path / "daemon"


def said(program: Path, upgrade: str, when: str = "") -> list[str]:
    """What the children answer, with what happens on disk after the first answer."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(program), str(REPOSITORY)])}
    command = [sys.executable, "-c", PROGRAM, when, upgrade]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=program.parent)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.fault(45)
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_a_child_of_another_version_is_refused_and_one_that_runs_goes_on(program: Path, upgrade: str) -> None:
    assert said(program, upgrade) == ["answered", "answered", REFUSED, REFUSED, REFUSED]


@pytest.mark.fault(45)
def test_where_the_other_version_cannot_even_start_the_fix_is_named(program: Path) -> None:
    died = [line for line in said(program, "(here / 'workers/frames.py').unlink()") if "answered" not in line]
    assert len(died) == 3
    assert all(line.startswith("WorkerDied: the probe ended with status 1: ") and f"({FIX})" in line for line in died)


@pytest.mark.fault(45)
def test_a_child_that_began_before_the_upgrade_is_of_this_version_or_refused(program: Path) -> None:
    *before, late, last = said(program, UPGRADES["a module more"], "late")
    assert before == ["answered", "answered", REFUSED]
    assert late in ("answered", REFUSED)
    assert last == REFUSED


def test_byte_code_that_was_made_meanwhile_is_no_upgrade(program: Path) -> None:
    compiling = "import compileall; compileall.compile_dir(here, quiet=1, force=True)"
    assert said(program, compiling) == ["answered"] * 5


def test_a_program_in_a_zip_file_has_children(program: Path) -> None:
    archive = Path(shutil.make_archive(str(program.parent / "program"), "zip", program))
    assert said(archive, "pass") == ["answered"] * 5
