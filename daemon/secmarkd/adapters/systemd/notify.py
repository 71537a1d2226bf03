# SPDX-License-Identifier: GPL-2.0-or-later
"""The service manager: sd_notify's protocol over its socket, which needs no library."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from secmarkd.errors import one_line


class Manager:
    """Implements ports.Notifier. Without NOTIFY_SOCKET it does nothing; a manager that is away is no error."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Manager:
        """The manager that the environment of this process names."""
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def notify(self, **assignments: str) -> None:
        """All assignments in one datagram: RELOADING=1 and its MONOTONIC_USEC must arrive together (systemd 253).

        A value stays on its line, whatever is in it: the next line would be another assignment.
        """
        if not self._address or not assignments:
            return
        message = "\n".join(f"{name}={one_line(value)}" for name, value in assignments.items()).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
                link.setblocking(False)
                link.sendto(message, self._address)
        except OSError:
            pass


def watchdog_interval(environment: Mapping[str, str], pid: int) -> float | None:
    """Seconds after which the manager takes this process for hung; None where it does not watch."""
    usec = environment.get("WATCHDOG_USEC", "")
    if not usec.isdigit() or int(usec) == 0 or environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(usec) / 1e6


def runtime_folder(environment: Mapping[str, str]) -> str:
    """Where the service keeps its lock and its status: systemd's RuntimeDirectory, or /run/secmarkd."""
    return environment.get("RUNTIME_DIRECTORY", "").split(":")[0] or os.path.join("/run", "secmarkd")
