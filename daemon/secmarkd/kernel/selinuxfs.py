"""The port `Selinux` over selinuxfs and this process's own attributes in /proc."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

from secmarkd.ports import SelinuxState

SELINUXFS = Path("/sys/fs/selinux")
_STATUS = struct.Struct("=5I")
_REFUSED = (errno.EINVAL, errno.ENOENT, errno.ERANGE)
"""What the kernel answers to a context that the policy does not know (EINVAL), or that no file system takes."""


class SelinuxFs:
    """SELinux of the running kernel. `root` and `own_context` are files of the kernel; others are for tests."""

    def __init__(self, root: Path = SELINUXFS, own_context: Path = Path("/proc/self/attr/current")) -> None:
        self._root = root
        self._own_context = own_context

    def state(self) -> SelinuxState:
        """Its state now; all False where SELinux is not there, and before a policy is loaded.

        Without a policy the kernel takes every string for a context, and everything runs as `kernel`.
        """
        loaded = bool(_text(self._root / "policyvers")) and self._labelled()
        if not loaded:
            return SelinuxState(active=False, enforcing=False, mls=False)
        return SelinuxState(
            active=True,
            enforcing=_text(self._root / "enforce") == "1",
            mls=_text(self._root / "mls") == "1",
            policy=self._policy(),
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

    def _policy(self) -> int:
        """`policyload` of struct selinux_kernel_status: version, sequence, enforcing, policyload, deny_unknown.

        A read while the kernel writes may give the old number; the next read gives the new one.
        """
        try:
            numbers = _STATUS.unpack_from((self._root / "status").read_bytes())
        except (OSError, struct.error):
            return 0
        return int(numbers[3])

    def _labelled(self) -> bool:
        """Whether this process has a context of a policy."""
        return _text(self._own_context).partition(":")[0] not in ("", "kernel", "unconfined")


def _text(path: Path) -> str:
    """The content of a small file without its end; empty where there is none."""
    try:
        return path.read_bytes().decode(errors="replace").strip("\0\n ")
    except OSError:
        return ""
