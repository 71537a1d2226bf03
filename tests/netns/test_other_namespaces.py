# SPDX-License-Identifier: GPL-2.0-or-later
"""Another network namespace is another host: it has a lock, a status and labels of its own, in the same /run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.namespace import Namespace
from tests.support.real_service import RealService

pytestmark = pytest.mark.fault(52)


@pytest.fixture
def container() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def started(service: RealService) -> RealService:
    service.start()
    service.await_told("READY=1")
    return service


def ctl(service: RealService, namespace: Namespace, *words: str) -> subprocess.CompletedProcess[str]:
    """secmarkctl in a namespace, with the configuration and the folder below /run of the service."""
    return namespace.run(service.command("secmarkctl", *words), check=False, env=service.environment)


def labelled(namespace: Namespace) -> bool:
    return "table inet secmarkd" in namespace.run("nft list tables").stdout


def test_verbs_work_there_while_the_service_keeps_its_own(started: RealService, container: Namespace) -> None:
    assert ctl(started, container, "plan").returncode == 3
    done = ctl(started, container, "apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert labelled(container)
    assert ctl(started, container, "plan").returncode == 0
    done = ctl(started, container, "clear")
    assert (done.returncode, done.stderr) == (0, "")
    assert not labelled(container)
    assert labelled(started.namespace)
    assert "drift" not in started.said
    refused = ctl(started, started.namespace, "apply")
    assert refused.returncode == 1
    assert "the service is running" in refused.stderr


def test_status_and_reload_there_are_about_that_namespace(started: RealService, container: Namespace) -> None:
    assert started.process is not None
    status = ctl(started, container, "status")
    assert status.returncode == 1
    assert status.stdout.splitlines() == [
        "not running in this network namespace",
        f"the service (process {_pid(started)}) manages another network namespace",
        "hint: run `secmarkctl apply` to apply once; `secmarkctl plan` shows how the kernel differs",
    ]
    assert json.loads(ctl(started, container, "status", "--json").stdout) == {
        "running": False, "line": "", "elsewhere": _pid(started),
    }  # fmt: skip
    reload = ctl(started, container, "reload")
    assert reload.returncode == 1
    assert "no service manages this network namespace; the running one (process" in reload.stderr
    assert ctl(started, started.namespace, "status").returncode == 0


def _pid(service: RealService) -> int:
    return int(json.loads((service.runtime_folder / "status.json").read_text())["pid"])


@pytest.mark.slow
def test_each_namespace_may_have_a_service_and_only_one(
    started: RealService, container: Namespace, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    second = RealService(container, tmp_path / "other")
    second.command = started.command  # type: ignore[method-assign]
    try:
        second.start()
        second.await_told("READY=1")
        for service in (started, second):
            assert ctl(started, service.namespace, "status").returncode == 0
            assert ctl(started, service.namespace, "reload").stdout == "reloaded\n"
            assert ctl(started, service.namespace, "apply").returncode == 1
        assert "another secmarkd" in _third(started, container)
        started.signal(15)
        assert started.await_exit() == 0
        # The second goes on beside the place that is free now, and is still the only one of its namespace.
        assert ctl(started, container, "status").returncode == 0
        assert ctl(started, container, "apply").returncode == 1
        assert ctl(started, started.namespace, "apply").returncode == 0
    finally:
        second.close()


def _third(service: RealService, namespace: Namespace) -> str:
    """What another service in a namespace that has one ends with."""
    command = [sys.executable, "-m", *service.command("secmarkd")[2:]]
    return namespace.run(command, check=False, env=service.environment).stderr
