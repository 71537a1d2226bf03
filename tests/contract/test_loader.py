# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of ports.Loader, for the child process and for the fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from secmarkd.adapters.loading.loader import ChildLoader
from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import ConfigError, Problem
from secmarkd.model.label_map import Environment
from tests.contract.loader_contract import CGROUP, LoaderContract
from tests.fakes.service import FakeLoader
from tests.support.service_rig import configuration


class RealFiles:
    """A directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / "labels.d").mkdir()
        self.loader = ChildLoader([str(root)])

    def write(self, *ports: int, cgroup: str | None = None) -> None:
        text = f"[labels.http]\ntcp = {list(ports)}\n" + (f"cgroup = ['{cgroup}']\n" if cgroup else "")
        (self._root / "labels.d/50-web.toml").write_text(text)

    def spoil(self) -> None:
        (self._root / "labels.d/50-web.toml").write_text("nonsense")


class FakeFiles:
    """What the fake loader gives next."""

    def __init__(self) -> None:
        self._next: Loaded | Exception = configuration()
        self._ports: tuple[int, ...] = ()
        self.loader = FakeLoader(self._load, self._recompiled)

    def _load(self) -> Loaded:
        if isinstance(self._next, Exception):
            raise self._next
        return self._next

    def _recompiled(self, loaded: Loaded, environment: Environment) -> Loaded:
        return configuration(*self._ports, cgroup=CGROUP, environment=environment)

    def write(self, *ports: int, cgroup: str | None = None) -> None:
        self._ports = ports
        self._next = configuration(*ports, cgroup=cgroup)

    def spoil(self) -> None:
        self._next = ConfigError([Problem("50-web.toml", 1, "", "nonsense")])


class TestChildLoader(LoaderContract):
    @pytest.fixture
    def files(self, tmp_path: Path) -> Iterator[RealFiles]:
        files = RealFiles(tmp_path)
        yield files
        files.loader.close()


class TestFakeLoader(LoaderContract):
    @pytest.fixture
    def files(self) -> FakeFiles:
        return FakeFiles()
