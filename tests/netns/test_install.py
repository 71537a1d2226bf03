# SPDX-License-Identifier: GPL-2.0-or-later
"""`make install` and `make uninstall` of this very system: in a mount namespace where /usr, /etc and /run are copies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.capability import require_bindings
from tests.support.namespace import Namespace

REPOSITORY = Path(__file__).resolve().parents[2]
COPIES = """\
set -eu
mount -t tmpfs tmpfs "$SCRATCH"
for each in usr etc; do
    mkdir "$SCRATCH/$each" "$SCRATCH/$each.work"
    mount -t overlay overlay -o "lowerdir=/$each,upperdir=$SCRATCH/$each,workdir=$SCRATCH/$each.work" "/$each"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
for each in systemctl journalctl; do
    printf '#!/bin/sh\\n[ "$2" != is-active ] || exec [ -e /run/active ]\\n' >/usr/local/bin/$each
    echo "echo asked: $each \\"\\$@\\"" >>/usr/local/bin/$each
    chmod 755 /usr/local/bin/$each
done
cd "$REPOSITORY"
"""
"""The service manager is one that says what it is asked and does everything; the service runs if there is /run/active."""
LOOK = """\
import os, sys
places = ("python/secmarkd/programs/secmarkd.py", "labels.d/20-web.toml")
print("looking", flush=True)
missed = 0
while not os.path.exists("/run/enough"):
    missed += sum(not os.path.exists(f"/usr/lib/secmarkd/{each}") for each in places)
print("missed", missed)
"""
"""Looks for what is being replaced, again and again."""
TABLE = "nft add table inet secmarkd"
THERE = "! nft list table inet secmarkd >/dev/null 2>&1 || echo the table is there"
SENTENCE = "left in the kernel: table inet secmarkd, which labels packets until the next boot; to take it out: "
COMMAND = "nft delete table inet secmarkd"

Run = Callable[[str], str]


@pytest.fixture
def run(netns: Namespace, tmp_path: Path) -> Run:
    """Runs commands in a copy of this system; what they say, stderr included. Nothing comes from the network."""
    require_bindings()
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in ("CLEAR", "DESTDIR", "MAKEFLAGS", "MAKELEVEL")
        },
        "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "REPOSITORY": str(REPOSITORY),
        "SCRATCH": str(tmp_path),
        "VENDOR": "no",
    }

    def run(commands: str) -> str:
        return netns.run(["unshare", "--mount", "sh", "-c", f"exec 2>&1\n{COPIES}{commands}"], env=environment).stdout

    return run


def test_what_was_installed_runs_and_is_removed_without_a_trace(run: Run) -> None:
    there = "find /usr /etc ! -type d | sort | cksum"
    before, *said, after = run(
        f"{there}; make install; secmarkctl --version; secmarkd --version; make uninstall; rm -r /etc/secmarkd; {there}"
    ).splitlines()
    assert before == after
    assert {each.split()[0] for each in said} >= {"secmarkctl", "secmarkd"}


@pytest.mark.fault(45)
def test_at_an_upgrade_nobody_finds_nothing_and_what_is_gone_is_gone(run: Run) -> None:
    said = run(
        "make install\n"
        "touch /usr/lib/secmarkd/python/secmarkd/stale.py /usr/lib/secmarkd/labels.d/99-stale.toml\n"
        f"python3 -c '{LOOK}' >/run/looked &\n"
        "until [ -s /run/looked ]; do :; done; make install; make install; touch /run/enough; wait; cat /run/looked\n"
        "find /usr/lib/secmarkd -name '*stale*' -o -name '*.new'"
    )
    assert said.splitlines()[-1] == "missed 0"


def test_what_comes_next_is_said(run: Run) -> None:
    new = "installed into /usr; next: secmarkctl check, then systemctl enable --now secmarkd"
    upgraded = "installed into /usr, and the service still runs what was there; next: systemctl restart secmarkd"
    said = [each for each in run("make install; touch /run/active; make install").splitlines() if "installed" in each]
    assert said == [new, upgraded]


def test_labels_that_are_in_the_kernel_stay_there_and_the_way_to_take_them_out_is_said(run: Run) -> None:
    said = run(f"make install; {TABLE}; make uninstall; {THERE}; {COMMAND}; make uninstall; {THERE}").splitlines()
    told = said.index(SENTENCE + COMMAND)
    assert said.index("asked: systemctl disable --now secmarkd.service") < told
    assert said[told + 1] == "the table is there"
    assert said.count(SENTENCE + COMMAND) == 1
    assert said.count("the table is there") == 1


def test_they_go_with_the_rest_when_that_is_asked_for(run: Run) -> None:
    said = run(f"make install; {TABLE}; make uninstall CLEAR=yes; {THERE}; ls /usr/sbin/secmarkctl || true")
    assert said.index("asked: systemctl disable --now") < said.index("removed table inet secmarkd")
    assert "the table is there" not in said
    assert SENTENCE not in said
    assert "No such file" in said


def test_they_can_be_asked_to_go_later(run: Run) -> None:
    said = run(f"make install; {TABLE}; make uninstall; make uninstall CLEAR=yes; {THERE}")
    assert said.count(SENTENCE) == 1
    assert "the table is there" not in said


def test_without_the_program_nft_they_go_all_the_same_or_it_is_said_that_they_may_be_left(run: Run) -> None:
    said = run(
        f"make install; {TABLE}; mv /usr/sbin/nft /run; make uninstall CLEAR=yes; mv /run/nft /usr/sbin; {THERE}"
    )
    assert "removed table inet secmarkd" in said
    assert "the table is there" not in said
    said = run("make install; rm /usr/sbin/nft; make uninstall")
    assert "labels may be left in the kernel: without the program nft that cannot be seen" in said


def test_where_they_cannot_go_nothing_is_removed(run: Run) -> None:
    said = run(
        f"make install; {TABLE}; ln -sf /bin/false /usr/sbin/secmarkctl; make uninstall CLEAR=yes || secmarkd --version"
    )
    assert "error: the labels could not be taken out, so nothing was removed" in said
    assert said.splitlines()[-1].startswith("secmarkd ")


def test_a_package_is_built_where_there_is_no_python(run: Run) -> None:
    said = run(
        "rm /usr/bin/python3*; make install DESTDIR=/run/package; ls /run/package/usr/sbin; ls /usr/lib/secmarkd || true"
    )
    assert "secmarkctl\nsecmarkd\n" in said
    assert "asked: " not in said
    assert "No such file" in said.splitlines()[-1]
