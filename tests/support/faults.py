# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults where they come from in life: libnftables of the worker processes crashes, hangs, refuses or talks nonsense.

    faults.order("write", "die", signal.SIGSEGV)
    faults.order("read", "refuse", "Interrupted system call", times=3)

The worker is the real one, and so is libnftables but for what was ordered.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tests.support.modified import Modified

FOLDER = Path(__file__).with_name("faulty_libnftables")
FOREVER = 1_000_000


class LibnftablesFaults:
    """Orders for the libnftables of every worker that finds `FOLDER` first in its path."""

    def __init__(self, root: Path) -> None:
        self._file = root / "faults.json"

    @property
    def environment(self) -> dict[str, str]:
        """What the worker's environment needs besides the path."""
        return {"SECMARKD_TEST_FAULTS": str(self._file)}

    def order(self, call: str, effect: str, argument: object = "", *, times: int = 1, skip: int = 0) -> None:
        """Have calls (`read`, `write`, `check`, `any`) go wrong, after `skip` of them went well."""
        orders = json.loads(self._file.read_text()) if self._file.exists() else []
        text = str(int(argument)) if isinstance(argument, int) else str(argument)
        orders.append({"call": call, "effect": effect, "argument": text, "times": times, "skip": skip})
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps(orders))
        os.replace(beside, self._file)

    def end(self) -> None:
        """All is well again."""
        self._file.unlink(missing_ok=True)

    def await_carried_out(self, patience: float) -> None:
        """Wait until no order is left. What an order takes time for is then under way."""
        end = time.monotonic() + patience
        with Modified(self._file) as written:
            while self._left_or_being_written():
                assert written.wait(end), "the orders were not carried out"

    def _left_or_being_written(self) -> bool:
        try:
            return self.left > 0
        except ValueError:
            return True

    @property
    def left(self) -> int:
        """How many orders have not been carried out yet."""
        return sum(each["times"] for each in json.loads(self._file.read_text())) if self._file.exists() else 0
