# SPDX-License-Identifier: GPL-2.0-or-later
"""`make install` and `make uninstall` below a folder: what they refuse, and what they put there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TAKEN = (
    "DESTDIR",
    "VENDOR",
    "CLEAR",
    "PREFIX",
    "prefix",
    "SYSCONFDIR",
    "sysconfdir",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
)


def make(*words: str, tree: Path = REPOSITORY, environment: str = "") -> subprocess.CompletedProcess[str]:
    """Run make in a source tree, with `NAME=value` in its environment and nothing else there that it takes for an order."""
    inherited = {name: value for name, value in os.environ.items() if name not in TAKEN}
    command = ["env", *environment.split(), "make", "-C", str(tree), *words]
    return subprocess.run(command, capture_output=True, text=True, env=inherited, timeout=300)


@pytest.mark.parametrize("target", ["install", "uninstall"])
@pytest.mark.parametrize("order", ["PREFIX=/usr/local", "prefix=/opt", "SYSCONFDIR=/usr/etc", "sysconfdir=/usr/etc"])
def test_other_folders_are_refused_and_not_ignored(tmp_path: Path, target: str, order: str) -> None:
    destination = tmp_path / "root"
    for done in (
        make(target, f"DESTDIR={destination}", order),
        make(target, f"DESTDIR={destination}", environment=order),
    ):
        assert done.returncode == 2
        assert f"error: {order} is not possible: the program looks in /usr and /etc alone" in done.stderr
        assert "hint: DESTDIR=" in done.stderr
        assert not destination.exists()


def test_the_folders_that_there_are_may_be_said(tmp_path: Path) -> None:
    done = make("uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr", "SYSCONFDIR=/etc/")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"removed from {tmp_path}/usr; {tmp_path}/etc/secmarkd stays" in done.stdout


@pytest.mark.parametrize(
    ("order", "said"), [("CLEAR=yes", "DESTDIR is not this system"), ("CLEAR=ja", "CLEAR=ja is neither yes nor no")]
)
def test_the_labels_of_this_kernel_are_not_those_of_a_folder(tmp_path: Path, order: str, said: str) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/secmarkctl").touch()
    done = make("uninstall", f"DESTDIR={tmp_path}", order)
    assert (done.returncode, said in done.stderr) == (2, True)
    assert list(contents(tmp_path)) == ["usr/sbin/secmarkctl"]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below it."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source tree in which nothing was built yet."""
    copy = tmp_path / "tree"
    for name in ("config", "daemon", "packaging", "systemd"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, copy)
    return copy


def test_a_package_is_what_the_tree_is_and_nothing_of_this_machine(tree: Path, tmp_path: Path) -> None:
    destination, before = tmp_path / "root", contents(tree)
    done = make("install", f"DESTDIR={destination}", tree=tree, environment="VENDOR=unknown")  # as tcsh has it
    assert (done.returncode, done.stderr) == (0, "")
    assert "the package depends on it (python3-pydantic), or VENDOR=yes puts it there" in done.stdout
    assert contents(tree) == before
    installed = contents(destination)
    program = {f"usr/lib/secmarkd/python/{each.removeprefix('daemon/')}" for each in before if "/secmarkd/" in each}
    labels = {f"usr/lib/secmarkd/labels.d/{Path(each).name}" for each in before if "config/labels.d/" in each}
    assert set(installed) - program - labels == {
        "etc/secmarkd/secmarkd.toml",
        "usr/lib/systemd/catalog/secmarkd.catalog",
        "usr/lib/systemd/system/secmarkd.service",
        "usr/sbin/secmarkctl",
        "usr/sbin/secmarkd",
        "usr/share/secmarkd/labels.schema.json",
        "usr/share/secmarkd/secmarkd.schema.json",
    }
    assert program | labels <= set(installed)
    assert not [path for path, content in installed.items() if str(tmp_path).encode() in content]


def test_settings_that_are_there_stay_and_go_with_nothing(tmp_path: Path) -> None:
    settings = tmp_path / "etc/secmarkd/secmarkd.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("# mine\n")
    done = make("install", f"DESTDIR={tmp_path}")
    assert (done.returncode, f"kept your {settings}" in done.stdout) == (0, True)
    assert make("uninstall", f"DESTDIR={tmp_path}").returncode == 0
    assert contents(tmp_path) == {"etc/secmarkd/secmarkd.toml": b"# mine\n"}
