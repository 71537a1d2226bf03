# SPDX-License-Identifier: GPL-2.0-or-later
"""What the real service takes of a machine on which nothing happens to its labels: CPU time and wake-ups.

Default settings, the shipped label map, and a watchdog as in its unit. Two of them run side by side, each in its namespace:
one is left alone; in the namespace of the other another process commits to a table of its own once a second. The baseline
is a Python program that does nothing but feed such a watchdog.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Section
from tests.bench.service import ENVIRONMENT, REPOSITORY, Service
from tests.support.namespace import Namespace
from tests.support.processes import Work, work

_WATCHDOG = 60.0
"""WatchdogSec= of the unit."""
_SETTLING = 5.0
"""Seconds after READY before counting begins."""
_FEEDER = """
import socket, sys, time
while True:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        try:
            manager.sendto(b"WATCHDOG=1", sys.argv[1])
        except OSError:
            pass
    time.sleep(float(sys.argv[2]))
"""


def sections(quick: bool) -> Iterator[Section]:
    """One, after a minute or ten."""
    seconds = 60.0 if quick else 600.0
    with contextlib.ExitStack() as stack:
        quiet, busy = stack.enter_context(Namespace()), stack.enter_context(Namespace())
        rehearse = stack.enter_context(tempfile.TemporaryDirectory(prefix="secmarkd-bench-"))
        Path(rehearse, "secmarkd.toml").write_text('mode = "rehearse"\n')
        dirs = [str(REPOSITORY / "config"), rehearse]
        alone = stack.enter_context(Service(quiet, dirs, watchdog=_WATCHDOG))
        beside = stack.enter_context(Service(busy, dirs, watchdog=_WATCHDOG))
        arguments = [f"{rehearse}/nobody", str(_WATCHDOG / 2)]
        feeder = subprocess.Popen([sys.executable, "-c", _FEEDER, *arguments], env=ENVIRONMENT)
        stack.callback(feeder.wait)
        stack.callback(feeder.kill)
        time.sleep(_SETTLING)
        commits = fed = 0
        alone.told()
        pids = [[feeder.pid], alone.pids, beside.pids]
        before = [work(each) for each in pids]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            busy.nft("add table ip elsewhere; delete table ip elsewhere")
            commits += 1
            fed += alone.told().count("WATCHDOG=1")
            time.sleep(max(0.0, min(end, end - seconds + commits) - time.monotonic()))
        bare, ours, theirs = (work(each) - was for each, was in zip(pids, before, strict=True))
        if (alone.pids, beside.pids) != (pids[1], pids[2]):
            raise SystemExit(f"error: a process has ended meanwhile: {alone.log}{beside.log}")
    yield _section(seconds, len(pids[1]), fed, commits, bare, ours, theirs)


def _section(seconds: float, processes: int, fed: int, commits: int, bare: Work, ours: Work, theirs: Work) -> Section:
    figures = []
    for name, done in (
        ("a program that only feeds a watchdog", bare),
        ("secmarkd, alone", ours),
        (f"secmarkd, beside {commits} commits to another table", theirs),
    ):
        baseline = bare if done is not bare else None
        figures += [
            Figure(f"{name}: CPU time", [done.cpu_seconds], baseline=[baseline.cpu_seconds] if baseline else ()),
            Figure(f"{name}: wake-ups", [done.wakeups], unit="", baseline=[baseline.wakeups] if baseline else ()),
        ]
    share = [f"{100 * each.cpu_seconds / seconds:.2g} %" for each in (ours, theirs)]
    return Section(
        f"{seconds:.0f} idle seconds of the service's {processes} processes",
        "a program that only feeds a watchdog",
        figures,
        [
            f"of one CPU: {share[0]} alone, {share[1]} beside the commits; "
            f"{(theirs.cpu_seconds - ours.cpu_seconds) / commits * 1e6:.0f} µs for each of them",
            f"the watchdog was fed {fed} times",
        ],
    )
