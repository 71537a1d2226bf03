"""Verbs that speak with the running service: status, reload."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from secmarkd.cli.boundary import complain
from secmarkd.cli.notes import print_others
from secmarkd.cli.occupied import Holder, another_at_work, who
from secmarkd.cli.output import Colour, Output
from secmarkd.cli.tools import Tools
from secmarkd.errors import SecmarkdError
from secmarkd.kernel.netns import inode
from secmarkd.service.exits import Exit
from secmarkd.service.lock import Holding, folder_of, holder, holding
from secmarkd.service.status import Reload, State, Status, StatusFile

POLL = 0.02
"""Seconds between looks at the status file while a reload is awaited."""


class NotRunning(SecmarkdError):
    """There is no service to speak with."""


def status(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """The service's last word, and whether it still lives."""
    out = Output.on(tools.out)
    folder, elsewhere = _here(Path(arguments.runtime_dir))
    last = StatusFile(folder).read()
    if last is not None and last.netns not in (0, inode()):
        last = None  # what the service of another namespace said when it ended
    pid = _living(folder, last)
    running = pid is not None and who(pid, last) is Holder.SERVICE
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
            out.line(f"the service{process} keeps the labels of another one")
        else:
            out.line("not running", Colour.BAD)
        if pid and who(pid, last) is Holder.SECMARKCTL:
            out.line(f"another secmarkctl is at work (process {pid})")
        if last is not None:
            out.line(f"when last seen: {last.line(now)}")
        start = "`secmarkctl apply` labels it once" if elsewhere is not None else "`systemctl start secmarkd`"
        out.line(f"hint: {start}; `secmarkctl plan` tells what is in the kernel")
    return _exit(last) if running and last is not None else Exit.FAILURE


def _here(root: Path) -> tuple[Path, int | None]:
    """Where the status of this network namespace is; and where the service keeps another's, its process."""
    here = inode()
    try:
        folder, found = folder_of(root, here), holding(root)
        pid, of = (found.pid, found) if found is not None else (0, None)
    except PermissionError:  # others than root take the status for it
        last = StatusFile(root).read()
        alive = last is not None and Path(f"/proc/{last.pid}").is_dir()
        of = Holding(last.pid, last.netns) if last is not None and alive else None
        pid = of.pid if of is not None else 0
        folder = root / f"netns-{here}" if of is not None and of.elsewhere(here) else root
    return folder, pid if of is not None and of.elsewhere(here) else None


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
    out = Output.on(tools.out)
    folder, elsewhere = _here(Path(arguments.runtime_dir))
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
