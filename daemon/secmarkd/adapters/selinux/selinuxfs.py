# SPDX-License-Identifier: GPL-2.0-or-later
"""The port `Selinux` over selinuxfs and this process's own attributes in /proc."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from secmarkd.adapters.host.netns import inode, name_of
from secmarkd.ports import SelinuxState

SELINUXFS = Path("/sys/fs/selinux")
_STATUS = struct.Struct("=5I")
_REFUSED = (errno.EINVAL, errno.ENOENT, errno.ERANGE)
"""What the kernel answers to a context that the policy does not know (EINVAL), or that no file system takes."""


def find_selinuxfs(proc: Path = Path("/proc")) -> Path:
    """Where selinuxfs is mounted; its usual place where that is nowhere, or no policy is loaded."""
    return next((place for place in _places(proc) if _text(place / "policyvers")), SELINUXFS)


def _places(proc: Path) -> Iterator[Path]:
    yield SELINUXFS
    yield from _mounts(proc / "self/mountinfo")
    yield proc / "1/root" / SELINUXFS.relative_to("/")


class SelinuxFs:
    """SELinux of the running kernel. `root` and `own_context` are files of the kernel; others are for tests.

    Without a `root` it is looked for at each question: `ip netns exec` has a /sys of its own, without it.
    """

    def __init__(
        self,
        root: Path | None = None,
        own_context: Path = Path("/proc/self/attr/current"),
        proc: Path = Path("/proc"),
    ) -> None:
        self._given = root
        self._own_context = own_context
        self._proc = proc

    @property
    def _root(self) -> Path:
        if self._given is not None:
            return self._given
        return find_selinuxfs(self._proc)

    def state(self) -> SelinuxState:
        """Its state now; all False where SELinux is not there, and before a policy is loaded.

        Without a policy the kernel takes every string for a context, and everything runs as `kernel`.
        """
        root = self._root
        if not _text(root / "policyvers") or not self._labelled():
            hidden = self._labelled() and "selinuxfs" in _text(self._proc / "filesystems").split()
            namespace = name_of(inode()) if hidden else ""
            return SelinuxState(
                active=False, enforcing=False, mls=False, hidden=bool(hidden), namespace=namespace or ""
            )
        return SelinuxState(
            active=True,
            enforcing=_text(root / "enforce") == "1",
            mls=_text(root / "mls") == "1",
            policy=_policy(root),
        )

    def valid(self, context: str) -> bool:
        """Whether the loaded policy knows the context. False where SELinux is not there.

        OSError where the kernel does not let this process ask (EACCES: `security check_context`).
        """
        try:
            file = os.open(self._root / "context", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            os.write(file, context.encode() + b"\0")
        except OSError as error:
            if error.errno in _REFUSED:
                return False
            raise
        finally:
            os.close(file)
        return True

    def _labelled(self) -> bool:
        """Whether this process has a context of a policy."""
        return _text(self._own_context).partition(":")[0] not in ("", "kernel", "unconfined")


def _policy(root: Path) -> int:
    """`policyload` of struct selinux_kernel_status: version, sequence, enforcing, policyload, deny_unknown.

    A read while the kernel writes may give the old number; the next read gives the new one.
    """
    try:
        numbers = _STATUS.unpack_from((root / "status").read_bytes())
    except (OSError, struct.error):
        return 0
    return int(numbers[3])


def _mounts(mountinfo: Path) -> list[Path]:
    """Where selinuxfs is mounted in this process's mount namespace (proc(5), mountinfo)."""
    lines = (line.partition(" - ") for line in _text(mountinfo).splitlines())
    return [Path(before.split()[4]) for before, _, after in lines if after.split(" ")[0] == "selinuxfs"]


def _text(path: Path) -> str:
    """The content of a small file without its end; empty where there is none."""
    try:
        return path.read_bytes().decode(errors="replace").strip("\0\n ")
    except OSError:
        return ""
