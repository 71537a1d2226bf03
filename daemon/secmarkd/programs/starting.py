# SPDX-License-Identifier: GPL-2.0-or-later
"""`secmarkd` from its first instruction on: nothing heavy is imported before signals can no longer end it.

A reload that is asked for while the service still begins is done when it can be (see Loop.hold). Until then the kernel
keeps the signal.
"""

from __future__ import annotations

import signal

HELD = (signal.SIGHUP, signal.SIGUSR1)
"""What asks the service for something. By default each of these would end a process."""


def hold() -> None:
    """Have the kernel keep these signals for this process until somebody takes them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def main() -> int:
    """The service; its exit code."""
    hold()
    from secmarkd.programs.secmarkd import main as run

    return run()
