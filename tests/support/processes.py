# SPDX-License-Identifier: GPL-2.0-or-later
"""What processes take of the machine, by /proc."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
EPOLL_WAIT, RECEIVE, POLL = {"x86_64": (232, 45, 7), "aarch64": (22, 207, 73)}.get(platform.machine(), (-1, -1, -1))
"""The numbers of epoll_wait (epoll_pwait), recvfrom and poll (ppoll)."""


@dataclass(frozen=True)
class Memory:
    """Bytes, summed over processes: resident set size, and proportional set size (a shared page is shared out)."""

    rss: int
    pss: int


@dataclass(frozen=True)
class Work:
    """What threads have done since their start: seconds on a CPU, and how often they woke from a sleep."""

    cpu_seconds: float
    wakeups: int

    def __sub__(self, earlier: Work) -> Work:
        return Work(self.cpu_seconds - earlier.cpu_seconds, self.wakeups - earlier.wakeups)


def system_call(pid: int) -> tuple[int, list[int]]:
    """The one that a process sleeps in, and its arguments; -1 where it is in none (proc_pid_syscall(5))."""
    number, *arguments = (_PROC / str(pid) / "syscall").read_text().split()
    return (int(number), [int(each, 16) for each in arguments]) if number.isdigit() else (-1, [0] * 6)


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children = [int(each) for path in _PROC.glob(f"{pid}/task/*/children") for each in path.read_text().split()]
    return [pid, *(other for child in children for other in family(child))]


def memory(pids: Iterable[int]) -> Memory:
    """What processes hold now (/proc/PID/smaps_rollup)."""
    texts = [(_PROC / str(pid) / "smaps_rollup").read_text() for pid in pids]
    rss, pss = (sum(int(_found(rf"^{name}:\s+(\d+) kB", text)) * 1024 for text in texts) for name in ("Rss", "Pss"))
    return Memory(rss, pss)


def work(pids: Iterable[int]) -> Work:
    """What all threads of processes have done (schedstat and status of each; a voluntary switch is a sleep)."""
    threads = [each for pid in pids for each in (_PROC / str(pid) / "task").iterdir()]
    nanoseconds = sum(int((each / "schedstat").read_text().split()[0]) for each in threads)
    switches = (_found(r"^voluntary_ctxt_switches:\s+(\d+)", (each / "status").read_text()) for each in threads)
    return Work(nanoseconds * 1e-9, sum(map(int, switches)))


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match is not None, text
    return match[1]
