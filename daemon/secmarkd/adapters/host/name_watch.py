# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tells of the files that users, groups and services are looked up in.

Of a directory service nothing is told. systemd writes a file for each user of a unit with DynamicUser= (nss-systemd), and
reads one for each user that was dropped in as a record.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from secmarkd.adapters.host import inotify
from secmarkd.adapters.host.inotify import Inotify

_CHANGES = (
    inotify.MODIFIED_AND_CLOSED | inotify.MOVED_FROM | inotify.MOVED_TO | inotify.CREATED | inotify.DELETED
)  # a link is created, and never written
_FILES = frozenset(("passwd", "group", "services", "nsswitch.conf"))
_DIRECTORIES = ("run/systemd/dynamic-uid", "run/userdb", "etc/userdb")
"""Where any name counts."""


class NameEvents:
    """Implements ports.NameEvents. OSError where the kernel refuses an inotify instance, or to watch /etc."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._inotify = Inotify()
        try:
            self._etc = self._inotify.watch(str(root / "etc"), _CHANGES)
        except OSError:
            self._inotify.close()
            raise
        for each in _DIRECTORIES:
            with contextlib.suppress(OSError):  # most machines have none of them
                self._inotify.watch(str(root / each), _CHANGES)

    def fileno(self) -> int:
        """See ports.NameEvents."""
        return self._inotify.fileno()

    def take(self) -> bool:
        """See ports.NameEvents."""
        events = list(self._inotify.take())
        return any(
            event.watch != self._etc or event.name in _FILES or event.mask & inotify.OVERFLOW for event in events
        )

    def close(self) -> None:
        """See ports.NameEvents."""
        self._inotify.close()
