# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that loads the configuration, and what becomes of its failures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from secmarkd.adapters.loading.loader import ChildLoader
from secmarkd.errors import WorkerFailed
from secmarkd.model.label_map import Environment


def test_a_configuration_is_loaded_and_compiled_anew_for_another_machine(tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    (tmp_path / "labels.d/10-a.toml").write_text("[labels.http]\ntcp = [80]\n[labels.a]\ncgroup = ['a.slice']\n")
    loader = ChildLoader([str(tmp_path)])
    loaded = loader.load()
    assert loaded.label_count == 2
    assert (loaded.label_sources, loaded.setting_sources) == ((), ())  # memory that the service has no use for
    (tmp_path / "labels.d/10-a.toml").write_text("nonsense")
    elsewhere = Environment(cgroups={"a.slice": 7})
    followed = loader.recompile(loaded, elsewhere)
    assert followed.environment == elsewhere
    assert followed.table != loaded.table

    # Whatever goes wrong over there is an error that the service can live with, and it says where it happened.
    with pytest.raises(WorkerFailed, match=r"failed: zlib.error: .*decompress.* \(process\.py:\d+\)"):
        loader.recompile(replace(loaded, packed=b"not what was packed"), elsewhere)
