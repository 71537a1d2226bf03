# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb reload: reload the service, and wait for the result."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from secmarkd.adapters.run.lock import holder, holding
from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.errors import SecmarkdError
from secmarkd.programs.error_reporting import print_problems
from secmarkd.programs.lock_holder import Holder, busy_error, classify
from secmarkd.programs.output import Output
from secmarkd.programs.running_service import NotRunning, locate
from secmarkd.programs.wiring import Tools
from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import Reload

POLL = 0.02
"""Seconds between looks at the status file while a reload is awaited."""


def reload(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Signal, and wait for a reload that began after the signal: an earlier one may have read the files before an edit."""
    out = Output.on(tools.out)
    folder, elsewhere = locate(Path(arguments.runtime_dir))
    if elsewhere is not None and not _held(folder):
        message = f"no service manages this network namespace; the running one (process {elsewhere}) manages another"
        raise NotRunning(message, hint="run `secmarkctl apply` to apply the configuration here once")
    pid = _service(folder)
    asked = tools.clock.monotonic()
    try:
        tools.send_signal(pid, signal.SIGHUP)
    except ProcessLookupError:
        raise NotRunning("the service has just stopped") from None
    done = _await(folder, pid, asked, arguments.timeout, tools)
    if arguments.json:
        good = done.accepted and not done.error
        said = {"error": done.error, "hint": done.hint, "problems": done.problems}
        out.json({"ok": good, "accepted": done.accepted, **said})
        return Exit.OK if good else Exit(done.exit_status)
    if done.accepted and not done.error:
        out.line("reloaded")
        return Exit.OK
    head = "reload rejected, the labels stay as they were" if not done.accepted else "reloaded"
    print_problems(done.problems, f"{head}: {done.error}", done.hint, tools.err)
    return Exit(done.exit_status)


def _held(folder: Path) -> bool:
    try:
        return holding(folder) is not None
    except PermissionError:
        return True


def _service(folder: Path) -> int:
    """The running service's process. Only that may be signalled: SIGHUP ends any other program."""
    try:
        pid = holder(folder)
    except PermissionError:
        raise SecmarkdError(
            "permission denied: only root may reload the service", hint="run `sudo systemctl reload secmarkd`"
        ) from None
    if pid is None:
        raise NotRunning(
            "the service is not running", hint="run `systemctl start secmarkd`, or `secmarkctl apply` to apply once"
        )
    if not pid:
        message = f"{folder}/lock does not contain the service's process id"
        raise SecmarkdError(
            message, hint=f"check with `df {folder}` whether it is full; `systemctl kill -s HUP secmarkd` reloads"
        )
    match classify(pid, StatusFile(folder).read()):
        case Holder.SERVICE:
            return pid
        case Holder.ENDING:
            raise NotRunning(f"the service is stopping (process {pid})", hint="run `systemctl start secmarkd`")
        case Holder.SECMARKCTL:
            raise busy_error(pid)


def _await(folder: Path, pid: int, asked: float, timeout: float, tools: Tools) -> Reload:
    file = StatusFile(folder)
    while tools.clock.monotonic() < asked + timeout:
        last = file.read()
        if last is not None and last.reload is not None and last.reload.began >= asked:
            return last.reload
        if holder(folder) != pid:
            raise NotRunning("the service stopped before it reloaded", hint="see `journalctl -u secmarkd`")
        tools.sleep(POLL)
    raise SecmarkdError(f"the service did not answer within {timeout:g} s", hint="see `systemctl status secmarkd`")
