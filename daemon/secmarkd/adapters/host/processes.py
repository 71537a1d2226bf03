# SPDX-License-Identifier: GPL-2.0-or-later
"""Who a thread is that the kernel named as the author of a transaction: what /proc says while it lives.

NFTA_GEN_PROC_PID is `task_pid_nr(current)` (nf_tables_fill_gen_info in net/netfilter/nf_tables_api.c): the *thread's* id in
the *initial* PID namespace. In another PID namespace that number is nobody, or somebody else, so there nobody is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from secmarkd.ports import Committed, Writer

INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO of linux/proc_ns.h, since 3.8; PID_NS_INIT_INO in the uapi's linux/nsfs.h."""
NOBODY = 4294967295
"""A login uid that was never set: (uid_t) -1."""
_FILES = ("cmdline", "comm", "cgroup", "status", "loginuid")
"""What is read of a process, below /proc/PID."""
_COMMAND_CHARACTERS = 120
_BYTES = 4096
_DIGITS = 20
"""More than the kernel's numbers have."""
_CONTAINER = re.compile(r"(?:(?P<engine>[a-z][a-z-]*)[-:])?(?P<id>[0-9a-f]{64})(?:\.scope)?")
"""docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, and the bare ID below /docker or /kubepods."""
_USER_MANAGER = re.compile(r"user@\d+\.service")
_LXC = re.compile(r"lxc\.payload\.(?P<name>.+)")


class Processes:
    """Implements ports.Writers. `proc` is where procfs is mounted, `users` a passwd file: a directory service that NSS
    would ask could keep us waiting for seconds.
    """

    def __init__(self, proc: Path = Path("/proc"), users: Path = Path("/etc/passwd")) -> None:
        self._proc = proc
        self._users = users
        self._named = counts_as_kernel(proc)

    def glimpse(self, committed: Committed) -> Callable[[], Writer]:
        """See ports.Writers."""
        thread = committed.thread if self._named and committed.thread else None
        nobody = Writer(_printable(committed.comm), thread)
        if thread is None:
            return lambda: nobody
        try:
            # The open directory stays this process's: what is read below it is never a successor's with the same number.
            folder = os.open(f"{self._proc}/{thread}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return lambda: nobody
        try:
            # First what goes first: a process that ends gives up its memory, is a zombie for a while, and is gone.
            exe, files = _exe(folder), {name: _read(folder, name) for name in _FILES}
        finally:
            os.close(folder)
        if files["comm"].rstrip(b"\n") != os.fsencode(committed.comm):
            return lambda: nobody
        return partial(self._described, nobody.comm, thread, exe, files)

    def _described(self, comm: str, thread: int, exe: str, files: Mapping[str, bytes]) -> Writer:
        """What the files say."""
        status = _fields(files["status"])
        uid = _number(status.get("Uid", "").split()[1:2])
        loginuid = _number([files["loginuid"].decode(errors="replace")])
        if loginuid == NOBODY:
            loginuid = None
        return Writer(
            comm,
            _number([status.get("Tgid", "")]) or thread,
            exe=exe,
            command=_command(files["cmdline"]),
            unit=unit_of(os.fsdecode(files["cgroup"])),
            uid=uid,
            user=self._name(uid),
            loginuid=loginuid,
            login=self._name(loginuid),
        )

    def _name(self, uid: int | None) -> str:
        try:
            for line in self._users.read_text(errors="replace").split("\n"):
                name, _, number, *_ = (*line.split(":"), "", "", "")
                if number == str(uid):
                    return _printable(name)
        except OSError:
            pass
        return ""


def counts_as_kernel(proc: Path) -> bool:
    """Whether this process and its procfs are in the initial PID namespace, so that the kernel's numbers mean the same."""
    try:
        initial = os.stat(proc / "self/ns/pid").st_ino == INITIAL_PID_NAMESPACE
        return initial and os.readlink(proc / "self") == str(os.getpid())
    except OSError:
        return False


def unit_of(cgroups: str) -> str:
    """The unit or container in the text of /proc/PID/cgroup; empty for a process that is in neither. A unit of a user's own
    manager, which may be named like one of the system's, is told apart by that manager: `user@1000.service/x.service`.

    Of cgroup v2 the line `0::/PATH`, of v1 the hierarchy that systemd keeps. A zombie's cgroup may be gone, which the
    kernel then adds to the path (proc_cgroup_show).
    """
    paths = [
        line.split(":", 2)[-1].removesuffix(" (deleted)")
        for line in cgroups.split("\n")
        if line.startswith("0::") or ":name=systemd:" in line
    ]
    parts = [part for path in paths for part in path.split("/") if part]
    for part in reversed(parts):
        if found := _CONTAINER.fullmatch(part):
            return f"container {found['engine'] or 'id'}-{found['id'][:12]}"
        if found := _LXC.fullmatch(part):
            return f"container lxc-{_printable(found['name'])}"
    units = [part for part in parts if part.endswith((".service", ".scope")) and part != "init.scope"]
    managers = [part for part in units[:-1] if _USER_MANAGER.fullmatch(part)]
    return _printable("/".join((*managers[:1], units[-1]))) if units else ""


def _read(folder: int, name: str) -> bytes:
    """A file of procfs; empty where it is not to be read or the process has ended."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        try:
            return os.read(file, _BYTES)
        finally:
            os.close(file)
    except OSError:
        return b""


def _exe(folder: int) -> str:
    try:
        return _printable(os.readlink("exe", dir_fd=folder))
    except OSError:
        return ""


def _fields(status: bytes) -> dict[str, str]:
    """Of /proc/PID/status. The name in it is whatever the process chose; of all that ends a line in Python's eyes, the
    kernel escapes the newline alone."""
    return dict(line.split(":", 1) for line in status.decode(errors="replace").split("\n") if ":" in line)


def _command(cmdline: bytes) -> str:
    words = _printable(" ".join(os.fsdecode(cmdline).rstrip("\0").split("\0")))
    return words if len(words) <= _COMMAND_CHARACTERS else words[: _COMMAND_CHARACTERS - 1] + "…"


def _printable(text: str) -> str:
    """What others chose freely, made safe for one line of a log."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _number(texts: Iterable[str]) -> int | None:
    return next((int(each) for text in texts if (each := text.strip()).isdecimal() and len(each) < _DIGITS), None)
