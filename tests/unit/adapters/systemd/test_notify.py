# SPDX-License-Identifier: GPL-2.0-or-later
"""The service's adapters: service manager, lock, status file, environment, loop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from secmarkd.adapters.host.environment import ports_in_use, read_environment
from secmarkd.adapters.host.netns import inode, name_of
from secmarkd.adapters.run.lock import AlreadyRunning, Lock, folder_of, held, holder
from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.adapters.systemd.notify import Manager, watchdog_interval
from secmarkd.errors import SecmarkdError
from secmarkd.model.label_map import Environment
from secmarkd.model.protocols import TCP, UDP
from secmarkd.service.environment_changes import differences
from secmarkd.service.loop import Loop
from secmarkd.service.status import Reload, State, Status
from tests.fakes.service import FakeClock

# --- service manager ---


@pytest.mark.parametrize("abstract", [False, True])
def test_assignments_arrive_in_one_datagram(tmp_path: Path, abstract: bool) -> None:
    address = f"@secmarkd-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        Manager.of({"NOTIFY_SOCKET": address}).notify(RELOADING="1", MONOTONIC_USEC="5")
        assert manager.recv(100) == b"RELOADING=1\nMONOTONIC_USEC=5"


def test_no_text_of_others_becomes_an_assignment_or_is_too_odd_to_send(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        Manager(address).notify(STATUS="rejected: caf\udce9.toml\nSTOPPING=1")
        assert manager.recv(100) == rb"STATUS=rejected: caf\udce9.toml\nSTOPPING=1"


def test_no_manager_and_a_manager_that_is_gone_are_no_errors(tmp_path: Path) -> None:
    Manager.of({}).notify(READY="1")
    Manager(str(tmp_path / "nobody")).notify(READY="1")


def test_the_watchdog_counts_only_for_this_process() -> None:
    assert watchdog_interval({"WATCHDOG_USEC": "30000000"}, 7) == 30.0
    assert watchdog_interval({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 7) == 30.0
    assert watchdog_interval({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 7) is None
    assert watchdog_interval({}, 7) is None


# --- lock and status ---


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with held(tmp_path / "run"):
        assert holder(tmp_path / "run") == os.getpid()
        with pytest.raises(AlreadyRunning) as caught:
            Lock(tmp_path / "run").acquire()
        assert caught.value.pid == os.getpid()
    assert holder(tmp_path / "run") is None
    with held(tmp_path / "run"):
        pass


def test_nobody_else_can_hold_the_lock_against_the_service(tmp_path: Path) -> None:
    with held(tmp_path):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_each_network_namespace_has_a_lock(tmp_path: Path) -> None:
    first, second, third = Lock(tmp_path, 7), Lock(tmp_path, 8), Lock(tmp_path, 9)
    for each in (first, second, third):
        each.acquire()
    assert [each.folder for each in (first, second, third)] == [tmp_path, tmp_path / "netns-8", tmp_path / "netns-9"]
    assert [folder_of(tmp_path, here) for here in (7, 8, 9, 10)] == [
        tmp_path, tmp_path / "netns-8", tmp_path / "netns-9", tmp_path / "netns-10",
    ]  # fmt: skip
    for here in (7, 8, 9):
        with pytest.raises(AlreadyRunning):
            Lock(tmp_path, here).acquire()


def test_a_place_that_became_free_lets_nobody_in_beside_the_holder_of_its_namespace(tmp_path: Path) -> None:
    first, second = Lock(tmp_path, 7), Lock(tmp_path, 8)
    first.acquire()
    second.acquire()
    first.release()
    assert folder_of(tmp_path, 8) == tmp_path / "netns-8"
    with pytest.raises(AlreadyRunning, match="netns-8"):
        Lock(tmp_path, 8).acquire()
    other = Lock(tmp_path, 7)
    other.acquire()
    assert other.folder == tmp_path


@pytest.mark.parametrize("content", ["", "4711\n", "nonsense"])
def test_who_left_no_namespace_is_taken_to_be_in_this_one(tmp_path: Path, content: str) -> None:
    lock = Lock(tmp_path, 7)
    lock.acquire()
    (tmp_path / "lock").write_text(content)
    with pytest.raises(AlreadyRunning):
        Lock(tmp_path, 8).acquire()


def test_a_namespace_has_a_number_and_perhaps_a_name(tmp_path: Path) -> None:
    assert inode() > 0
    assert inode(tmp_path / "nowhere") == 0
    (tmp_path / "ctr").write_text("")
    assert name_of(inode(tmp_path / "ctr"), tmp_path) == "ctr"
    assert name_of(0, tmp_path) == name_of(1, tmp_path) == name_of(1, tmp_path / "nowhere") == ""


@pytest.mark.parametrize("name", ["a/" + "x" * 300, "file/b", "round/b", "gone"])
def test_a_cgroup_whose_name_no_cgroup_can_have_is_one_that_does_not_exist(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "round").symlink_to("round")
    assert read_environment([name, "a"], cgroups=str(tmp_path)).cgroups.keys() == {"a"}


def test_a_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    imports = "from pathlib import Path; from secmarkd.adapters.run.lock import Lock"
    program = f"{imports}; Lock(Path({str(tmp_path)!r})).acquire(); print(); input()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert holder(tmp_path) == process.pid
        process.kill()
        process.wait()
    assert holder(tmp_path) is None


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecmarkdError, match="cannot use") as caught:
        Lock(tmp_path / "file").acquire()
    assert "--runtime-dir" in caught.value.hint


def test_the_status_file_gives_back_what_was_written(tmp_path: Path) -> None:
    file = StatusFile(tmp_path)
    assert file.read() is None
    status = Status(
        pid=1, state=State.DRIFT, labels=3, last_drift=5.5, reload=Reload(2.5, False, 78, "bad", "", ("a", "b"))
    )
    file.publish(status)
    assert file.read() == status
    assert os.listdir(tmp_path) == ["status.json"]


@pytest.mark.parametrize(
    "text", ['{"state": "in sync", "reload": null, "color": "red"}', "", '"x"', "[]", "{}", "1", "\udcff"]
)
def test_a_status_file_that_cannot_be_written_is_no_error_and_a_foreign_one_is_a_sentence(
    tmp_path: Path, text: str
) -> None:
    StatusFile(tmp_path / "missing").publish(Status(pid=1))
    (tmp_path / "status.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SecmarkdError, match="not written by this version") as caught:
        StatusFile(tmp_path).read()
    assert caught.value.hint == "after an upgrade: systemctl restart secmarkd"


def test_the_status_line_tells_how_long_ago_drift_was() -> None:
    status = Status(pid=1, state=State.IN_SYNC, labels=1, elements=1, last_drift=1000.0)
    assert status.line(1300.0).endswith("; last drift 5 min ago")
    assert replace(status, last_drift=None).line(1.0).endswith("; last drift never")


# --- the machine ---


def test_the_environment_is_read_from_cgroups(tmp_path: Path) -> None:
    (tmp_path / "cgroup/a.slice/b.service").mkdir(parents=True)
    found = read_environment(frozenset({"a.slice/b.service", "gone"}), str(tmp_path / "cgroup"))
    number = (tmp_path / "cgroup/a.slice/b.service").stat().st_ino
    assert found == Environment(cgroups={"a.slice/b.service": number})
    assert list(differences(Environment(cgroups={"x": 7}), found)) == [
        ("cgroup a.slice/b.service", "absent", "present"),
        ("cgroup x", "present", "gone"),
    ]


def test_ports_in_use_are_those_of_both_ends(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    head = "  sl  local_address rem_address   st\n"
    (tmp_path / "net/tcp").write_text(f"{head}   0: 0100007F:1F90 00000000:0000 0A\n")
    (tmp_path / "net/udp6").write_text(f"{head}  9: {'0' * 32}:0035 {'0' * 32}:D431 07\n")
    assert ports_in_use(tmp_path) == {(TCP, 8080), (TCP, 0), (UDP, 53), (UDP, 0xD431)}


# --- the loop ---


class Once:
    """Work that is never due by itself."""

    def __init__(self) -> None:
        self.running, self.ticks = True, 0

    def due(self) -> float:
        return float("inf")

    def tick(self) -> None:
        self.ticks += 1


@pytest.mark.fault(28)
def test_a_storm_of_signals_is_one_call_of_each_kind_and_none_is_lost() -> None:
    loop, work = Loop(FakeClock()), Once()
    calls: list[str] = []
    previous = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGUSR2)}

    def stop() -> None:
        calls.append("stop")
        work.running = False

    try:
        loop.on_signal((signal.SIGHUP,), lambda: calls.append("reload"))
        loop.on_signal((signal.SIGUSR2,), stop)
        for _ in range(2000):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGUSR2)
        loop.run(work)
    finally:
        loop.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    assert sorted(calls) == ["reload", "stop"]
    assert work.ticks == 1


def test_a_descriptor_that_can_be_read_wakes_the_loop() -> None:
    loop, work = Loop(FakeClock()), Once()
    reader, writer = os.pipe()

    def ready() -> None:
        work.running = False

    loop.watch(reader, ready)
    os.write(writer, b"x")
    loop.run(work)
    loop.close()
    os.close(reader)
    os.close(writer)
    assert work.ticks == 1
