# SPDX-License-Identifier: GPL-2.0-or-later
"""Being there when something happens."""

from __future__ import annotations

import contextlib
import os


def be_woken_at_once(stack: contextlib.ExitStack) -> None:
    """Until `stack` closes, have the bench, which does next to nothing, hear of a commit when it happens; its children stay
    as they are."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        stack.callback(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0))
