# SPDX-License-Identifier: GPL-2.0-or-later
"""The real service in a network namespace, rehearsing: started as a service manager does, and seen from outside."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.faults import FOLDER, LibnftablesFaults
from tests.support.modified import Modified
from tests.support.namespace import Namespace

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
"""Seconds for something that takes milliseconds."""


def unit_capabilities(*more: str) -> tuple[str, ...]:
    """A command's beginning that runs it with no more capabilities than the unit gives, and a drop-in with `more`."""
    unit = (REPOSITORY / "systemd/secmarkd.service").read_text()
    _, _, listed = next(line for line in unit.splitlines() if line.startswith("CapabilityBoundingSet=")).partition(
        "="
    )
    chosen = ",".join(["-all", *(f"+{each.removeprefix('CAP_').lower()}" for each in (*listed.split(), *more))])
    return "setpriv", f"--bounding-set={chosen}", f"--inh-caps={chosen}"


class RealService:
    """`secmarkd` in a namespace, with a service manager that listens and a stderr that can be read."""

    def __init__(self, namespace: Namespace, root: Path) -> None:
        self.namespace = namespace
        self.root = root
        self.log = root / "stderr"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(root / "notify"))
        self.manager.settimeout(PATIENCE)
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'daemon'}:{REPOSITORY}"}
        """Of the service and of secmarkctl."""
        self.configure("[labels.http]\ntcp = [80, 443]\n")

    @property
    def runtime_folder(self) -> Path:
        """Where lock and status are."""
        return self.root / "run"

    def configure(self, labels: str, settings: str = "") -> None:
        """Write a configuration."""
        (self.root / "etc/labels.d").mkdir(parents=True, exist_ok=True)
        (self.root / "etc/secmarkd.toml").write_text(f'mode = "rehearse"\n{settings}\n')
        (self.root / "etc/labels.d/50-test.toml").write_text(labels)

    def meet(self, faults: LibnftablesFaults) -> None:
        """From the next start on, its libnftables goes wrong as ordered."""
        path = f"{FOLDER}:{self.environment['PYTHONPATH']}"
        self.environment |= {**faults.environment, "PYTHONPATH": path}

    def command(self, module: str, *words: str) -> list[str]:
        """The command line of a program: `service`, or `control` with a verb."""
        folders = ["--config-dir", str(self.root / "etc"), "--runtime-dir", str(self.runtime_folder)]
        return [sys.executable, "-m", f"secmarkd.programs.{module}", *words, *folders]

    def start(self, *prefix: str, entry: Sequence[str] = ("secmarkd.programs.secmarkd",), **environment: str) -> None:
        """Start it; `prefix` is a command that runs it, such as setpriv, `entry` another module with its arguments."""
        base = {**self.environment, "NOTIFY_SOCKET": str(self.root / "notify")}
        interpreter, option, _, *folders = self.command("secmarkd")
        with open(self.log, "ab") as log:
            command = self.namespace.argv([*prefix, interpreter, option, *entry, *folders])
            self.process = subprocess.Popen(command, stderr=log, env={**base, **environment})

    def ctl(self, *words: str, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run `secmarkctl` to its end."""
        return self.namespace.run([*prefix, *self.command("secmarkctl", *words)], check=False, env=self.environment)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def await_told(self, assignment: str) -> list[str]:
        """All that the service manager was told up to an assignment."""
        told: list[str] = []
        while assignment not in told:
            told += self.manager.recv(65536).decode().splitlines()
        return told

    def forget_told(self) -> None:
        """Begin anew with what the service manager is told."""
        while select.select([self.manager], [], [], 0)[0]:
            self.manager.recv(65536)

    def await_line(self, text: str, since: int = 0) -> str:
        """What was said on stderr from a place on, once it has `text`."""
        end = time.monotonic() + PATIENCE
        with Modified(self.log) as written:
            while text not in (said := self.log.read_text()[since:]):
                if not written.wait(end):
                    raise AssertionError(f"{text!r} was not said:\n{self.log.read_text()}")
        return said

    def await_exit(self) -> int:
        """Its exit code, once it has ended."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def await_helpers_gone(self, *others: int | None) -> None:
        """Wait until no process but `others` is left in the namespace, after the service has ended."""
        end = time.monotonic() + PATIENCE
        for pid in set(self.namespace.pids()) - set(others):
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            ended, _, _ = select.select([handle], [], [], max(0.0, end - time.monotonic()))
            os.close(handle)
            assert ended, f"process {pid} outlives the service"

    @property
    def said(self) -> str:
        """All that was said on stderr."""
        return self.log.read_text()

    def table(self) -> str:
        """Our table as nft lists it; empty where there is none."""
        return self.namespace.run("nft list table inet secmarkd", check=False).stdout

    def close(self) -> None:
        """End it."""
        self.manager.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
