"""The real service in a namespace, from its start to READY, and what it takes of the machine's memory."""

from __future__ import annotations

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

from tests.support.namespace import Namespace

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'daemon'}:{REPOSITORY}"}
_READY_SECONDS = 180.0


class Service:
    """A running secmarkd that said READY=1, `seconds` after its start. A context manager; leaving it stops it."""

    def __init__(self, where: Namespace, dirs: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="secmarkd-bench-")
        address = f"{self._folder.name}/notify"
        words = [word for each in dirs for word in ("--config-dir", each)]
        argv = [sys.executable, "-m", "secmarkd.cli.service", *words, "--runtime-dir", self._folder.name]
        self._log = Path(self._folder.name, "log")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, self._log.open("w") as log, where.enter():
            manager.bind(address)
            manager.settimeout(_READY_SECONDS)
            start = time.perf_counter()
            self.process = subprocess.Popen(argv, env={**ENVIRONMENT, "NOTIFY_SOCKET": address}, stderr=log)
            try:
                while b"READY=1" not in (said := manager.recv(4096)):
                    if self.process.poll() is not None or b"STOPPING=1" in said:
                        raise TimeoutError
            except TimeoutError:
                self.stop()
                raise SystemExit(f"error: the service did not start: {self._log.read_text()}") from None
            self.seconds = time.perf_counter() - start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
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

    def memory(self) -> dict[str, float]:
        """Bytes of all its processes: proportional set size and resident set size, summed; and how many they are."""
        sizes = {"processes": 0.0, "Pss": 0.0, "Rss": 0.0}
        for pid in [self.process.pid, *_descendants(self.process.pid)]:
            sizes["processes"] += 1
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in sizes:
                    sizes[name] += int(rest.split()[0]) * 1024
        return sizes


def _descendants(pid: int) -> list[int]:
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [other for child in children for other in (child, *_descendants(child))]
