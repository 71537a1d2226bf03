"""What the kernel tells of SELinux: that a policy was loaded, a boolean changed, or enforcement switched.

selnl_notify sends to the group SELNLGRP_AVC of NETLINK_SELINUX, in the first network namespace only, *before* it writes to
/sys/fs/selinux/status (selinux_notify_policy_change, sel_write_enforce): who looks there must give it a moment.
"""

from __future__ import annotations

import errno
import socket

_NETLINK_SELINUX = 7
_SELNLGRP_AVC = 1
_BYTES = 4096
"""More than any of its messages, which carry one number."""


class SelinuxEvents:
    """Implements ports.SelinuxEvents. OSError where the kernel has no SELinux, or refuses."""

    def __init__(self) -> None:
        self._link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SELINUX)
        try:
            self._link.setblocking(False)
            self._link.bind((0, 1 << (_SELNLGRP_AVC - 1)))
        except BaseException:
            self._link.close()
            raise

    def fileno(self) -> int:
        """See ports.SelinuxEvents."""
        return self._link.fileno()

    def take(self) -> None:
        """See ports.SelinuxEvents. What was dropped for want of room is as good as what was not."""
        while True:
            try:
                self._link.recv(_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in (errno.ENOBUFS, errno.ENOMEM):
                    raise

    def close(self) -> None:
        """See ports.SelinuxEvents."""
        self._link.close()
