"""The real service in a network namespace of its own, rehearsing: what service manager, journal and kernel see of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secmarkd.service.exits import Exit
from tests.support.capability import require_bindings
from tests.support.namespace import Namespace

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
"""Seconds for something that takes milliseconds."""


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
        self.configure("[labels.http]\ntcp = [80, 443]\n")

    def configure(self, labels: str, settings: str = "") -> None:
        (self.root / "etc/labels.d").mkdir(parents=True, exist_ok=True)
        (self.root / "etc/secmarkd.toml").write_text(f'mode = "rehearse"\n{settings}\n')
        (self.root / "etc/labels.d/50-test.toml").write_text(labels)

    def command(self, module: str, *words: str) -> list[str]:
        folders = ["--config-dir", str(self.root / "etc"), "--runtime-dir", str(self.root / "run")]
        return [sys.executable, "-m", f"secmarkd.cli.{module}", *words, *folders]

    def start(self, **environment: str) -> None:
        base = {**os.environ, "PYTHONPATH": str(REPOSITORY / "daemon"), "NOTIFY_SOCKET": str(self.root / "notify")}
        with open(self.log, "ab") as log:
            command = self.namespace.argv(self.command("service"))
            self.process = subprocess.Popen(command, stderr=log, env={**base, **environment})

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "daemon")}
        return self.namespace.run(self.command("control", *words), check=False, env=env)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def await_told(self, assignment: str) -> list[str]:
        """All that the service manager was told up to an assignment."""
        told: list[str] = []
        while assignment not in told:
            told += self.manager.recv(65536).decode().splitlines()
        return told

    def await_line(self, text: str, since: int = 0) -> str:
        """What was said on stderr from a place on, once it has `text`."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            said = self.log.read_text()[since:]
            if text in said:
                return said
            time.sleep(0.02)
        raise AssertionError(f"{text!r} was not said:\n{self.log.read_text()}")

    def await_exit(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def table(self) -> str:
        return self.namespace.run("nft list table inet secmarkd", check=False).stdout

    def close(self) -> None:
        self.manager.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def service(netns: Namespace, tmp_path: Path) -> Iterator[RealService]:
    require_bindings()
    service = RealService(netns, tmp_path)
    yield service
    service.close()


def test_start_drift_repair_and_stop(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    assert "s_http_server_packet_t" in service.table()
    before = service.table()

    service.namespace.run("nft delete element inet secmarkd server_port '{ tcp . 80 }'")
    service.namespace.run("nft add rule inet secmarkd input accept")
    service.signal(signal.SIGUSR1)
    said = service.await_line("notice: repaired: 2 differences")
    assert "warning: drift: element missing: server_port { tcp . 80 }; expected s_http_server_packet_t" in said
    assert "warning: drift: rule added: chain input rule " in said
    assert service.table() == before

    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0
    service.await_told("STOPPING=1")
    assert "info: stopped: labels kept" in service.log.read_text()
    assert service.table() == before


def test_an_untouched_table_is_adopted_by_the_next_start(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    service.signal(signal.SIGKILL)
    service.await_exit()
    before = len(service.log.read_text())
    service.start()
    service.await_told("READY=1")
    said = service.log.read_text()[before:]
    assert "labels created" not in said
    assert "labels replaced" not in said


def test_reload_good_and_bad_waits_for_the_answer(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")

    service.configure("[labels.http]\ntcp = [80]\n[labels.ssh]\ntcp = [22]\n")
    done = service.ctl("reload")
    assert (done.returncode, done.stdout) == (0, "reloaded\n")
    told = service.await_told("READY=1")
    assert "RELOADING=1" in told
    assert any(each.startswith("MONOTONIC_USEC=") for each in told)
    good = service.table()
    assert "s_ssh_server_packet_t" in good

    service.configure("[labels.http]\ntcp = [80]\ntpc = [22]\n")
    failed = service.ctl("reload")
    assert failed.returncode == Exit.CONFIG
    assert "50-test.toml:3: labels.http.tpc" in failed.stderr
    told = service.await_told("READY=1")
    assert any(each.startswith("STATUS=rehearsing, in sync") and "last reload rejected" in each for each in told)
    assert service.table() == good
    assert "err: reload rejected, the labels stay as they were" in service.log.read_text()
    assert service.ctl("status").returncode == 0


def test_hangup_reloads_and_a_storm_of_it_harms_nothing(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    service.configure("[labels.dns]\nudp = [53]\n")
    for _ in range(100):
        service.signal(signal.SIGHUP)
    service.await_line("configuration reloaded")
    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0
    assert "s_dns_server_packet_t" in service.table()
    assert service.log.read_text().count("configuration reloaded") < 10


def test_a_flushed_ruleset_comes_back_with_the_next_periodic_verification(service: RealService) -> None:
    service.configure("[labels.http]\ntcp = [80]\n", 'resync = "1s"')
    service.start()
    service.await_told("READY=1")
    before = service.table()
    service.namespace.run("nft flush ruleset")
    service.await_line("notice: repaired: 1 difference, by the table made anew")
    assert service.table() == before


def test_stopping_removes_the_labels_where_that_is_asked(service: RealService) -> None:
    service.configure("[labels.http]\ntcp = [80]\n", 'on_stop = "remove"')
    service.start()
    service.await_told("READY=1")
    service.signal(signal.SIGTERM)
    assert service.await_exit() == 0
    assert service.table() == ""
    assert "stopped: labels removed" in service.log.read_text()


def test_a_second_service_waits_and_gives_way(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    first = service.process
    assert first is not None
    service.start()
    try:
        assert service.await_exit() == Exit.FAILURE
        assert f"another secmarkd (process {first.pid}) holds" in service.log.read_text()
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()


def test_a_bad_configuration_and_a_missing_permission_end_with_their_own_codes(service: RealService) -> None:
    service.configure("[labels.http]\ntcp = [80\n")
    service.start()
    assert service.await_exit() == Exit.CONFIG
    assert "50-test.toml:" in service.log.read_text()
    assert service.table() == ""

    service.configure("[labels.http]\ntcp = [80]\n")
    command = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *service.command("control", "apply")]
    denied = service.namespace.run(command, check=False, env={**os.environ, "PYTHONPATH": str(REPOSITORY / "daemon")})
    assert denied.returncode == Exit.NOPERM, denied.stderr
    assert "CAP_NET_ADMIN" in denied.stderr


def test_the_watchdog_is_fed(service: RealService) -> None:
    service.start(WATCHDOG_USEC="200000")
    service.await_told("READY=1")
    service.await_told("WATCHDOG=1")
    service.await_told("WATCHDOG=1")


def test_the_capability_that_the_unit_leaves_is_enough(service: RealService) -> None:
    command = [
        "setpriv",
        "--bounding-set=-all,+net_admin",
        "--inh-caps=-all,+net_admin",
        *service.command("control", "apply"),
    ]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "daemon")}
    assert service.namespace.run(command, env=env).stdout.startswith("created: ")
