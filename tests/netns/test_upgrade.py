# SPDX-License-Identifier: GPL-2.0-or-later
"""Another version is put where the running service came from."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.real_service import REPOSITORY, RealService


@pytest.fixture
def upgraded(service: RealService, tmp_path: Path) -> RealService:
    """A service that runs, and whose program was exchanged for another since, as by `make install`."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "daemon/secmarkd", tmp_path / "daemon/secmarkd", ignore=ignored)
    service.environment["PYTHONPATH"] = f"{tmp_path / 'daemon'}:{REPOSITORY}"
    service.start()
    service.await_told("READY=1")
    (tmp_path / "daemon").rename(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "daemon", ignore=ignored, copy_function=shutil.copy)
    return service


@pytest.mark.fault(45)
def test_a_reload_is_rejected_with_the_fix_and_the_labels_are_kept_as_before(upgraded: RealService) -> None:
    before = upgraded.table()
    upgraded.configure("[labels.dns]\nudp = [53]\n")
    asked = upgraded.ctl("reload")
    assert asked.returncode == 1
    assert "the loading process is of another version of secmarkd than this process" in asked.stderr
    assert "hint: secmarkd was upgraded: systemctl restart secmarkd\n" in asked.stderr
    upgraded.namespace.nft("delete element inet secmarkd server_port { tcp . 80 }")
    upgraded.await_line("notice: repaired: 1 difference")
    assert upgraded.table() == before


@pytest.mark.fault(45)
def test_where_a_repair_needs_a_new_worker_the_service_is_degraded_until_it_is_restarted(
    upgraded: RealService,
) -> None:
    """That is, where libnftables' process has gone, and more than elements has to be written."""
    for pid in upgraded.namespace.pids():
        if Path(f"/proc/{pid}/comm").read_text().strip() == "secmarkd-nft":
            os.kill(pid, signal.SIGKILL)
    upgraded.namespace.nft("add rule inet secmarkd input accept")
    upgraded.await_line("libnftables is of another version of secmarkd than this process")
    assert "degraded" in upgraded.ctl("status").stdout
    assert "tcp . 443" in upgraded.table()
    upgraded.signal(signal.SIGTERM)
    assert upgraded.await_exit() == 0

    upgraded.forget_told()
    upgraded.start()
    upgraded.await_told("READY=1")
    assert upgraded.ctl("plan").returncode == 0
