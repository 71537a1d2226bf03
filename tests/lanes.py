# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the tests lane by lane, all of them even after a failure, and sums up.

`python tests/lanes.py lint unit contract netns slow vm`; without arguments, every lane but `server`. Exit code 1 when a
lane failed. The last line is `tests: N passed, N failed, N skipped`, over all lanes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
REPORTS = REPOSITORY / "build" / "lanes"
LINTERS = (
    [str(BIN / "ruff"), "check", "--output-format=concise"],
    [str(BIN / "ruff"), "format", "--check", "--output-format=concise"],
    [str(BIN / "mypy"), "--no-error-summary", "daemon/secmarkd", "tests"],
    [str(BIN / "lint-imports"), "--no-logo"],
)
PYTEST_LANES = ("unit", "contract", "netns", "slow", "vm")
ONLY_WHEN_NAMED = ("server",)
CHOICE = {
    "netns": ["tests/netns", "-m", "not slow"],
    "slow": ["tests/netns", "-m", "slow"],
}
"""What pytest is asked for where it is not the lane's directory: tests that wait or compute for seconds are not for `make
check`."""
MINUTES = {"vm": 55, "netns": 15, "slow": 15, "server": 60}
"""Limits for lanes, 10 for the others: what a machine needs that is three times slower than an idle one with two cores."""
SIDE_BY_SIDE = ("unit", "contract", "netns", "slow")
"""Lanes whose tests run in as many processes as there are processors, so that people run them."""
ALONE_IN_CI = ("netns", "slow")
"""Lanes of those in which one test runs at a time in CI, whose word counts: services meet their deadlines there."""
TWO_MACHINES = ("vm",)
"""Lanes in which two virtual machines run at a time, a file's tests on one of them: each waits for half of its time."""
IMAGE = REPOSITORY / "tests/vm/image.py"


@dataclass(frozen=True, slots=True)
class Result:
    """How a lane went. `counts` has passed, failed and skipped tests; a linter counts as one test."""

    lane: str
    passed: bool
    seconds: float
    counts: Counter[str]


def run(command: Sequence[str], minutes: float) -> int:
    """The command's exit code, its output passed through; 124 when it took longer and was ended with its children."""
    print("$", Path(command[0]).name, *command[1:], flush=True)
    with subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True) as process:
        try:
            return process.wait(minutes * 60)
        except BaseException as reason:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(reason, subprocess.TimeoutExpired):
                print(f"ended after {minutes} minutes", flush=True)
                return 124
            raise


def lint() -> Counter[str]:
    """Every linter, also after one has failed."""
    codes = [run(command, minutes=5) for command in LINTERS]
    return Counter("failed" if code else "passed" for code in codes)


def pytest(lane: str) -> Counter[str]:
    """The tests of a lane. A lane without any has failed."""
    report = REPORTS / f"{lane}.xml"
    report.unlink(missing_ok=True)
    command = [
        str(BIN / "pytest"),
        *CHOICE.get(lane, [f"tests/{lane}"]),
        f"--junitxml={report.relative_to(REPOSITORY)}",
        "--durations=5",
        "--durations-min=2",
    ]
    if lane in SIDE_BY_SIDE and not (lane in ALONE_IN_CI and os.environ.get("CI") == "true"):
        command += ["-n", "auto"]
    if lane in TWO_MACHINES:
        command += ["-n", "2", "--dist", "loadfile"]
    code = run(command, MINUTES.get(lane, 10))
    counts = read_report(report)
    if code and not counts["failed"]:  # a crash, a timeout, or no test at all
        counts["failed"] += 1
    return counts


def read_report(path: Path) -> Counter[str]:
    """The counts of a JUnit report; nothing where there is none, which is a crash or a timeout."""
    counts: Counter[str] = Counter()
    if path.is_file():
        for suite in ET.parse(path).getroot().iter("testsuite"):
            number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
            counts["failed"] += number["failures"] + number["errors"]
            counts["skipped"] += number["skipped"]
            counts["passed"] += number["tests"] - number["failures"] - number["errors"] - number["skipped"]
    return counts


@contextmanager
def image_beside(lanes: Sequence[str]) -> Iterator[None]:
    """The virtual machine's image is made while other lanes run, which takes minutes where there is none yet. The lane
    waits for it; where this failed, it tries itself and says why it cannot be made."""
    if "vm" not in lanes[1:]:
        yield
        return
    with (REPORTS / "image.log").open("w") as log:
        building = subprocess.Popen(
            [sys.executable, str(IMAGE)], cwd=REPOSITORY, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        finally:
            if building.poll() is None:
                os.killpg(building.pid, signal.SIGTERM)
            building.wait()


def main(lanes: Sequence[str]) -> int:
    """Run the lanes and print the summary."""
    if unknown := set(lanes) - {"lint", *PYTEST_LANES, *ONLY_WHEN_NAMED}:
        print(f"error: no such lane: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)
    chosen = tuple(lanes) or ("lint", *PYTEST_LANES)
    with image_beside(chosen):
        return summary(run_lanes(chosen))


def run_lanes(lanes: Sequence[str]) -> list[Result]:
    """One after another, all of them even after a failure."""
    results: list[Result] = []
    for lane in lanes:
        print(f"\n=== {lane} ===", flush=True)
        start = time.monotonic()
        counts = lint() if lane == "lint" else pytest(lane)
        results.append(Result(lane, not counts["failed"], time.monotonic() - start, counts))
        print(f"=== {lane}: {results[-1].seconds:.1f} s ===", flush=True)

    return results


def summary(results: Sequence[Result]) -> int:
    """Print it; the exit code."""
    print("\nlane        result    time   passed failed skipped")
    total: Counter[str] = Counter()
    for result in results:
        number = result.counts
        verdict = "ok" if result.passed else "FAILED"
        columns = f"{number['passed']:8} {number['failed']:6} {number['skipped']:7}"
        print(f"{result.lane:<11} {verdict:<6} {result.seconds:5.1f} s {columns}")
        total += number
    print(f"tests: {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped", flush=True)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
