# SPDX-License-Identifier: GPL-2.0-or-later
"""What ports.Loader promises, for the fake and for the child process."""

from __future__ import annotations

import time
from typing import Protocol

import pytest

from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import ConfigError
from secmarkd.model.label_map import Environment
from secmarkd.ports import Loader

PATIENCE = 60.0
"""Seconds."""
CGROUP = "a.slice"


class Files(Protocol):
    """A loader, and the configuration that it loads."""

    loader: Loader

    def write(self, *ports: int, cgroup: str | None = None) -> None:
        """The configuration has one label with these TCP ports, and perhaps a cgroup that does not exist."""

    def spoil(self) -> None:
        """The configuration is wrong."""


def answer(loader: Loader) -> Loaded:
    """The answer to what was begun."""
    end = time.monotonic() + PATIENCE
    while (loaded := loader.take()) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return loaded


class LoaderContract:
    """Both implementations of the port pass these. `files` is a fixture of theirs."""

    def test_nothing_is_taken_that_was_not_begun(self, files: Files) -> None:
        assert files.loader.take() is None

    def test_an_answer_is_taken_once(self, files: Files) -> None:
        files.write(80)
        files.loader.begin_load()
        assert answer(files.loader).label_count == 1
        assert files.loader.take() is None

    def test_each_load_sees_the_configuration_as_it_is_then(self, files: Files) -> None:
        tables = []
        for ports in ((80,), (80, 81)):
            files.write(*ports)
            files.loader.begin_load()
            tables.append(answer(files.loader).table)
        assert tables[0] != tables[1]

    def test_what_is_begun_takes_the_place_of_what_was_begun_before(self, files: Files) -> None:
        files.spoil()
        files.loader.begin_load()
        files.write(80)
        files.loader.begin_load()
        assert answer(files.loader).label_count == 1
        assert files.loader.take() is None

    def test_what_is_given_up_is_never_answered_and_another_can_be_begun(self, files: Files) -> None:
        files.write(80)
        files.loader.begin_load()
        files.loader.abandon()
        time.sleep(0.05)
        assert files.loader.take() is None
        files.loader.begin_load()
        assert answer(files.loader).label_count == 1

    def test_a_mistake_is_raised_when_the_answer_is_taken_and_the_next_load_is_another_one(
        self, files: Files
    ) -> None:
        files.spoil()
        files.loader.begin_load()
        with pytest.raises(ConfigError):
            answer(files.loader)
        assert files.loader.take() is None
        files.write(80)
        files.loader.begin_load()
        assert answer(files.loader).label_count == 1

    def test_a_recompilation_is_of_what_was_loaded_and_not_of_the_files(self, files: Files) -> None:
        files.write(80, cgroup=CGROUP)
        files.loader.begin_load()
        loaded = answer(files.loader)
        files.spoil()
        elsewhere = Environment(cgroups={CGROUP: 7})
        files.loader.begin_recompile(loaded, elsewhere)
        followed = answer(files.loader)
        assert followed.environment == elsewhere
        assert followed.label_count == loaded.label_count
        assert followed.table != loaded.table
