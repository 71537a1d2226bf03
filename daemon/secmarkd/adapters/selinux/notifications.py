# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tells of SELinux: that a policy was loaded, a boolean changed, or enforcement switched.

selnl_notify sends to the group SELNLGRP_AVC of NETLINK_SELINUX, in the first network namespace only, *before* it writes to
/sys/fs/selinux/status (selinux_notify_policy_change, sel_write_enforce): who looks there must give it a moment.
"""

from __future__ import annotations

import errno

from secmarkd.adapters.netlink.socket import open_link, receive

_NETLINK_SELINUX = 7
_SELNLGRP_AVC = 1
_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP = 270, 1
_BYTES = 4096
"""More than any of its messages, which carry one number."""


class SelinuxEvents:
    """Implements ports.SelinuxEvents. OSError where the kernel has no SELinux, or refuses."""

    def __init__(self) -> None:
        self._link = open_link(_NETLINK_SELINUX)
        try:
            self._link.setblocking(False)
            self._link.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _SELNLGRP_AVC)
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
                receive(self._link, _BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in (errno.ENOBUFS, errno.ENOMEM):
                    raise

    def close(self) -> None:
        """See ports.SelinuxEvents."""
        self._link.close()
