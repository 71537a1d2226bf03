# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb reload: have the service reload, and wait for the result."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from secmarkd.adapters.run.lock import holder, holding
from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.errors import SecmarkdError
from secmarkd.programs.error_reporting import complain
from secmarkd.programs.lock_holder import Holder, another_at_work, who
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
        message = f"no service keeps this network namespace; the service (process {elsewhere}) keeps another"
        raise NotRunning(message, hint="`secmarkctl apply` brings this one's labels to the configuration, once")
    pid = _service(folder)
    asked = tools.clock.monotonic()
    try:
        tools.send_signal(pid, signal.SIGHUP)
    except ProcessLookupError:
        raise NotRunning("the service ended just now") from None
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
    complain(done.problems, f"{head}: {done.error}", done.hint, tools.err)
    return Exit(done.exit_status)


def _held(folder: Path) -> bool:
    try:
        return holding(folder) is not None
    except PermissionError:
        return True


def _service(folder: Path) -> int:
    """The running service's process, which may be signalled: by this signal any other would end."""
    try:
        pid = holder(folder)
    except PermissionError:
        raise SecmarkdError(
            "only root may tell the service to reload", hint="sudo systemctl reload secmarkd"
        ) from None
    if pid is None:
        raise NotRunning(
            "the service is not running", hint="`systemctl start secmarkd`, or `secmarkctl apply` for one pass"
        )
    if not pid:
        message = f"{folder}/lock does not say which process the service is"
        raise SecmarkdError(
            message, hint=f"`df {folder}` tells whether it is full; `systemctl kill -s HUP secmarkd` reloads"
        )
    match who(pid, StatusFile(folder).read()):
        case Holder.SERVICE:
            return pid
        case Holder.ENDING:
            raise NotRunning(f"the service is just ending (process {pid})", hint="`systemctl start secmarkd`")
        case Holder.SECMARKCTL:
            raise another_at_work(pid)


def _await(folder: Path, pid: int, asked: float, timeout: float, tools: Tools) -> Reload:
    file = StatusFile(folder)
    while tools.clock.monotonic() < asked + timeout:
        last = file.read()
        if last is not None and last.reload is not None and last.reload.began >= asked:
            return last.reload
        if holder(folder) != pid:
            raise NotRunning("the service ended before it had reloaded", hint="`journalctl -u secmarkd` tells why")
        tools.sleep(POLL)
    raise SecmarkdError(
        f"the service did not answer within {timeout:g} s", hint="`systemctl status secmarkd` tells what it is doing"
    )
