# SPDX-License-Identifier: GPL-2.0-or-later
"""The real service in a namespace, as its unit runs it: from its start to READY, and what can be seen of it then."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.service.status import Status
from tests.support.namespace import Namespace
from tests.support.processes import family

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'daemon'}:{REPOSITORY}"}
_READY_SECONDS = 180.0


class Service:
    """A running secmarkd that said READY=1, `seconds` after its start. A context manager; leaving it stops it."""

    def __init__(self, where: Namespace, dirs: Sequence[str], *, watchdog: float | None = None) -> None:
        """`watchdog` is WatchdogSec= of the unit."""
        self._folder = tempfile.TemporaryDirectory(prefix="secmarkd-bench-")
        address = f"{self._folder.name}/notify"
        words = [word for each in dirs for word in ("--config-dir", each)]
        argv = [sys.executable, "-m", "secmarkd.programs.secmarkd", *words, "--runtime-dir", self._folder.name]
        environment = {**ENVIRONMENT, "NOTIFY_SOCKET": address}
        if watchdog is not None:
            environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        self._log = Path(self._folder.name, "log")
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(address)
        self._manager.settimeout(_READY_SECONDS)
        with self._log.open("w") as log, where.enter():
            start = time.perf_counter()
            self.process = subprocess.Popen(argv, env=environment, stderr=log)
            try:
                while b"READY=1" not in (said := self._manager.recv(4096)):
                    if self.process.poll() is not None or b"STOPPING=1" in said:
                        raise TimeoutError
            except TimeoutError:
                self.stop()
                raise SystemExit(f"error: the service did not start: {self._log.read_text()}") from None
            self.seconds = time.perf_counter() - start
        self._manager.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._manager.close()
        self._folder.cleanup()

    def verify(self) -> None:
        """Ask for a pass."""
        self.process.send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def pids(self) -> list[int]:
        """The service and the processes that it has started."""
        return family(self.process.pid)

    @property
    def log(self) -> str:
        """What it has said on stderr."""
        return self._log.read_text()

    def told(self) -> list[str]:
        """What the service manager was told since this was last asked. Unread it is lost after ten datagrams."""
        told: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                told += self._manager.recv(65536).decode().splitlines()
        return told

    def status(self) -> Status:
        """What it says of itself."""
        status = StatusFile(Path(self._folder.name)).read()
        if status is None or self.process.poll() is not None:
            raise SystemExit(f"error: the service is gone: {self.log}")
        return status
