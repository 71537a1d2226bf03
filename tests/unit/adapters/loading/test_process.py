# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that loads the configuration, and what becomes of its failures."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from secmarkd.adapters.loading.loader import ChildLoader
from secmarkd.errors import WorkerFailed
from secmarkd.model.label_map import Environment
from tests.support.loads import answer


def test_a_configuration_is_loaded_and_compiled_anew_for_another_machine(tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    (tmp_path / "labels.d/10-a.toml").write_text("[labels.http]\ntcp = [80]\n[labels.a]\ncgroup = ['a.slice']\n")
    loader = ChildLoader([str(tmp_path)])
    loader.begin_load()
    loaded = answer(loader)
    assert loaded.label_count == 2
    assert (loaded.label_sources, loaded.setting_sources) == ((), ())  # memory that the service has no use for
    (tmp_path / "labels.d/10-a.toml").write_text("nonsense")
    elsewhere = Environment(cgroups={"a.slice": 7})
    loader.begin_recompile(loaded, elsewhere)
    followed = answer(loader)
    assert followed.environment == elsewhere
    assert followed.table != loaded.table

    # Whatever goes wrong over there is an error that the service can live with, and it says where it happened.
    loader.begin_recompile(replace(loaded, packed=b"not what was packed"), elsewhere)
    with pytest.raises(WorkerFailed, match=r"failed: zlib.error: .*decompress.* \(process\.py:\d+\)"):
        answer(loader)
    loader.close()


def test_a_load_that_is_given_up_is_gone_at_once_and_never_answers(tmp_path: Path) -> None:
    loader = ChildLoader([str(tmp_path)])
    loader.begin_load()
    pid = loader.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    loader.abandon()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not select.select([loader.fileno()], [], [], 0)[0]
    assert loader.take() is None
    loader.close()


def test_a_load_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    loader = ChildLoader([str(tmp_path)])
    for labels in ("[labels.a]\ntcp = [80]\n", "[labels.a]\ntcp = [80]\n[labels.b]\ntcp = [81]\n"):
        (tmp_path / "labels.d/10-a.toml").write_text(labels)
        loader.begin_load()
    assert answer(loader).label_count == 2
    assert loader.take() is None
    loader.close()
