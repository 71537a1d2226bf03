"""Verbs that speak with the running service: status, reload."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from secmarkd.cli.boundary import complain
from secmarkd.cli.occupied import Holder, another_at_work, who
from secmarkd.cli.output import Colour, Output
from secmarkd.cli.tools import Tools
from secmarkd.errors import SecmarkdError
from secmarkd.service.exits import Exit
from secmarkd.service.lock import holder
from secmarkd.service.status import Reload, State, Status, StatusFile

POLL = 0.02
"""Seconds between looks at the status file while a reload is awaited."""


class NotRunning(SecmarkdError):
    """There is no service to speak with."""


def status(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """The service's last word, and whether it still lives."""
    folder, out = Path(arguments.runtime_dir), Output.on(tools.out)
    last = StatusFile(folder).read()
    pid = _living(folder, last)
    running = pid is not None and who(pid, last) is Holder.SERVICE
    now = tools.clock.monotonic()
    if arguments.json:
        out.json({"running": running, "line": last.line(now) if last else "", **(last.to_json() if last else {})})
    elif running and last is not None:
        good = last.state is State.IN_SYNC
        out.line(f"running (process {pid})")
        out.line(last.line(now), Colour.GOOD if good else Colour.BAD)
        if last.hint:
            out.line(f"hint: {last.hint}")
        for problem in last.reload.problems if last.reload else ():
            out.line(f"  {problem}")
        for each in last.waiting:
            out.line(f"note: {each}")
    else:
        out.line("not running", Colour.BAD)
        if pid and who(pid, last) is Holder.SECMARKCTL:
            out.line(f"another secmarkctl is at work (process {pid})")
        if last is not None:
            out.line(f"when last seen: {last.line(now)}")
        out.line("hint: `systemctl start secmarkd`; `secmarkctl plan` tells what is in the kernel")
    return _exit(last) if running and last is not None else Exit.FAILURE


def _living(folder: Path, last: Status | None) -> int | None:
    """The service's process. Others than root cannot ask the lock, and have to take a process of that number for it."""
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


def reload(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Signal, and wait for a reload that began after the signal: an earlier one may have read the files before an edit."""
    folder, out = Path(arguments.runtime_dir), Output.on(tools.out)
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
