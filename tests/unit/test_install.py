"""`make install` and `make uninstall` below a folder: what they refuse, and what they put there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TAKEN = ("DESTDIR", "PREFIX", "prefix", "SYSCONFDIR", "sysconfdir", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES")


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make in the source tree; of this process's environment, nothing that it would take for an order."""
    inherited = {name: value for name, value in os.environ.items() if name not in TAKEN}
    command = ["make", "-C", str(REPOSITORY), *words]
    return subprocess.run(command, capture_output=True, text=True, env=inherited | environment, timeout=300)


@pytest.mark.parametrize("target", ["install", "uninstall"])
@pytest.mark.parametrize("order", ["PREFIX=/usr/local", "prefix=/opt", "SYSCONFDIR=/usr/etc", "sysconfdir=/usr/etc"])
def test_other_folders_are_refused_and_not_ignored(tmp_path: Path, target: str, order: str) -> None:
    name, _, value = order.partition("=")
    destination = tmp_path / "root"
    for done in (
        make(target, f"DESTDIR={destination}", order),
        make(target, f"DESTDIR={destination}", **{name: value}),
    ):
        assert done.returncode == 2
        assert f"error: {order} is not possible: the program looks in /usr and /etc alone" in done.stderr
        assert "hint: DESTDIR=" in done.stderr
        assert not destination.exists()


def test_the_folders_that_there_are_may_be_said(tmp_path: Path) -> None:
    done = make("uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr", "SYSCONFDIR=/etc/")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"removed from {tmp_path}/usr; {tmp_path}/etc/secmarkd stays" in done.stdout
