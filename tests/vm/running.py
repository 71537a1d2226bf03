# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed service as administrators see and use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelling import SLOW, write_labels

if TYPE_CHECKING:
    from machine import Completed, Machine

LIST = "nft -a list table inet secmarkd"
"""With handles: what was made anew has new ones."""


def systemctl(vm: Machine, command: str, *, check: bool = True) -> Completed:
    """Run `systemctl COMMAND secmarkd`."""
    return vm.run(f"systemctl {command} secmarkd", timeout=SLOW, check=check)


def shown(vm: Machine, name: str) -> str:
    """A property of the unit."""
    return vm.run(f"systemctl show -P {name} secmarkd").out.strip()


def reload(vm: Machine, labels: str, settings: str | None = None) -> None:
    """Write labels beside the shipped ones and reload."""
    write_labels(vm, labels, settings=settings)
    systemctl(vm, "reload")


def verify(vm: Machine) -> None:
    """Have the service verify now, without waiting for it."""
    systemctl(vm, "kill --kill-whom=main -s USR1")
