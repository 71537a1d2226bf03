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
def test_a_reload_is_rejected_with_the_mend_and_the_labels_are_kept_as_before(upgraded: RealService) -> None:
    before = upgraded.table()
    upgraded.configure("[labels.dns]\nudp = [53]\n")
    asked = upgraded.ctl("reload")
    assert asked.returncode == 1
    assert "secmarkd was upgraded; restart the service\nhint: systemctl restart secmarkd\n" in asked.stderr
    upgraded.namespace.nft("delete element inet secmarkd server_port { tcp . 80 }")
    upgraded.await_line("notice: repaired: 1 difference")
    assert upgraded.table() == before


@pytest.mark.fault(45)
def test_where_it_cannot_go_on_it_ends_and_the_new_version_takes_over(upgraded: RealService) -> None:
    """That is, where libnftables' process has gone, and the structure of the table must be read."""
    for pid in upgraded.namespace.pids():
        if Path(f"/proc/{pid}/comm").read_text().strip() == "secmarkd-nft":
            os.kill(pid, signal.SIGKILL)
    upgraded.namespace.nft("add rule inet secmarkd input accept")
    assert upgraded.await_exit() == 1
    assert "notice: ending, to be started anew: secmarkd was upgraded; the labels stay in the kernel" in upgraded.said
    assert "err: " not in upgraded.said
    assert "tcp . 443" in upgraded.table()

    upgraded.forget_told()
    upgraded.start()
    upgraded.await_told("READY=1")
    assert upgraded.ctl("plan").returncode == 0
    upgraded.signal(signal.SIGTERM)
    assert upgraded.await_exit() == 0
