# SPDX-License-Identifier: GPL-2.0-or-later
"""The real service, asked by its status file what it has made of things: no waiting for lines that may be held back."""

from __future__ import annotations

import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.service.status import Reload, Status
from tests.support.namespace import Namespace
from tests.support.processes import family
from tests.support.real_service import PATIENCE, RealService


class WatchedService(RealService):
    """Each of its verbs has been done when it returns."""

    def __init__(self, namespace: Namespace, root: Path) -> None:
        self.folders = [root / "etc"]
        """Configuration folders; a later one has precedence."""
        super().__init__(namespace, root)

    def command(self, module: str, *words: str) -> list[str]:
        """The command line of a program: `service`, or `control` with a verb."""
        folders = [f"--config-dir={each}" for each in self.folders]
        return [
            sys.executable,
            "-m",
            f"secmarkd.programs.{module}",
            *words,
            *folders,
            f"--runtime-dir={self.runtime_folder}",
        ]

    def starts(self, **environment: str) -> None:
        """Start it, up to READY=1."""
        while select.select([self.manager], [], [], 0)[0]:  # what the one before has told
            self.manager.recv(65536)
        self.start(**environment)
        self.await_told("READY=1")

    def restarts(self, number: int) -> None:
        """End it by a signal, and start it again."""
        self.signal(number)
        self.await_exit()
        self.starts()

    def reloads(self, labels: str | None = None, settings: str = "") -> Reload:
        """Reload, another configuration if one is given, and what came of it."""
        if labels is not None:
            self.configure(labels, settings)
        began = time.monotonic()
        self.signal(signal.SIGHUP)
        reload = self._await(lambda status: status.reload and status.reload.began > began).reload
        assert reload is not None
        return reload

    def verifies(self) -> None:
        """Have it read the table now."""
        began = time.monotonic()
        self.signal(signal.SIGUSR1)
        self.await_pass(began)

    def await_pass(self, since: float) -> None:
        """Wait for a verification that ends after a moment of CLOCK_MONOTONIC."""
        self._await(lambda status: (status.last_pass or 0.0) > since)

    def undoes(self, tampering: str) -> None:
        """Tamper, and wait until a pass has found it and undone it; at once, however many there were in a row."""
        began = time.monotonic()
        self.namespace.nft(tampering)
        self.signal(signal.SIGUSR1)
        self._await(lambda status: (status.last_drift or 0.0) > began and not status.differences)

    def pids(self) -> list[int]:
        """The service and the processes that it has started."""
        assert self.process is not None
        return family(self.process.pid)

    def _await(self, wanted: Callable[[Status], object]) -> Status:
        end = time.monotonic() + PATIENCE
        while (status := StatusFile(self.runtime_folder).read()) is None or not wanted(status):
            assert time.monotonic() < end, f"{status}\n{self.said}"
            time.sleep(0.005)
        return status
