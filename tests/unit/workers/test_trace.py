# SPDX-License-Identifier: GPL-2.0-or-later
"""What --debug shows, and that it shows nothing otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from secmarkd.errors import WorkerFailed
from secmarkd.workers import trace
from secmarkd.workers.parent import Child


@pytest.fixture
def debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trace.VARIABLE, "1")
    monkeypatch.setattr(trace.SWITCH, "on", True)


def test_nothing_is_written_where_it_is_off(capfd: pytest.CaptureFixture[str]) -> None:
    with Child("tests.support.child_probe", "the probe") as child, trace.timed("x", "y"):
        child.request(("echo", 1), 30)
        trace.trace("x", "y")
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("debugging")
def test_requests_answers_and_their_times_are_written(capfd: pytest.CaptureFixture[str]) -> None:
    with Child("tests.support.child_probe", "the probe") as child:
        child.request(("echo", 1), 30)
    said = capfd.readouterr().err
    assert "debug: child: the probe: asked tuple (" in said
    assert "debug: child: the probe: answered tuple: " in said
    assert " ms\n" in said


@pytest.mark.usefixtures("debugging")
def test_the_traceback_of_a_child_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    with Child("tests.support.child_probe", "the probe") as child, pytest.raises(WorkerFailed):
        child.request(("fail", None), 30)
    said = capfd.readouterr().err
    assert "Traceback (most recent call last):" in said
    assert "child_probe.py" in said
    assert "with WorkerFailed: " in said


@pytest.mark.usefixtures("debugging")
def test_what_is_very_long_is_cut_and_counted(capfd: pytest.CaptureFixture[str]) -> None:
    trace.trace("x", lambda: "y" * (trace.LONGEST + 7))
    assert "… and 7 characters more" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["--debug", "check"], ["check", "--debug"]])
def test_secmarkctl_takes_the_option_before_and_after_the_verb(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "secmarkd.toml").write_text("mode = 5\n")
    command = [sys.executable, "-m", "secmarkd.programs.secmarkctl", *words, "--config-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "debug: load: files: " in done.stderr
    assert "mode: expected" in done.stderr
    quiet = subprocess.run(
        [each for each in command if each != "--debug"], capture_output=True, text=True,
        env={**os.environ, trace.VARIABLE: "0"},
    )  # fmt: skip
    assert "debug:" not in quiet.stderr
