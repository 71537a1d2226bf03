# SPDX-License-Identifier: GPL-2.0-or-later
"""Random tampering by the hypothesis state machine of tests/netns/test_tampering.py, in a process of its own.

Each tampering is seen by the service over the real kernel, and compared with what it should have told and done: a missed
one, one made up, or a table that is not as before ends the run, with the steps that led there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench.figures import Figure, Section
from tests.bench.service import ENVIRONMENT, REPOSITORY

_SHOWN = 40
"""Lines of a failure."""


def sections(quick: bool) -> Iterator[Section]:
    """One."""
    asked = 500 if quick else 10_000
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/netns/test_tampering.py",
        "-s",
        "-q",
        "-o",
        "faulthandler_timeout=0",
    ]
    start = time.perf_counter()
    ended = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**ENVIRONMENT, "SECMARKD_TAMPERINGS": str(asked)},
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    done = re.search(
        r"^(\d+) tamperings: (\d+) told and undone, (\d+) harmless and not told", ended.stdout, re.MULTILINE
    )
    if ended.returncode or done is None:
        tail = "\n  ".join([*ended.stdout.splitlines(), *ended.stderr.splitlines()][-_SHOWN:])
        yield Section(f"random tampering: FAILED (asked for {asked:,})", notes=[tail])
        return
    number, undone, harmless = map(int, done.groups())
    yield Section(
        f"random tampering: {number:,} by the state machine",
        figures=[
            Figure("told by kind and number, with nft as author, and undone", [undone], unit=""),
            Figure("harmless, and nothing told or done", [harmless], unit=""),
            Figure("missed, told wrongly, or left", [number - undone - harmless], unit="", most=0),
            Figure("one, with its nft and all comparisons", [seconds / number]),
        ],
        notes=["after each of them the table was listed, and equal", f"{seconds:.0f} s in all"],
    )
