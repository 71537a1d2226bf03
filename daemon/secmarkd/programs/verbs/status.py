# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb status: the service's last status, and whether it is running."""

from __future__ import annotations

import argparse
from pathlib import Path

from secmarkd.adapters.host.netns import inode
from secmarkd.adapters.run.lock import holder
from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.programs.lock_holder import Holder, classify
from secmarkd.programs.notes import print_others
from secmarkd.programs.output import Colour, Output
from secmarkd.programs.running_service import locate
from secmarkd.programs.wiring import Tools
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import State, Status


def status(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Print the service's last status, and whether it is running."""
    out = Output.on(tools.out)
    folder, elsewhere = locate(Path(arguments.runtime_dir))
    last = StatusFile(folder).read()
    if last is not None and last.netns not in (0, inode()):
        last = None  # the last status of another namespace's service
    pid = _living(folder, last)
    running = pid is not None and classify(pid, last) is Holder.SERVICE
    now = tools.clock.monotonic()
    if arguments.json:
        said = {"running": running, "line": last.line(now) if last else "", **(last.to_json() if last else {})}
        out.json(said | ({"elsewhere": elsewhere} if elsewhere is not None and not running else {}))
    elif running and last is not None:
        good = last.state is State.IN_SYNC
        out.line(f"running (process {pid})")
        out.line(last.line(now), Colour.GOOD if good else Colour.BAD)
        if last.hint:
            out.line(f"hint: {last.hint}")
        print_others(last.other_labels, last.other_labels_whole, out)
        for problem in last.reload.problems if last.reload else ():
            out.line(f"  {problem}")
        for each in last.waiting:
            out.line(f"note: {each}")
    else:
        if elsewhere is not None:
            process = f" (process {elsewhere})" if elsewhere else ""
            out.line("not running in this network namespace", Colour.BAD)
            out.line(f"the service{process} manages another network namespace")
        else:
            out.line("not running", Colour.BAD)
        if pid and classify(pid, last) is Holder.SECMARKCTL:
            out.line(f"another secmarkctl is running (process {pid})")
        if last is not None:
            out.line(f"last status: {last.line(now)}")
        start = "`secmarkctl apply` to apply once" if elsewhere is not None else "`systemctl start secmarkd`"
        out.line(f"hint: run {start}; `secmarkctl plan` shows how the kernel differs")
    return _exit(last) if running and last is not None else Exit.FAILURE


def _living(folder: Path, last: Status | None) -> int | None:
    """The service's process. Without root the lock cannot be read, and any process with that number counts."""
    try:
        return holder(folder)
    except PermissionError:
        return last.pid if last is not None and Path(f"/proc/{last.pid}").is_dir() else None


def _exit(status: Status) -> Exit:
    match status.state:
        case State.IN_SYNC:
            return Exit.OK
        case State.DRIFT:
            return Exit.DRIFT
        case State.STARTING | State.DEGRADED | State.STOPPED:
            return Exit.FAILURE
