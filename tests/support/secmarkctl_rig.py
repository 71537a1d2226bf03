# SPDX-License-Identifier: GPL-2.0-or-later
"""secmarkctl among fakes: a machine, its files, and what each verb writes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.programs.secmarkctl import main
from secmarkd.programs.wiring import Tools
from secmarkd.service.status import Status
from tests.fakes.access import FakeAccess
from tests.fakes.labellers import FakeLabellers
from tests.fakes.nft import FakeNft
from tests.fakes.selinux import FakeSelinux
from tests.fakes.service import FakeClock

LABELS = '[labels.http]\ntcp = [80, 443]\n\n[labels.lab]\ntype = "lab_packet_t"\nremote = ["192.0.2.0/24"]\n'


@dataclass
class Result:
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@dataclass
class Machine:
    root: Path
    nft: FakeNft = field(default_factory=FakeNft)
    selinux: FakeSelinux = field(default_factory=FakeSelinux)
    policy: FakeAccess = field(default_factory=FakeAccess)
    forwards: bool = False
    labellers: FakeLabellers = field(default_factory=FakeLabellers)
    clock: FakeClock = field(default_factory=FakeClock)
    signals: list[tuple[int, int]] = field(default_factory=list)
    on_signal: Callable[[], None] = lambda: None
    out: type[io.StringIO] = io.StringIO

    @property
    def runtime(self) -> Path:
        return self.root / "run"

    def write(self, name: str, text: str) -> None:
        path = self.root / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def ctl(self, verb: str, *words: str) -> Result:
        out, err = self.out(), io.StringIO()
        tools = Tools(
            lambda: self.nft, lambda: self.selinux, self._signal, self.clock, self.clock.sleep, out, err,
            open_policy=lambda: self.policy, open_labellers=lambda: self.labellers, forwards=lambda: self.forwards,
        )  # fmt: skip
        folders = ["--config-dir", str(self.root / "etc"), "--runtime-dir", str(self.runtime)]
        return Result(main([verb, *folders, *words], tools), out.getvalue(), err.getvalue())

    def _signal(self, pid: int, number: int) -> None:
        self.signals.append((pid, number))
        self.on_signal()


def publish(machine: Machine, status: Status) -> None:
    StatusFile(machine.runtime).publish(status)
