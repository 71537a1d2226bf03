# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service has told the machine's journal, and waiting for what it is about to tell."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from labelling import SLOW

from secmarkd.events import Event

if TYPE_CHECKING:
    from machine import Machine

UNIT = "secmarkd.service"


class ServiceJournal:
    """The unit's entries from a moment on."""

    def __init__(self, vm: Machine, *, all: bool = False) -> None:
        """From now on; with `all`, from the boot on."""
        self._vm = vm
        self._since = ""
        if not all:
            # nobody's entry may be newer than the cursor, so not the unit's last one
            last = vm.run("journalctl --sync; journalctl -n 1 -o json").out
            self._since = f"--after-cursor={shlex.quote(json.loads(last)['__CURSOR'])}"

    def text(self, *options: str) -> str:
        """As `journalctl -u secmarkd` shows it."""
        command = f"journalctl --sync; journalctl -u secmarkd --no-pager {self._since} {' '.join(options)}"
        return self._vm.run(command).out

    def entries(self, event: type[Event]) -> list[dict[str, str]]:
        """All fields of the entries of an event, found by its MESSAGE_ID alone."""
        command = f"journalctl --sync; journalctl {self._since} -o json MESSAGE_ID={event.MESSAGE_ID}"
        return [json.loads(line) for line in self._vm.run(command).out.splitlines()]

    def messages(self, event: type[Event]) -> list[str]:
        """The text of the entries of an event."""
        return [each["MESSAGE"] for each in self.entries(event)]

    def wait(self, event: type[Event]) -> None:
        """Until there is an entry of an event."""
        follow = f"journalctl -f -n all -o cat {self._since} MESSAGE_ID={event.MESSAGE_ID}"
        self._vm.run(f"grep -q -m 1 . < <({follow})", timeout=SLOW)
